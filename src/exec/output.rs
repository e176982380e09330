//! What a process writes on standard output and standard error: one file for both, of which so much is kept. Knows nothing of processes.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::time::Duration;

use super::system;

/// How much is kept of what one process writes, where nothing else is said.
pub const DEFAULT_LIMIT: u64 = 1 << 20;

/// Stands for no limit.
pub const NO_LIMIT: u64 = u64::MAX;

/// How much further than the limit a file in memory can grow: more than a process writes at once, so that a process which writes too much
/// is seen to have done so.
const MARGIN: u64 = 16 << 20;

/// How soon a process that writes to a file in memory is looked at again: the file itself refuses to grow.
const LOOK: Duration = Duration::from_millis(250);

/// And one that writes to a disk.
const LOOK_SOON: Duration = Duration::from_millis(50);

/// The file, without a name. Not a pipe: no thread has to read it, and a stray grandchild that keeps the file open blocks no thread.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    limit: u64,
    /// It had its size from the beginning, and the system lets nothing be written behind that.
    is_fixed: bool,
}

impl Output {
    pub(super) fn new(dir: &Path, limit: u64) -> io::Result<Self> {
        let (file, is_fixed) = system::unnamed_file(dir, limit.checked_add(MARGIN))?;
        Ok(Self { file, limit, is_fixed })
    }

    /// The file for a process, which then writes where this one sees it.
    pub(super) fn for_process(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// How much was written. In a file of a fixed size the place tells, which all that write share; otherwise the size does. Windows asks for
    /// a place by setting the place anew, and a process that writes meanwhile would write over its own words.
    fn written(&self) -> io::Result<u64> {
        if self.is_fixed { (&self.file).stream_position() } else { Ok(self.file.metadata()?.len()) }
    }

    /// True if more was written than is kept.
    pub(super) fn is_over(&self) -> bool {
        self.limit != NO_LIMIT && self.written().is_ok_and(|written| written > self.limit)
    }

    /// When to look again.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.limit != NO_LIMIT).then_some(if self.is_fixed { LOOK } else { LOOK_SOON })
    }

    /// The beginning of what was written, and how much more there was.
    pub(super) fn read(&self) -> io::Result<(Vec<u8>, u64)> {
        let written = self.written()?;
        let text = system::read_start(&self.file, written.min(self.limit))?;
        Ok((text, written.saturating_sub(self.limit)))
    }
}

/// What stands where the rest was.
pub(super) fn cut_off(mut text: Vec<u8>, dropped: u64) -> Vec<u8> {
    if text.last().is_some_and(|&last| last != b'\n') {
        text.push(b'\n');
    }
    text.extend(format!("\u{2026} {dropped} bytes more were dropped\n").into_bytes());
    text
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_in_memory_takes_no_more_than_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(dir.path(), 1000).unwrap();
        assert!(output.is_fixed);
        assert_eq!(output.file.metadata().unwrap().blocks(), 0);
        let mut writer = output.for_process().unwrap();
        writer.write_all(&[b'a'; 1000]).unwrap();
        assert!(!output.is_over());
        assert_eq!(output.read().unwrap(), (vec![b'a'; 1000], 0));
        let piece = vec![b'b'; 1 << 16];
        let written = (0..).take_while(|_| writer.write_all(&piece).is_ok()).count() as u64 * (1 << 16);
        assert!(output.is_over() && written >= MARGIN - (2 << 16), "{written}");
        assert!(output.file.metadata().unwrap().blocks() * 512 <= MARGIN + (1 << 16));
        let (text, dropped) = output.read().unwrap();
        assert!(text == [b'a'; 1000] && dropped >= written, "{dropped}");
        let said = String::from_utf8(cut_off(text, dropped)).unwrap();
        assert!(said.ends_with(&format!("aaa\n\u{2026} {dropped} bytes more were dropped\n")), "{said}");
    }

    #[test]
    fn what_is_written_at_once_and_is_larger_than_the_limit_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(dir.path(), 1000).unwrap();
        output.for_process().unwrap().write_all(&vec![b'a'; 4 << 20]).unwrap();
        assert!(output.is_over());
    }
}
