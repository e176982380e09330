//! The output of a process: one file for standard output and standard error, with a size limit. Knows nothing of processes.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::time::Duration;

use super::system;

/// The default limit of one process's output, in bytes.
pub const DEFAULT_LIMIT: u64 = 1 << 20;

/// No limit.
pub const NO_LIMIT: u64 = u64::MAX;

/// How much more than the limit, in bytes, a file in memory can hold: more than a process writes at once, so that an excess is always
/// detected.
const MARGIN: u64 = 16 << 20;

/// The interval between checks of a file in memory, which has a maximum size.
const LOOK: Duration = Duration::from_millis(250);

/// The interval between checks of a file on disk.
const LOOK_SOON: Duration = Duration::from_millis(50);

/// The unnamed file. Not a pipe: no thread has to read it, and a stray grandchild that keeps the file open blocks no thread.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    limit: u64,
    /// True if the file has a fixed size, and the system refuses writes beyond it.
    is_fixed: bool,
}

impl Output {
    pub(super) fn new(dir: &Path, limit: u64) -> io::Result<Self> {
        let (file, is_fixed) = system::unnamed_file(dir, limit.checked_add(MARGIN))?;
        Ok(Self { file, limit, is_fixed })
    }

    /// Returns a handle for a process, which shares the file's offset.
    pub(super) fn for_process(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Returns the number of bytes written: for a file of fixed size the offset, which all writers share; otherwise the
    /// file's size. Windows
    /// can only query an offset by setting it, and a process that writes meanwhile would overwrite its own output.
    fn written(&self) -> io::Result<u64> {
        if self.is_fixed { (&self.file).stream_position() } else { Ok(self.file.metadata()?.len()) }
    }

    /// True if more than the limit was written.
    pub(super) fn is_over(&self) -> bool {
        self.limit != NO_LIMIT && self.written().is_ok_and(|written| written > self.limit)
    }

    /// Returns the interval until the next check.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.limit != NO_LIMIT).then_some(if self.is_fixed { LOOK } else { LOOK_SOON })
    }

    /// Returns the beginning of the output, and the number of further bytes.
    pub(super) fn read(&self) -> io::Result<(Vec<u8>, u64)> {
        let written = self.written()?;
        let text = system::read_start(&self.file, written.min(self.limit))?;
        Ok((text, written.saturating_sub(self.limit)))
    }
}

/// Appends a line about the dropped rest.
pub(super) fn cut_off(mut text: Vec<u8>, dropped: u64) -> Vec<u8> {
    if text.last().is_some_and(|&last| last != b'\n') {
        text.push(b'\n');
    }
    text.extend(format!("\u{2026} {dropped} further bytes were dropped\n").into_bytes());
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
        assert!(said.ends_with(&format!("aaa\n\u{2026} {dropped} further bytes were dropped\n")), "{said}");
    }

    #[test]
    fn what_is_written_at_once_and_is_larger_than_the_limit_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(dir.path(), 1000).unwrap();
        output.for_process().unwrap().write_all(&vec![b'a'; 4 << 20]).unwrap();
        assert!(output.is_over());
    }
}
