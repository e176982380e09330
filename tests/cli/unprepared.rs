//! Where the world meets the tool unprepared: files that change meanwhile, pipes, read-only PCHs, nobody to read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::compile::{Place, fields, unit};
use crate::support::{self, need, run, text};

/// A compiler that changes a file after the real one has read it.
fn meddling_cc(place: &Place, then: &str) -> String {
    let path = place.join("meddling-cc");
    let script = format!("#!/bin/sh\ngcc \"$@\" || exit\ncase \" $* \" in *' -E '*) ;; *) {then} ;; esac\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_header_that_changes_while_a_unit_compiles_is_not_taken_for_the_one_that_was_read() {
    need!("gcc");
    for header in [None, Some("v.h")] {
        let place = Place::new();
        place.write("v.h", "#define V 1\n");
        let include = if header.is_none() { "#include \"v.h\"\n" } else { "" };
        place.write("u.c", format!("{include}int u(void) {{ return V; }}\n"));
        // Only once: the second time there is nothing left to do.
        let cc = meddling_cc(&place, "if [ -e next.h ]; then mv next.h v.h; fi");
        place.write("next.h", "#define V 2\n");
        let mut words = vec!["compile", "--cc", &cc, "u.c"];
        words.extend(header.iter().flat_map(|header| ["--header", header]));
        place.good(&words);
        assert!(!place.join("next.h").exists(), "the compiler meddled");
        place.good(&words);
        assert_eq!(fields(&place.join("out"), "status"), ["built"], "{header:?}");
        place.good(&words);
        assert_eq!(fields(&place.join("out"), "status"), ["reused"], "{header:?}, nothing changed any more");
    }
}

#[test]
fn a_pipe_as_a_unit_is_refused_and_not_waited_for() {
    need!("gcc");
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.join("pipe.c")).status().unwrap().success());
    for unit in ["pipe.c", "/dev/zero"] {
        let output = run(&mut place.tool(&["compile", "--cc", "gcc", unit]), 1);
        assert!(text(&output.stderr).contains(&format!("{unit}: is not a regular file")), "{}", text(&output.stderr));
    }
}

#[test]
fn nobody_to_read_messages_is_no_reason_to_stop() {
    need!("gcc");
    let place = Place::new();
    place.write("good.c", unit("good", 1));
    place.write("bad.c", "int bad(void) { return }\n");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut tool = place.tool(&["compile", "-k", "--cc", "gcc", "bad.c", "good.c"]);
    assert_eq!(tool.stderr(full).stdout(Stdio::null()).status().unwrap().code(), Some(1));
    assert!(place.join("out/good.so").exists());
}

#[test]
fn a_limit_past_the_end_of_time_is_none() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.good(&["compile", "--cc", "gcc", "--timeout", "1e19", "u.c"]);
}

