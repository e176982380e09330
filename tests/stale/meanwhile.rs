//! What happens to files while a compiler runs, and after its run has ended.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{need, statuses};
use crate::table::{Place, UNIT};

/// A compiler that changes something once it has made an object for the first time.
fn meddling(place: &Place, line: &str) {
    let once = format!("[ -e done ] || {{ touch done; {line}; }}");
    place.script("cc", &format!("gcc \"$@\" || exit\ncase \" $* \" in *' -c '*) {once} ;; esac"));
}

/// Builds twice: what was read the first time is not what is there the second time.
#[track_caller]
fn is_made_again(place: &Place, more: &[&str]) {
    let words = [&["--cc", "./cc"], more].concat();
    let first = place.build("out", &words);
    assert!(place.path().join("done").exists(), "the compiler meddled");
    let second = place.build("out", &words);
    let fresh = place.build("fresh", &words);
    assert!(first.library != fresh.library, "what changed makes no difference");
    assert!(second.library == fresh.library, "an old library was used again");
}

#[test]
fn a_link_that_is_turned_while_the_compiler_runs_is_noticed() {
    need!("gcc");
    for link in ["ln -sfn two current", "ln -sfn two/v.h current.h"] {
        let place = Place::new();
        place.write("one/v.h", "#define VALUE 1\n");
        place.write("two/v.h", "#define VALUE 2\n");
        place.shell("ln -s one current; ln -s one/v.h current.h");
        let name = if link.ends_with("current") { "current/v.h" } else { "current.h" };
        place.write("unit.c", format!("#include \"{name}\"\n{UNIT}"));
        // Long before.
        std::thread::sleep(std::time::Duration::from_millis(50));
        meddling(&place, link);
        is_made_again(&place, &[]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_is_exchanged_while_the_compiler_runs_is_noticed() {
    need!("gcc");
    let place = Place::new();
    place.write("inc/v.h", "#define VALUE 1\n");
    place.write("next/v.h", "#define VALUE 2\n");
    place.write("unit.c", format!("#include <v.h>\n{UNIT}"));
    std::thread::sleep(std::time::Duration::from_millis(50));
    meddling(&place, "mv inc before; mv next inc");
    is_made_again(&place, &["-Iinc"]);
}

#[test]
fn a_header_that_is_exchanged_while_its_pch_is_made_is_noticed() {
    need!("gcc");
    let place = Place::new();
    place.write("one/v.h", "#define VALUE 1\n");
    place.write("two/v.h", "#define VALUE 2\n");
    place.write("vm.h", "#include \"current/v.h\"\n");
    place.write("unit.c", UNIT);
    place.shell("ln -s one current");
    std::thread::sleep(std::time::Duration::from_millis(50));
    place.script("cc", "gcc \"$@\" || exit\ncase \" $* \" in *' c-header '*) [ -e done ] || { touch done; ln -sfn two current; } ;; esac");
    is_made_again(&place, &["--header", "vm.h"]);
}

#[test]
fn a_list_of_dependencies_that_cannot_be_read_is_not_an_empty_one() {
    need!("gcc");
    let place = Place::new();
    place.write("v.h", "#define VALUE 1\n");
    place.write("unit.c", format!("#include \"v.h\"\n{UNIT}"));
    // A folder cannot be read as a file; nor can an empty list be right, on which not even the unit is.
    for damage in ["rm -f \"$list\"; mkdir \"$list\"", ": > \"$list\"", "rm -f \"$list\""] {
        place.shell("rm -rf done out fresh; echo '#define VALUE 1' > v.h");
        let find = "for word; do [ \"$before\" = -MF ] && list=$word; before=$word; done";
        place.script("cc", &format!("{find}\ngcc \"$@\" || exit\ncase \" $* \" in *' -c '*) {damage} ;; esac"));
        place.build("out", &["--cc", "./cc"]);
        place.write("v.h", "#define VALUE 2\n");
        let second = place.build("out", &["--cc", "./cc"]);
        assert!(second.library == place.build("fresh", &["--cc", "gcc"]).library, "{damage}");
    }
}

#[test]
fn no_two_runs_make_their_files_under_the_same_names() {
    need!("gcc");
    let place = Place::new();
    place.write("vm.h", "#define VALUE 1\n");
    place.write("unit.c", UNIT);
    place.script(
        "cc",
        "for word; do [ \"$before\" = -o ] && echo \"$word\" >> made; before=$word; done\nexec gcc \"$@\"",
    );
    let mut seen = BTreeSet::new();
    for turn in 0..3 {
        place.write("vm.h", format!("#define VALUE {turn}\n"));
        place.build("out", &["--cc", "./cc", "--header", "vm.h", "--linker", "driver"]);
        let made = fs::read_to_string(place.path().join("made")).unwrap();
        assert!(made.lines().count() >= 3, "{made}");
        for name in made.lines().collect::<BTreeSet<_>>() {
            assert!(seen.insert(name.to_owned()), "{name} was made by two runs");
        }
        fs::remove_file(place.path().join("made")).unwrap();
        assert_eq!(statuses(&place.path().join("out")), ["built"]);
    }
    // What they leave is removed all the same.
    let left = fs::read_dir(place.path().join("out/.mjit-cc/pch")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: BTreeSet<String> = left.map(|name| name.to_string_lossy().into_owned()).collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["vm.pch.gch", "vm.pch.gch.json"]);
    assert!(!place.path().join("out/.mjit-cc/tmp").exists());
}
