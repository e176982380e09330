//! Precompiled headers: built, really used, reused only while nothing that went into them changed, never trusted when damaged,
//! shared by processes, and done without where they cannot work.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::compile::{Fake, Place, fields, unit};
use crate::support::{self, library, need, run, text};

/// A header that includes another one, which includes a third.
fn nested(place: &Place) {
    place.write("h.h", "#include \"inc/middle.h\"\n#define OUTER 1\n");
    place.write("inc/middle.h", "#include \"inner.h\"\n");
    place.write("inc/inner.h", "#define INNER 2\n");
    place.write("u.c", "int u(void) { return OUTER + INNER; }\n");
}

/// What `build-pch h.h` did: `built` or `reused`.
#[track_caller]
fn build(place: &Place, words: &[&str]) -> String {
    outcome(&place.good(&[&["build-pch", "h.h"], words].concat()))
}

#[track_caller]
fn outcome(line: &str) -> String {
    let (_, rest) = line.split_once(": ").unwrap();
    let (how, took) = rest.split_once(" in ").unwrap();
    let took = took.strip_suffix(" ms\n").unwrap();
    assert!(took.parse::<u32>().is_ok(), "{line:?}");
    how.to_owned()
}

/// What `compile` says, on either stream.
#[track_caller]
fn compile(place: &Place, words: &[&str]) -> String {
    let output = run(&mut place.tool(&[&["compile", "--out-dir", "out"], words].concat()), 0);
    text(&output.stdout) + &text(&output.stderr)
}

/// A header that tells whoever reads it.
const TELLS: &str = "#warning somebody reads the header\n#define ONE 1\n";

/// The compilers that have PCHs, and what theirs are called.
const COMPILERS: [(&str, &str); 3] = [("gcc", "h.pch.gch"), ("clang", "h.pch"), ("clang-19", "h.pch")];

#[test]
fn build_pch_says_what_it_built_or_reused() {
    for (cc, file) in COMPILERS {
        need!(cc);
        let place = Place::new();
        nested(&place);
        let line = place.good(&["build-pch", "h.h", "--cc", cc]);
        assert!(line.starts_with(&format!("{file}: built in ")), "{line}");
        assert!(place.join(file).is_file());
        let line = place.good(&["build-pch", "h.h", "--cc", cc]);
        assert!(line.starts_with(&format!("{file}: reused in ")), "{line}");
        place.good(&["compile", "--cc", cc, "--pch", file, "u.c"]);
    }
}

#[test]
fn the_output_may_be_named_and_must_end_as_the_compiler_wants_it() {
    need!("gcc", "clang");
    let place = Place::new();
    nested(&place);
    for (cc, good, bad, suffix) in [("gcc", "out.d/x.gch", "x.pch", "gch"), ("clang", "out.d/x.pch", "x.gch", "pch")] {
        fs::create_dir_all(place.join("out.d")).unwrap();
        let line = place.good(&["build-pch", "h.h", "--cc", cc, "-o", good]);
        assert!(line.starts_with(&format!("{good}: built in ")), "{line}");
        place.good(&["compile", "--cc", cc, "--pch", good, "u.c"]);
        let output = run(&mut place.tool(&["build-pch", "h.h", "--cc", cc, "-o", bad]), 2);
        assert_eq!(
            text(&output.stderr),
            format!("error: {bad}: this compiler finds a PCH only if its name ends with .{suffix}\n")
        );
        assert!(!place.join(bad).exists());
    }
}

