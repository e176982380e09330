//! Where compilers end with their owner by themselves: Windows ends what is in the owner's jobs.

/// Nothing to do.
#[derive(Default)]
pub(super) struct Orphans;

#[expect(clippy::unused_self, reason = "elsewhere there is something to do")]
impl Orphans {
    pub(super) fn add(&self, _group: u32) {}

    pub(super) fn remove(&self, _group: u32) {}

    pub(super) fn close(&self) {}
}
