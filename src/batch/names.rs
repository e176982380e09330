//! The names of a unit's files. Knows names only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::key::KeyBuilder;

/// Returns a unique stem for each unit: the stem of the file, followed by a hash of the path if units in different directories have the
/// same name. The hash depends on the path alone, so that a unit keeps its name from run to run.
pub(super) fn library_stems(units: &[PathBuf]) -> Vec<String> {
    let stems: Vec<String> = units.iter().map(|unit| stem(unit)).collect();
    // Compared without case: many file systems do not distinguish foo from Foo.
    let mut count = HashMap::new();
    for stem in &stems {
        *count.entry(stem.to_lowercase()).or_insert(0) += 1;
    }
    let name = |(unit, stem): (&PathBuf, String)| match count[&stem.to_lowercase()] {
        1 => stem,
        _ => format!("{stem}-{}", path_hash(unit)),
    };
    units.iter().zip(stems.clone()).map(name).collect()
}

/// Returns a stem for temporary files: short, of plain ASCII, and unique by the unit's number.
pub(super) fn scratch_stem(number: usize, unit: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let stem: String = stem(unit).chars().map(plain).take(40).collect();
    format!("u{number}-{stem}")
}

fn stem(unit: &Path) -> String {
    unit.file_stem().unwrap_or(unit.as_os_str()).to_string_lossy().into_owned()
}

fn path_hash(unit: &Path) -> String {
    KeyBuilder::new("library name").field(unit.as_os_str().as_encoded_bytes()).finish().as_str()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_called_alike_get_different_names() {
        let units: Vec<PathBuf> = ["a/u.c", "b/U.c", "v.c"].map(PathBuf::from).into();
        let names = library_stems(&units);
        assert!(names[0].starts_with("u-") && names[1].starts_with("U-"), "{names:?}");
        assert_ne!(names[0].to_lowercase(), names[1].to_lowercase());
        assert_eq!(names[2], "v");
        assert_eq!(library_stems(&units), names);
    }

    #[test]
    fn temporary_names_are_plain() {
        assert_eq!(scratch_stem(3, Path::new("odd dir/@é $.c")), "u3-____");
    }
}