#[test]
fn units_use_the_pch_and_do_not_read_the_header() {
    for (cc, _) in COMPILERS {
        need!(cc);
        let place = Place::new();
        place.write("h.h", TELLS);
        place.write("u.c", "int u(void) { return ONE; }\n");
        let words = ["compile", "--cc", cc, "--message-format", "json", "u.c"];
        let told = place.good(&[&words as &[&str], &["--header", "h.h"]].concat());
        // Told once, of the header, when it was precompiled.
        let of_the_unit = told.lines().filter(|line| line.contains("\"unit\":\"u.c\""));
        assert_eq!(of_the_unit.filter(|line| line.contains("somebody reads the header")).count(), 0, "{cc}: {told}");
        // It would have told.
        let told = place.good(&[&words as &[&str], &["--cflag=-include", "--cflag=h.h"]].concat());
        assert!(told.contains("somebody reads the header"), "{cc}: {told}");
    }
}

#[test]
fn gcc_marks_the_pch_among_the_files_that_a_unit_read() {
    need!("gcc");
    let place = Place::new();
    nested(&place);
    let output = run(&mut place.tool(&["compile", "--cc", "gcc", "--cflag=-H", "--header", "h.h", "u.c"]), 0);
    let said = text(&output.stderr);
    // Before that the PCH was built.
    let (_, read) = said.split_once("compiling 1 unit").unwrap();
    assert!(read.lines().any(|line| line.starts_with("! ") && line.ends_with("/h.pch.gch")), "{read}");
    assert!(!read.contains("middle.h") && !read.contains("inner.h"), "{read}");
}

#[test]
fn a_pch_is_built_again_when_anything_that_went_into_it_changed() {
    for (cc, _) in COMPILERS {
        need!(cc);
        let place = Place::new();
        nested(&place);
        assert_eq!(build(&place, &["--cc", cc]), "built");
        for (name, contents) in [
            ("h.h", "#include \"inc/middle.h\"\n#define OUTER 3\n"),
            ("inc/middle.h", "#include \"inner.h\"\n#define MIDDLE\n"),
            ("inc/inner.h", "#define INNER 4\n"),
        ] {
            place.write(name, contents);
            assert_eq!(build(&place, &["--cc", cc]), "built", "{name} changed");
            assert_eq!(build(&place, &["--cc", cc]), "reused");
        }
        for flag in ["-DX", "-DX=1", "-O2", "-g", "-Iinc", "--cflag=-fno-strict-aliasing"] {
            assert_eq!(build(&place, &["--cc", cc, flag]), "built", "{flag}");
            assert_eq!(build(&place, &["--cc", cc, flag]), "reused", "{flag}");
        }
        // What only the link sees changes nothing.
        assert_eq!(build(&place, &["--cc", cc]), "built");
        assert_eq!(build(&place, &["--cc", cc, "--ldflag=-lm"]), "reused");
    }
}

#[test]
fn a_header_with_another_text_and_the_same_time_and_size_is_another_one() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#define ONE 1\n");
    let time = fs::metadata(place.join("h.h")).unwrap().modified().unwrap();
    assert_eq!(build(&place, &["--cc", "gcc"]), "built");
    place.write("h.h", "#define ONE 2\n");
    set_time(&place.join("h.h"), time);
    assert_eq!(build(&place, &["--cc", "gcc"]), "built");
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_touched_header_with_the_same_text_is_reused_and_its_pch_still_works() {
    for (cc, file) in COMPILERS {
        need!(cc);
        let place = Place::new();
        nested(&place);
        assert_eq!(build(&place, &["--cc", cc]), "built");
        for name in ["h.h", "inc/middle.h", "inc/inner.h"] {
            set_time(&place.join(name), SystemTime::now() + Duration::from_secs(3600));
        }
        assert_eq!(build(&place, &["--cc", cc]), "reused");
        let said = compile(&place, &["--cc", cc, "--pch", file, "-v", "u.c"]);
        assert!(said.contains(&format!("{file}: reused")) && !said.contains("warning"), "{said}");
    }
}

