//! Units that are compiled several at a time, and the object cache: what is there one by one is taken, and what was made together is found
//! again.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::compile::{Fake, Place, Runs, fields, unit};
use crate::support::{need, run};

/// Four units behind a header, the fake compiler before gcc, and a cache.
struct Project {
    place: Place,
    fake: Fake,
    cache: TempDir,
}

const UNITS: [&str; 4] = ["a.c", "b.c", "c.c", "d.c"];

impl Project {
    fn new() -> Self {
        let place = Place::new();
        place.write("h.h", "#define ONE 1\n");
        place.write("own.h", "#define OWN 1\n");
        UNITS.iter().zip(1..).for_each(|(name, value)| place.write(name, unit(&name[..1], value)));
        for name in ["c", "d"] {
            place
                .write(&format!("{name}.c"), format!("#include \"own.h\"\nint {name}(void) {{ return ONE + OWN; }}\n"));
        }
        Self { place, fake: Fake::of("gcc"), cache: tempfile::tempdir().unwrap() }
    }

    #[track_caller]
    fn again(&self, words: &[&str], units: &[&str]) -> Runs {
        let mut command = self.place.tool(&["compile", "--header", "h.h", "--cache"]);
        command.arg(self.cache.path()).args(words).args(units);
        run(self.fake.behind(&mut command), 0);
        self.fake.runs()
    }

    /// How many compilers that takes where the output directory remembers nothing.
    #[track_caller]
    fn anew(&self, words: &[&str], units: &[&str]) -> usize {
        let _ = fs::remove_dir_all(self.place.join("out"));
        self.again(words, units).compile.len()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let pattern = self.cache.path().join("v1/??/*");
        glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).collect()
    }
}

#[test]
fn what_was_compiled_together_is_taken_from_the_cache_together() {
    need!("gcc");
    for more in [&[] as &[&str], &["--compact"]] {
        let project = Project::new();
        let words = [&["--unity", "2"], more].concat();
        assert_eq!(project.anew(&words, &UNITS), 2);
        let out = project.place.join("out");
        let names = ["symbols", "library"];
        let made = names.map(|name| fields(&out, name));
        assert_eq!(fields(&out, "cached"), [false; 4]);
        assert_eq!(project.anew(&words, &UNITS), 0);
        assert_eq!(names.map(|name| fields(&out, name)), made);
        assert_eq!((fields(&out, "status"), fields(&out, "cached")), (vec![json!("reused"); 4], vec![json!(true); 4]));
        assert_eq!(project.again(&words, &UNITS).counts(), (0, 0, 0));
        // Only those whose text, or whose includes', is another one.
        project.place.write("own.h", "#define OWN 2\n");
        assert_eq!(project.anew(&words, &UNITS), 1);
        project.place.write("own.h", "#define OWN 1\n");
        assert_eq!(project.anew(&words, &UNITS), 0);
    }
}

#[test]
fn units_that_are_in_the_cache_by_themselves_leave_their_group() {
    need!("gcc");
    let project = Project::new();
    project.anew(&[], &UNITS[..2]);
    for compiled in [1, 0] {
        assert_eq!(project.anew(&["--unity", "4"], &UNITS), compiled);
        assert_eq!(project.again(&["--unity", "4"], &UNITS).counts(), (0, 0, 0));
        let libraries = fields(&project.place.join("out"), "library");
        assert!(libraries[0] != libraries[1] && libraries[2] == libraries[3], "{libraries:?}");
        // With the one that both others are in.
        assert_eq!(project.entries().len(), 3);
    }
}

#[test]
fn a_damaged_object_of_a_group_is_made_again() {
    need!("gcc");
    let project = Project::new();
    assert_eq!(project.anew(&["--unity", "4"], &UNITS[..2]), 1);
    let [entry] = &project.entries()[..] else { panic!("{:?}", project.entries()) };
    let whole = fs::read(entry).unwrap();
    for damaged in [&whole[..whole.len() - 1], b""] {
        fs::write(entry, damaged).unwrap();
        assert_eq!(project.anew(&["--unity", "4"], &UNITS[..2]), 1);
        assert_eq!(project.anew(&["--unity", "4"], &UNITS[..2]), 0);
    }
}

#[test]
fn a_unit_that_may_not_be_kept_leaves_its_group() {
    need!("gcc");
    let project = Project::new();
    project.place.write("b.c", "const char *b(void) { return __TIME__; }\n");
    // The unit beside it is alone then.
    for compiled in [3, 1] {
        assert_eq!(project.anew(&["--unity", "4"], &UNITS), compiled);
        assert_eq!(project.entries().len(), 2);
    }
}
