//! Parses the include directories of gcc and clang from the output of `-v`.

use std::path::PathBuf;

/// Directories for `#include`, in search order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchList {
    /// Directories for `#include "…"` only, searched first.
    pub quoted: Vec<PathBuf>,
    /// Directories for both forms.
    pub angled: Vec<PathBuf>,
    /// Directories that are named but do not exist. Their position in the order is unknown.
    pub missing: Vec<PathBuf>,
}

/// Parses the answer; `None` if the list does not end.
pub(crate) fn read(answer: &[u8]) -> Option<SearchList> {
    let text = String::from_utf8_lossy(answer);
    let mut list = SearchList::default();
    let mut is_quoted = None;
    for line in text.lines() {
        if let Some(missing) = line.trim().strip_prefix("ignoring nonexistent directory \"") {
            list.missing.push(missing.trim_end_matches('"').into());
        } else if line.starts_with("#include \"...\"") {
            is_quoted = Some(true);
        } else if line.starts_with("#include <...>") {
            is_quoted = Some(false);
        } else if line.starts_with("End of search list") {
            return is_quoted.map(|_| list);
        } else if let (Some(is_quoted), Some(dir)) = (is_quoted, line.strip_prefix(' '))
            && !dir.ends_with(" (framework directory)")
        {
            let list = if is_quoted { &mut list.quoted } else { &mut list.angled };
            list.push(dir.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_read() {
        let answer = b"ignoring nonexistent directory \"gone\"\n#include \"...\" search starts here:\n q\n\
            #include <...> search starts here:\n inc dir\n /usr/include\nEnd of search list.\n# 1 \"<stdin>\"\n";
        let list = read(answer).unwrap();
        assert_eq!(list.quoted, [PathBuf::from("q")]);
        assert_eq!(list.angled, ["inc dir", "/usr/include"].map(PathBuf::from));
        assert_eq!(list.missing, [PathBuf::from("gone")]);
        assert_eq!(read(b"error\n"), None);
    }
}