#[test]
fn another_compiler_builds_its_own() {
    need!("clang", "clang-19");
    let place = Place::new();
    nested(&place);
    assert_eq!(build(&place, &["--cc", "clang"]), "built");
    assert_eq!(build(&place, &["--cc", "clang-19"]), "built");
    let said = compile(&place, &["--cc", "clang", "--pch", "h.pch", "-v", "u.c"]);
    assert!(said.contains("h.pch: built") && !said.contains("warning"), "{said}");
    assert_eq!(build(&place, &["--cc", "clang"]), "reused");
    // Both clangs are called the same: the PCH of one does not stop the other.
    let said = compile(&place, &["--cc", "clang", "--header", "h.h", "u.c"]);
    assert!(said.contains("1 built") && !said.contains("warning"), "{said}");
    let said = compile(&place, &["--cc", "clang-19", "--header", "h.h", "u.c"]);
    assert!(said.contains("1 built") && !said.contains("warning"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_compiler_that_was_replaced_is_another_one() {
    need!("gcc");
    let place = Place::new();
    nested(&place);
    place.write("my-cc", "#!/bin/sh\nexec gcc \"$@\"\n");
    crate::compile::executable(&place.join("my-cc"));
    assert_eq!(build(&place, &["--cc", "./my-cc"]), "built");
    assert_eq!(build(&place, &["--cc", "./my-cc"]), "reused");
    set_time(&place.join("my-cc"), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    assert_eq!(build(&place, &["--cc", "./my-cc"]), "built");
    fs::copy(place.join("my-cc"), place.join("other-cc")).unwrap();
    assert_eq!(build(&place, &["--cc", "./other-cc"]), "built");
    assert_eq!(build(&place, &["--cc", "./other-cc -m64"]), "built");
}

#[test]
fn where_the_environment_sends_the_compiler_for_headers_matters() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#include <given.h>\n");
    place.write("one/given.h", "#define GIVEN 1\n");
    place.write("two/given.h", "#define GIVEN 2\n");
    let build = |dir: &str| {
        let output = run(place.tool(&["build-pch", "h.h", "--cc", "gcc"]).env("CPATH", place.join(dir)), 0);
        outcome(&text(&output.stdout))
    };
    assert_eq!(["one", "one", "two", "two"].map(build), ["built", "reused", "built", "reused"]);
}

/// A way to spoil a file, and what it is called.
type Spoiling = (&'static str, fn(&Path));

fn spoilt() -> [Spoiling; 5] {
    fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        how(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
    [
        ("truncated", |path| change(path, |bytes| bytes.truncate(bytes.len() / 2))),
        ("emptied", |path| change(path, Vec::clear)),
        ("garbage", |path| fs::write(path, "this is not what it was\n").unwrap()),
        ("one byte changed", |path| {
            change(path, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
            });
        }),
        ("removed", |path| fs::remove_file(path).unwrap()),
    ]
}

#[test]
fn a_damaged_pch_is_built_again_and_not_trusted() {
    for (cc, file) in COMPILERS {
        need!(cc);
        let place = Place::new();
        nested(&place);
        build(&place, &["--cc", cc]);
        compile(&place, &["--cc", cc, "--header", "h.h", "u.c"]);
        let inside = place.join("out/.mjit-cc/pch").join(file);
        for (how, spoil) in spoilt() {
            spoil(&place.join(file));
            assert_eq!(build(&place, &["--cc", cc]), "built", "{cc}: {how}");
            assert_eq!(build(&place, &["--cc", cc]), "reused", "{cc}: {how}");

            place.write("u.c", format!("int u(void) {{ return OUTER + INNER; }} // {how}\n"));
            if how != "removed" {
                spoil(&place.join(file));
                let said = compile(&place, &["--cc", cc, "--pch", file, "-v", "u.c"]);
                assert!(said.contains(&format!("{file}: built")) && !said.contains("warning"), "{cc}: {how}: {said}");
            }
            spoil(&inside);
            let said = compile(&place, &["--cc", cc, "--header", "h.h", "-v", "u.c"]);
            assert!(said.contains(&format!("{file}: built")) && !said.contains("warning"), "{cc}: {how}: {said}");
        }
    }
}

#[test]
fn a_pch_whose_record_is_damaged_is_built_again() {
    need!("gcc");
    for (how, spoil) in spoilt() {
        let place = Place::new();
        nested(&place);
        build(&place, &["--cc", "gcc"]);
        spoil(&place.join("h.pch.gch.json"));
        assert_eq!(build(&place, &["--cc", "gcc"]), "built", "{how}");
        assert_eq!(build(&place, &["--cc", "gcc"]), "reused", "{how}");
    }
}

#[test]
fn a_pch_that_nobody_knows_is_refused_in_words() {
    need!("gcc");
    let place = Place::new();
    nested(&place);
    build(&place, &["--cc", "gcc"]);
    fs::copy(place.join("h.pch.gch"), place.join("stranger.gch")).unwrap();
    for (name, why) in [
        ("stranger.gch", "stranger.gch was not built by mjit-cc build-pch"),
        ("h.h", "h.h was not built by mjit-cc build-pch"),
    ] {
        let output = run(&mut place.tool(&["compile", "--cc", "gcc", "--pch", name, "u.c"]), 2);
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
        assert!(!place.join("out").join(library("u")).exists());
    }
    let output = run(&mut place.tool(&["compile", "--cc", "gcc", "--pch", "missing.gch", "u.c"]), 1);
    let said = text(&output.stderr);
    assert!(said.contains(&format!("cannot read missing.gch: {}", support::NO_SUCH_FILE)), "{said}");
}

#[test]
fn a_pch_that_cannot_work_is_done_without() {
    for real in ["gcc", "clang"] {
        need!(real);
        let place = Place::new();
        place.write("h.h", TELLS);
        place.write("u.c", "int u(void) { return ONE; }\n");
        let fake = Fake::of(real);
        let mut command = place.tool(&["compile", "--header", "h.h", "u.c"]);
        let output = run(fake.behind(&mut command).env("FAKE_CC_DO", "garbage-pch"), 0);
        let said = text(&output.stderr);
        let warning = format!("warning: no precompiled header of {}: every unit", place.join("h.h").display());
        assert!(said.contains(&warning), "{said}");
        // The unit has read it as text.
        let line = said.lines().find(|line| line.contains("somebody reads the header"));
        assert!(line.is_some(), "{said}");
        assert_eq!(support::statuses(&place.join("out")), ["built"]);

        // build-pch was asked for nothing else, so there it is an error.
        let mut command = place.tool(&["build-pch", "h.h"]);
        let output = run(fake.behind(&mut command).env("FAKE_CC_DO", "garbage-pch"), 1);
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains("no precompiled header of"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_pch_that_did_not_work_is_tried_again() {
    need!("gcc");
    let place = Place::new();
    nested(&place);
    let fake = Fake::of("gcc");
    let said = || {
        let mut command = place.tool(&["compile", "--header", "h.h", "-v", "u.c"]);
        let output = run(fake.behind(&mut command).envs([("FAKE_CC_DO", "garbage-pch"), ("FAKE_CC_TIMES", "1")]), 0);
        text(&output.stderr)
    };
    let first = said();
    assert!(first.contains("warning: no precompiled header of"), "{first}");
    let second = said();
    assert!(second.contains("h.pch.gch: built") && !second.contains("warning"), "{second}");
}

#[test]
fn a_compiler_without_pchs_reads_the_header_as_text_and_says_so() {
    need!("tcc");
    let place = Place::new();
    nested(&place);
    let output = run(&mut place.tool(&["compile", "--cc", "tcc", "--header", "h.h", "u.c"]), 0);
    let said = text(&output.stderr);
    let warning = "warning: tcc has no precompiled headers: every unit compiles the header as text\n";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert_eq!(support::statuses(&place.join("out")), ["built"]);

    let output = run(&mut place.tool(&["build-pch", "--cc", "tcc", "h.h"]), 2);
    let said = text(&output.stderr);
    assert!(said.contains("cannot precompile a header") && said.contains("compile --header"), "{said}");
}

#[test]
fn a_header_that_does_not_compile_is_shown_once() {
    for cc in ["gcc", "clang", "tcc"] {
        need!(cc);
        let place = Place::new();
        place.write("h.h", "int fine;\nint nonsense = undeclared;\n");
        place.write("u.c", unit("u", 1));
        let mut commands = vec![place.tool(&["compile", "--cc", cc, "--header", "h.h", "u.c"])];
        if cc != "tcc" {
            commands.push(place.tool(&["build-pch", "--cc", cc, "h.h"]));
        }
        for mut command in commands {
            let output = run(&mut command, 1);
            let said = text(&output.stderr);
            let error = format!("error: the header {} does not compile", place.join("h.h").display());
            assert!(said.contains(&error), "{said}");
            assert_eq!(said.matches("h.h:2:").count(), 1, "{said}");
            assert_eq!(text(&output.stdout), "");
        }
    }
}

#[test]
fn a_header_that_gcc_preprocessed_is_explained_to_users_of_clang() {
    need!("gcc", "clang");
    let place = Place::new();
    // C that only gcc takes, behind what makes it gcc's.
    let nested = "#include <stddef.h>\nstatic inline int\nouter(int a)\n{\n    int inner(int b) { return a + b; }\n    return inner(1);\n}\n";
    place.write("source.h", nested);
    let mut gcc = Command::new("gcc");
    let output = run(gcc.args(["-E", "-dD"]).arg(place.join("source.h")), 0);
    place.write("h.h", output.stdout);
    place.write("u.c", "int u(void) { return outer(1); }\n");

    let output = run(&mut place.tool(&["compile", "--cc", "clang", "--header", "h.h", "u.c"]), 1);
    let said = text(&output.stderr);
    assert!(said.contains("does not compile") && said.contains("function definition is not allowed here"), "{said}");
    assert!(said.lines().last().unwrap().starts_with("help: this header was preprocessed by"), "{said}");
    assert!(said.contains("try --cc gcc"), "{said}");
    place.good(&["compile", "--cc", "gcc", "--header", "h.h", "u.c"]);

    // Any other header gets no such advice.
    place.write("h.h", nested);
    let output = run(&mut place.tool(&["compile", "--cc", "clang", "--header", "h.h", "u.c"]), 1);
    assert!(!text(&output.stderr).contains("preprocessed"), "{}", text(&output.stderr));
}

#[test]
fn processes_share_one_pch_and_one_of_them_builds_it() {
    need!("gcc");
    let place = Place::new();
    nested(&place);
    build(&place, &["--cc", "gcc"]);
    let fake = Fake::of("gcc");
    let mut command = place.tool(&["build-pch", "h.h"]);
    run(fake.behind(&mut command), 0);
    fake.runs();
    place.write("inc/inner.h", "#define INNER 5\n");

    let mut children = Vec::new();
    for number in 0..8 {
        let out = format!("out{number}");
        let words = ["compile", "--pch", "h.pch.gch", "--out-dir", &out, "u.c"];
        let words: &[&str] = if number % 2 == 0 { &["build-pch", "h.h"] } else { &words };
        let mut command = place.tool(words);
        fake.behind(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Long enough for all of them to come.
        command.envs([("FAKE_CC_DO", "slow"), ("FAKE_CC_SLEEP_MS", "500"), ("FAKE_CC_WHEN", "c-header")]);
        children.push(command.spawn().unwrap());
    }
    let mut built = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && !stderr.contains("warning"), "{stdout}{stderr}");
        built += stdout.matches(": built in ").count();
    }
    assert!(built <= 1, "{built} say that they built it");
    assert_eq!(fake.runs().counts(), (1, 4, 4));
    for number in [1, 3, 5, 7] {
        assert_eq!(fields(&place.join(&format!("out{number}")), "status"), ["built"]);
    }
}