#[test]
fn a_temporary_directory_that_will_not_do_is_replaced_by_the_next() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let output = run(place.tool(&["compile", "--cc", "gcc", "u.c"]).env("TMPDIR", "/no/such/dir"), 0);
    assert!(
        text(&output.stderr).contains("warning: cannot use /no/such/dir for temporary files"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn doctor_tells_of_a_temporary_directory_that_cannot_hold_code() {
    need!("gcc");
    let place = Place::new();
    let dir = place.join("noexec");
    fs::create_dir(&dir).unwrap();
    let mount = ["mount", "-t", "tmpfs", "-o", "noexec,size=4m", "tmpfs"];
    let mounted = Command::new(mount[0]).args(&mount[1..]).arg(&dir).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        support::skip("a file system cannot be mounted here");
        return;
    }
    let output = run(place.tool(&["doctor", "--message-format", "json"]).env("TMPDIR", &dir), 0);
    assert!(Command::new("umount").arg(&dir).status().unwrap().success());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let temp_dir = &found["temp_dir"];
    assert_eq!(temp_dir["executable"], true, "{temp_dir:#}");
    assert_ne!(Path::new(temp_dir["path"].as_str().unwrap()), dir);
    assert!(temp_dir["refused"][0].as_str().unwrap().starts_with(dir.to_str().unwrap()), "{temp_dir:#}");
}

/// A PCH, and whoever may only read it.
#[test]
fn a_pch_that_may_only_be_read_is_used() {
    need!("gcc", "setpriv");
    let place = Place::new();
    place.write("shared/v.h", "#define V 1\n");
    place.write("shared/u.c", "int u(void) { return V; }\n");
    place.good(&["build-pch", "--cc", "gcc", "shared/v.h", "-o", "shared/v.pch.gch"]);
    for name in ["shared", "shared/v.pch.gch", "shared/v.pch.gch.json"] {
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let tool = place.tool(&["compile", "-v", "--cc", "gcc", "--pch", "shared/v.pch.gch", "shared/u.c"]);
    // Root writes where it likes, unless it gives that up.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]);
    command.arg(tool.get_program()).args(tool.get_args()).current_dir(place.path());
    let output = run(&mut command, 0);
    assert!(text(&output.stderr).contains("v.pch.gch: reused"), "{}", text(&output.stderr));
}

#[test]
fn a_pch_that_was_deleted_is_built_again_from_its_record() {
    need!("gcc");
    let place = Place::new();
    place.write("v.h", "#define V 1\n");
    place.write("u.c", "int u(void) { return V; }\n");
    place.good(&["build-pch", "--cc", "gcc", "v.h"]);
    fs::remove_file(place.join("v.pch.gch")).unwrap();
    place.good(&["compile", "--cc", "gcc", "--pch", "v.pch.gch", "u.c"]);
    assert!(place.join("v.pch.gch").exists());
}

#[test]
fn every_name_that_can_be_looked_up_is_reported() {
    need!("gcc", "clang-19");
    let place = Place::new();
    let names = "__attribute__((weak)) int weak_one(void) { return 1; }\n__thread int of_the_thread;\nint common_one;\n\
                 __attribute__((visibility(\"hidden\"))) int hidden_one;\nstatic int static_one;\n\
                 int NAME(void) { return static_one + hidden_one; }\n";
    for (cc, flag) in [("gcc", "-O1"), ("gcc", "-flto"), ("clang-19", "-O1")] {
        place.write("a.c", names.replace("NAME", "a"));
        place.good(&["compile", "--cc", cc, &format!("--cflag={flag}"), "a.c"]);
        let symbols = &support::report(&place.join("out"))["units"][0]["symbols"];
        assert_eq!(symbols, &serde_json::json!(["a", "common_one", "of_the_thread", "weak_one"]), "{cc} {flag}");
    }
    // Weak names may meet in one library.
    let weak = |name: &str| {
        format!("__attribute__((weak)) int weak_one(void) {{ return 1; }}\nint {name}(void) {{ return 0; }}\n")
    };
    place.write("a.c", weak("a"));
    place.write("b.c", weak("b"));
    place.good(&["compile", "--compact", "--cc", "gcc", "a.c", "b.c"]);
}

#[test]
fn a_clang_that_is_named_compiles_for_the_target_that_is_named() {
    need!("clang-19", "aarch64-linux-gnu-gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.good(&["compile", "--cc", "clang-19", "--target", "aarch64-linux-gnu", "--ldflag=-fuse-ld=lld", "u.c"]);
}

#[test]
fn a_cc_that_is_passed_over_is_told() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let output = run(place.tool(&["compile", "u.c"]).env("CC", "/bin/false"), 0);
    assert!(text(&output.stderr).contains("warning: CC is not used: /bin/false"), "{}", text(&output.stderr));
}

#[test]
fn a_compiler_that_succeeds_and_leaves_nothing_is_told_as_such() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.write("lazy", "#!/bin/sh\nfor word; do [ \"$word\" = -c ] && exit 0; done\nexec gcc \"$@\"\n");
    fs::set_permissions(place.join("lazy"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(place.tool(&["compile", "u.c", "--cc"]).arg(place.join("lazy")), 1);
    assert!(text(&output.stderr).contains("the compiler succeeded but did not write"), "{}", text(&output.stderr));
}

#[test]
fn files_are_for_whom_the_umask_lets() {
    need!("gcc");
    for (umask, mode) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let place = Place::new();
        place.write("u.c", unit("u", 1));
        symlink(env!("CARGO_BIN_EXE_mjit-cc"), place.join("tool")).unwrap();
        let line = format!("umask {umask}; ./tool compile -q --cc gcc u.c");
        run(Command::new("/bin/sh").args(["-c", &line]).current_dir(place.path()), 0);
        let found = fs::metadata(place.join("out/units.json")).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "umask {umask}: {found:o}");
    }
}
