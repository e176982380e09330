//! Names of files and functions. Names are unique in a process, and by the process id among processes; a private directory does the rest.

use super::host::SourceLocation;

/// Returns the entry symbol of a unit, such as `_mjit3`; with a location, for debuggers, `_mjit3_block_in_main` (Ruby 6e405b26).
#[must_use]
pub fn entry(prefix: &str, id: u64, location: Option<&SourceLocation>) -> String {
    let mut name = format!("{prefix}{id}");
    let mut words = location
        .into_iter()
        .flat_map(|location| location.label.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'))
        .filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        name = words.fold(format!("{name}_{first}"), |name, word| name + "_" + word);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_c_names() {
        let location = SourceLocation { label: "block in <main>".into(), ..SourceLocation::default() };
        assert_eq!(entry("_mjit", 3, Some(&location)), "_mjit3_block_in_main");
        let location = SourceLocation { label: "+é?".into(), ..SourceLocation::default() };
        assert_eq!(entry("_mjit", 3, Some(&location)), "_mjit3");
        assert_eq!(entry("_mjit", 3, None), "_mjit3");
    }
}
