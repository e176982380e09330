//! Names and policies: functions without a handle.

use std::ffi::c_char;

use super::fault::{FfiError, Status, status, yes};
use super::memory::{read, row, spelled, text, wanted};
use super::{Census, UnitHeat};
use crate::jit::{ENTRY_PREFIX, PREFIX, file_stem};
use crate::worker::{self, names, policy};

pub(super) fn entry_name(prefix: &str, id: u64, label: Option<String>) -> String {
    let location = label.map(|label| worker::SourceLocation { label, ..worker::SourceLocation::default() });
    names::entry(prefix, id, location.as_ref())
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_file_name(
    dir: *const c_char,
    prefix: *const c_char,
    process: u32,
    id: u64,
    suffix: *const c_char,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (dir, prefix, suffix) = unsafe { (text(dir), text(prefix), text(suffix)) };
        let mut name = file_stem(&prefix.unwrap_or_else(|| PREFIX.to_owned()), process, id);
        if let Some(dir) = dir.filter(|dir| !dir.is_empty()) {
            name = format!("{dir}/{name}");
        }
        name += &suffix.unwrap_or_default();
        Ok(name)
    };
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_entry_name(
    prefix: *const c_char,
    id: u64,
    label: *const c_char,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (prefix, label) = unsafe { (text(prefix), text(label)) };
        Ok(entry_name(prefix.as_deref().unwrap_or(ENTRY_PREFIX), id, label))
    };
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_pick_unloads(
    loaded: *const UnitHeat,
    loaded_count: usize,
    queued: *const u64,
    queued_count: usize,
    max_active: u64,
    picked: *mut u32,
    picked_count: *mut usize,
) -> Status {
    status(|| {
        wanted(picked_count, "the pointer to the count")?;
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (loaded, queued) =
            unsafe { (row(loaded, loaded_count, "the loaded units")?, row(queued, queued_count, "the queue")?) };
        if !loaded.is_empty() {
            wanted(picked, "the pointer to the picked units")?;
        }
        let heat: Vec<policy::UnitHeat> = loaded
            .iter()
            .map(|unit| policy::UnitHeat { calls: unit.calls, in_use: unit.in_use != 0, dead: unit.dead != 0 })
            .collect();
        let places = policy::pick_unloads(&heat, queued, size(max_active));
        for (number, &location) in places.iter().enumerate() {
            let location = u32::try_from(location).map_err(|_| FfiError::invalid("too many units"))?;
            // SAFETY: `mjitcc.h` requires room for as many as are loaded.
            unsafe { picked.add(number).write(location) };
        }
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { picked_count.write(places.len()) };
        Ok(yes(!places.is_empty()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_should_compact(census: *const Census) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let Census { wait, active, queued, max_active, compactions, unloads, .. } = unsafe { read(census) }?;
        Ok(yes(policy::should_compact(&policy::Census {
            active: size(active),
            queued: size(queued),
            max_active: size(max_active),
            compactions: size(compactions),
            unloads: size(unloads),
            wait: wait != 0,
        })))
    })
}
