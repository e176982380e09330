//! `compile` as the README has it: what comes out, what `units.json` says of it, and which words reach the compiler. Also what
//! the other modules compile with: a directory of a test's own, and the fake compiler that takes notes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, LINKER_FLAG, library, need, run, shown, text};

/// A unit that needs no header: `NAME` returns `VALUE`.
pub(crate) fn unit(name: &str, value: i32) -> String {
    format!("int {name}(void) {{ return {value}; }}\n")
}

/// A unit that no compiler takes.
pub(crate) const BROKEN: &str = "int broken(void)\n{\n    return 1 +;\n}\n";

/// A unit that is compiled with a warning.
pub(crate) const WARNS: &str = "int warns(void)\n{\n#warning mind the gap\n    return 1;\n}\n";

/// A directory of a test's own, in which the tool is run.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With the units `a.c` and `b.c` behind the header `h.h`, which includes `below.h`; `a.c` includes `own.h` besides.
    pub(crate) fn with_two_units() -> Self {
        let place = Self::new();
        place.write("h.h", "#include \"below.h\"\n");
        place.write("below.h", "#define ONE 1\n");
        place.write("own.h", "#define OWN 1\n");
        place.write("a.c", "#include \"own.h\"\nint a(void) { return ONE + OWN; }\n");
        place.write("b.c", "int b(void) { return ONE; }\n");
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// The tool with these words.
    pub(crate) fn tool(&self, words: &[&str]) -> Command {
        let mut command = support::mjit_cc();
        command.current_dir(self.path()).args(words);
        command
    }

    /// Runs the tool, insists on success, and gives its standard output.
    #[track_caller]
    pub(crate) fn good(&self, words: &[&str]) -> String {
        text(&run(&mut self.tool(words), 0).stdout)
    }
}

/// One run of the compiler: its words.
pub(crate) type Words = Vec<String>;

/// The fake compiler before a real one, and the notes that it takes.
pub(crate) struct Fake {
    log: TempDir,
    real: String,
}

impl Fake {
    pub(crate) fn of(real: &str) -> Self {
        Self { log: tempfile::tempdir().unwrap(), real: real.to_owned() }
    }

    /// Lets the tool use it.
    pub(crate) fn behind<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("FAKE_CC_REAL", &self.real).env("FAKE_CC_LOG", self.log.path());
        // What links inside the tool is seen by nobody.
        command.arg("--cc").arg(support::fake_cc()).args(["--linker", "driver"])
    }

    /// Everything that was run since this or the like was asked before.
    pub(crate) fn all(&self) -> Vec<Words> {
        let entries = fs::read_dir(self.log.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "argv")).collect();
        files.sort();
        let take = |file: PathBuf| {
            let words = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
            fs::remove_file(file).unwrap();
            words
        };
        files.into_iter().map(take).collect()
    }

    /// What was run since this was asked before; the probe, which asks who the compiler is, and the proof that a PCH is used
    /// are left out.
    pub(crate) fn runs(&self) -> Runs {
        let mut runs = Runs::default();
        for words in self.all() {
            let has = |wanted: &str| words.iter().any(|word| word.trim_start_matches("@ ").trim_matches('"') == wanted);
            if has("-###") {
                // A question.
            } else if has("c-header") {
                runs.pch.push(words);
            } else if has("-shared") {
                runs.link.push(words);
            } else if has("-c") && !words.iter().any(|word| word.contains("header-alone")) {
                runs.compile.push(words);
            }
        }
        runs
    }
}

/// What a compiler was run for.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) pch: Vec<Words>,
    pub(crate) compile: Vec<Words>,
    pub(crate) link: Vec<Words>,
}

impl Runs {
    /// How many of each: PCH, units, libraries.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.pch.len(), self.compile.len(), self.link.len())
    }
}

/// A field of every unit in `units.json`, in order.
pub(crate) fn fields(out_dir: &Path, field: &str) -> Vec<Value> {
    support::report(out_dir)["units"].as_array().unwrap().iter().map(|unit| unit[field].clone()).collect()
}

/// The fixtures' symbols and what they answer.
pub(crate) fn expected() -> BTreeMap<String, String> {
    let text = fs::read_to_string(support::fixture("expected.txt")).unwrap();
    let pair = |line: &str| line.split_once([' ', '=']).map(|(symbol, value)| (symbol.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}

/// A program that loads libraries of the fixtures' units.
pub(crate) fn host(place: &Place) -> PathBuf {
    let program = place.join("host").with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new("gcc");
    run(command.arg("-I").arg(support::fixture("")).arg(support::fixture("host.c")).arg("-o").arg(&program), 0);
    program
}

/// What the units in a library answer, asked in a process of its own.
#[track_caller]
pub(crate) fn answers(host: &Path, library: &Path, symbols: &[String]) -> BTreeMap<String, String> {
    let output = text(&run(Command::new(host).arg(library).args(symbols), 0).stdout);
    output.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

/// README's main command.
fn main_command(place: &Place, cc: &str) -> Command {
    let mut command = place.tool(&["compile", "--compact", "--out-dir", "out", "--cc", cc, "--header"]);
    command.arg(support::fixture("vm.h")).args(support::fixture_units());
    command
}

fn the_fixtures_compute_right_with(cc: &str) {
    need!("gcc", cc);
    let place = Place::new();
    let output = run(&mut main_command(&place, cc), 0);
    assert_eq!(text(&output.stdout), shown(&library("out/units")) + "\n");
    let expected = expected();
    assert_eq!(expected.len(), support::fixture_units().len());
    let symbols: Vec<String> = expected.keys().cloned().collect();
    assert_eq!(answers(&host(&place), &place.join("out").join(library("units")), &symbols), expected);

    let mut named: Vec<String> = fields(&place.join("out"), "symbols")
        .iter()
        .flat_map(|symbols| symbols.as_array().unwrap())
        .map(|symbol| symbol.as_str().unwrap().to_owned())
        .collect();
    named.sort();
    assert_eq!(named, symbols);
}

#[test]
fn gcc_makes_one_library_of_the_fixtures_that_computes_right() {
    the_fixtures_compute_right_with("gcc");
}

#[test]
fn clang_makes_one_library_of_the_fixtures_that_computes_right() {
    the_fixtures_compute_right_with("clang");
}

#[test]
fn clang_19_makes_one_library_of_the_fixtures_that_computes_right() {
    the_fixtures_compute_right_with("clang-19");
}

#[test]
#[cfg(windows)]
fn clang_cl_makes_one_library_of_the_fixtures_that_computes_right() {
    the_fixtures_compute_right_with("clang-cl");
}

#[test]
fn tcc_makes_one_library_of_the_fixtures_that_computes_right() {
    the_fixtures_compute_right_with("tcc");
}

#[test]
#[cfg(windows)]
fn without_compact_clang_cl_gives_each_unit_a_library_of_its_own() {
    each_fixture_has_a_library_with("clang-cl");
}

fn each_fixture_has_a_library_with(cc: &str) {
    need!("gcc", cc);
    let place = Place::new();
    let mut command = place.tool(&["compile", "--out-dir", "out", "--cc", cc, "--header"]);
    let output = run(command.arg(support::fixture("vm.h")).args(support::fixture_units()), 0);
    assert_eq!(text(&output.stdout), shown("out/units.json\n"));

    let host = host(&place);
    let mut all = BTreeMap::new();
    for unit in support::report(&place.join("out"))["units"].as_array().unwrap() {
        let library = unit["library"].as_str().unwrap();
        let stem = Path::new(unit["unit"].as_str().unwrap()).file_stem().unwrap();
        assert_eq!(library, support::library(stem.to_str().unwrap()));
        let symbols = unit["symbols"].as_array().unwrap();
        let symbols: Vec<String> = symbols.iter().map(|symbol| symbol.as_str().unwrap().to_owned()).collect();
        all.extend(answers(&host, &place.join("out").join(library), &symbols));
    }
    assert_eq!(all, expected());
}

#[test]
fn without_compact_gcc_gives_each_unit_a_library_of_its_own() {
    each_fixture_has_a_library_with("gcc");
}

#[test]
fn without_compact_clang_gives_each_unit_a_library_of_its_own() {
    each_fixture_has_a_library_with("clang");
}

#[test]
fn units_json_has_these_fields_and_no_others() {
    need!("gcc");
    for compact in [false, true] {
        let place = Place::new();
        place.write("good.c", "int two(void) { return 2; }\nint one(void) { return 1; }\nstatic int own;\n");
        place.write("bad.c", BROKEN);
        let mut words = vec!["compile", "-k", "--cc", "gcc", "good.c", "bad.c", "missing.c"];
        words.extend(compact.then_some("--compact"));
        run(&mut place.tool(&words), 1);

        let report = support::report(&place.join("out"));
        assert_eq!(keys(&report), ["units", "version"]);
        assert_eq!(report["version"], 1);
        let [good, bad, missing] = report["units"].as_array().unwrap().as_slice() else { panic!("{report}") };
        assert_eq!(keys(good), ["cached", "library", "status", "symbols", "timings", "unit"]);
        assert_eq!(good["unit"], "good.c");
        assert_eq!(good["status"], "built");
        assert_eq!(good["library"], library(if compact { "units" } else { "good" }));
        assert_eq!(good["symbols"], serde_json::json!(["one", "two"]));
        assert_eq!(keys(&good["timings"]), ["compile_ms", "link_ms"]);
        assert!(good["timings"]["compile_ms"].as_f64().unwrap() > 0.0, "{good}");
        assert!(good["timings"]["link_ms"].as_f64().unwrap() > 0.0, "{good}");

        for (unit, name, error) in
            [(bad, "bad.c", "the compiler failed (exit code 1)"), (missing, "missing.c", "no such file")]
        {
            assert_eq!(keys(unit), ["cached", "error", "library", "status", "symbols", "timings", "unit"]);
            assert_eq!(unit["unit"], name);
            assert_eq!(unit["status"], "failed");
            assert_eq!(unit["library"], Value::Null);
            assert_eq!(unit["symbols"], serde_json::json!([]));
            assert_eq!(unit["error"], error);
        }
    }
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn an_output_directory_can_be_moved_with_all_that_its_units_json_names() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.good(&["compile", "--cc", "gcc", "u.c", "--out-dir", "deep/down/here"]);
    fs::rename(place.join("deep/down/here"), place.join("there")).unwrap();
    let library = fields(&place.join("there"), "library")[0].as_str().unwrap().to_owned();
    assert!(place.join("there").join(library).is_file());
}

#[test]
fn one_job_at_a_time_and_four_give_the_same() {
    need!("gcc");
    let place = Place::new();
    for (jobs, out) in [("-j1", "one"), ("-j4", "four")] {
        let mut command = place.tool(&["compile", "--compact", "--cc", "gcc", "--out-dir", out, jobs, "--header"]);
        run(command.arg(support::fixture("vm.h")).args(support::fixture_units()), 0);
    }
    for field in ["unit", "status", "library", "symbols"] {
        assert_eq!(fields(&place.join("one"), field), fields(&place.join("four"), field));
    }
    // PE has the time of the link in it.
    if cfg!(windows) {
        return;
    }
    let library = |out: &str| fs::read(place.join(out).join(library("units"))).unwrap();
    assert!(library("one") == library("four"), "the libraries differ");
}

#[test]
#[cfg(unix)]
fn as_many_compilers_run_at_once_as_jobs_say() {
    need!("gcc");
    // Each compiler waits until another one has come, or a minute.
    let place = Place::new();
    let script = "case \"$*\" in *' -c '*) ;; *) exec gcc \"$@\";; esac\n\
                  touch \"$MEET/$$\"; i=0\n\
                  until [ $(ls \"$MEET\" | wc -l) -ge 2 ]; do i=$((i + 1)); [ $i -le $TURNS ] || exit 9; sleep 0.05; done\n\
                  exec gcc \"$@\"\n";
    place.write("meet-cc", format!("#!/bin/sh\n{script}"));
    executable(&place.join("meet-cc"));
    for (jobs, turns, code) in [("2", "1200", 0), ("1", "10", 1)] {
        place.write("a.c", unit("a", 1));
        place.write("b.c", unit("b", 2));
        let meet = place.join(&format!("meet-{jobs}"));
        fs::create_dir(&meet).unwrap();
        let mut command = place.tool(&["compile", "--cc", "./meet-cc", "--out-dir", jobs, "-j", jobs, "a.c", "b.c"]);
        run(command.env("MEET", meet).env("TURNS", turns), code);
    }
}

#[cfg(unix)]
pub(crate) fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn flags_reach_every_step_and_linker_flags_the_link_alone() {
    need!("gcc");
    let place = Place::new();
    place.write("inc/given.h", "#define GIVEN 3\n");
    place.write("h.h", "#include <given.h>\n#if GIVEN != 3 || NAME != 4 || !defined FLAG\n#error no\n#endif\n");
    place.write("u.c", "int u(void) { return GIVEN + NAME; }\n");
    let fake = Fake::of("gcc");
    let mut command =
        place.tool(&["compile", "u.c", "--header", "h.h", "-O2", "-g", "-DNAME=4", "-D", "FLAG", "-Iinc"]);
    command.args(["--cflag=-fno-strict-aliasing", "--cflag", "-fwrapv", "--ldflag", LINKER_FLAG, "--ldflag", "-lm"]);
    run(fake.behind(&mut command), 0);

    let runs = fake.runs();
    assert_eq!(runs.counts(), (1, 1, 1));
    let include = format!("-I{}", place.join("inc").display());
    for words in [&runs.pch[0], &runs.compile[0]] {
        for word in ["-O2", "-g", "-DNAME=4", "-DFLAG", &include, "-fno-strict-aliasing", "-fwrapv"] {
            assert!(words.iter().any(|it| it == word), "{word} is not among {words:?}");
        }
        assert!(!words.iter().any(|it| it == LINKER_FLAG || it == "-lm"), "{words:?}");
    }
    let link = &runs.link[0];
    for word in ["-O2", "-g", "-fno-strict-aliasing", "-fwrapv"] {
        assert!(link.iter().any(|it| it == word), "{word} is not among {link:?}");
    }
    let at = |wanted: &dyn Fn(&String) -> bool| link.iter().position(wanted).unwrap();
    let (object, flag, libm) = (at(&|it| it.ends_with(".o")), at(&|it| it == LINKER_FLAG), at(&|it| it == "-lm"));
    assert!(object < flag && flag < libm, "{link:?}");
}

#[test]
fn the_optimisation_is_3_or_with_debug_information_0_unless_told() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let fake = Fake::of("gcc");
    for (words, level) in
        [(&[] as &[&str], "-O3"), (&["-g"], "-O0"), (&["-Os"], "-Os"), (&["-g", "-O1"], "-O1"), (&["-O", "2"], "-O2")]
    {
        run(fake.behind(&mut place.tool(&["compile", "u.c"])).args(words), 0);
        let runs = fake.runs();
        for step in [&runs.compile[0], &runs.link[0]] {
            let levels: Vec<&String> = step.iter().filter(|word| word.starts_with("-O")).collect();
            assert_eq!(levels, [level]);
        }
    }
}

/// A command's words with temporary and final names reduced to what kind of file they name.
fn shape(words: &[String], place: &Place) -> Words {
    let temporary = std::env::temp_dir();
    let reduce = |word: &String| match Path::new(word) {
        path if path.starts_with(&temporary) && !path.starts_with(place.path())
            || path.starts_with(place.join("out")) =>
        {
            format!("<{}>", path.extension().unwrap().to_string_lossy())
        }
        _ => word.clone(),
    };
    words.iter().map(reduce).collect()
}

#[test]
fn a_dry_run_prints_the_commands_of_a_real_one_and_makes_nothing() {
    need!("gcc");
    for compact in [true, false] {
        let place = Place::new();
        place.write("it's $h.h", "#define ONE 1\n");
        place.write("a b.c", "int a(void) { return ONE; }\n");
        place.write("c.c", "int c(void) { return ONE; }\n");
        let before = everything_in(place.path());
        let mut words = vec!["compile", "a b.c", "c.c", "--header", "it's $h.h", "-j1", "-DX=\"y z\"", "--ldflag=-lm"];
        words.extend(compact.then_some("--compact"));

        let fake = Fake::of("gcc");
        let output = run(fake.behind(&mut place.tool(&words)).arg("-n"), 0);
        assert_eq!(fake.runs().counts(), (0, 0, 0));
        assert_eq!(everything_in(place.path()), before);
        let lines: Vec<Words> = text(&output.stdout).lines().map(|line| shlex::split(line).unwrap()).collect();
        assert!(lines.iter().all(|words| Path::new(&words[0]) == support::fake_cc()), "{lines:?}");

        run(fake.behind(&mut place.tool(&words)), 0);
        let Runs { pch, compile, link } = fake.runs();
        // In a dry run each library follows its unit.
        let real: Vec<&Words> = if compact {
            pch.iter().chain(&compile).chain(&link).collect()
        } else {
            pch.iter().chain(compile.iter().zip(&link).flat_map(|(compile, link)| [compile, link])).collect()
        };
        let dry: Vec<Words> = lines.iter().map(|words| shape(&words[1..], &place)).collect();
        let real: Vec<Words> = real.into_iter().map(|words| shape(words, &place)).collect();
        assert_eq!(dry, real);
    }
}

fn everything_in(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn a_dry_run_prints_lines_that_a_shell_reads_back() {
    need!("gcc", "sh");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let odd = r#"-DODD=it's "$HOME" `x` \n # %"#;
    let line = place.good(&["compile", "-n", "--cc", "gcc", "u.c", odd]);
    let script = format!("set -- {}\nfor word; do printf '%s\\n' \"$word\"; done", line.lines().next().unwrap());
    let words = text(&run(Command::new("sh").args(["-c", &script]), 0).stdout);
    assert!(words.lines().any(|word| word == odd), "{words}");
}

#[test]
fn only_results_go_to_standard_output() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", WARNS);
    place.write("bad.c", BROKEN);
    for level in ["-q", "-v", "-vvv"] {
        for (words, result) in [(&[] as &[&str], "new/units.json".to_owned()), (&["--compact"], library("new/units"))] {
            let output = run(place.tool(&["compile", "--cc", "gcc", "u.c", level, "--out-dir", "new"]).args(words), 0);
            assert_eq!(text(&output.stdout), shown(&result) + "\n");
        }
        fs::remove_dir_all(place.join("new")).unwrap();
    }
    for words in [&["bad.c"] as &[&str], &["bad.c", "--compact"], &["-k", "bad.c", "missing.c"]] {
        let output = run(place.tool(&["compile", "--cc", "gcc"]).args(words), 1);
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(&mut place.tool(&["compile", "--cc", "gcc", "-k", "--compact", "u.c", "bad.c"]), 1);
    assert_eq!(text(&output.stdout), shown(&library("out/units")) + "\n");
}

#[test]
fn quiet_says_nothing_when_all_is_well_and_shows_errors_all_the_same() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#define ONE 1\n");
    place.write("u.c", WARNS);
    place.write("bad.c", BROKEN);
    for _ in ["new", "reused"] {
        let output = run(&mut place.tool(&["compile", "-q", "--cc", "gcc", "--header", "h.h", "u.c"]), 0);
        assert_eq!(text(&output.stderr), "");
    }
    let output = run(&mut place.tool(&["compile", "-q", "--cc", "gcc", "--header", "h.h", "bad.c"]), 1);
    assert!(text(&output.stderr).contains("bad.c:3:15: error: expected expression"), "{}", text(&output.stderr));
}

#[test]
fn each_v_says_more() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#define ONE 1\n");
    place.write("u.c", unit("u", 1));
    let said = |level: &[&str]| {
        let _ = fs::remove_dir_all(place.join("out"));
        let output = run(place.tool(&["compile", "--cc", "gcc", "--header", "h.h", "u.c"]).args(level), 0);
        text(&output.stderr)
    };
    let (normal, verbose, commands) = (said(&[]), said(&["-v"]), said(&["-vv"]));
    assert!(normal.contains("1 built") && !normal.contains("compiler:"), "{normal}");
    assert!(verbose.contains("compiler: gcc ") && verbose.contains("u.c: built in "), "{verbose}");
    assert!(verbose.contains("proven to be used") && !verbose.contains("-fPIC"), "{verbose}");
    assert!(commands.contains("-x c-header") && commands.contains(" -c "), "{commands}");
}

#[test]
fn exit_codes_are_as_the_help_has_them() {
    need!("gcc");
    let place = Place::new();
    place.write("good.c", unit("good", 1));
    place.write("bad.c", BROKEN);
    place.write("bad.h", "#error not this one\n");
    place.write("file", "");
    for (words, code) in [
        (&["compile", "--cc", "gcc", "good.c"] as &[&str], 0),
        (&["compile", "--cc", "gcc", "good.c", "bad.c", "-k"], 1),
        (&["compile", "--cc", "gcc", "missing.c"], 1),
        (&["compile", "--cc", "gcc", "good.c", "--header", "bad.h"], 1),
        (&[], 2),
        (&["compile"], 2),
        (&["compile", "good.c", "--no-such-option"], 2),
        (&["compile", "good.c", "-O9"], 2),
        (&["compile", "good.c", "-j0"], 2),
        (&["compile", "good.c", "--timeout", "0"], 2),
        (&["compile", "good.c", "--toolchain", "turbo"], 2),
        (&["compile", "good.c", "--target", "pdp11"], 2),
        (&["compile", "good.c", "--header", "h.h", "--pch", "h.pch.gch"], 2),
        (&["compile", "good.c", "-q", "-v"], 2),
        (&["compile", "--cc", "gcc", "no*match.c"], 2),
        (&["compile", "--cc", "no-such-compiler", "good.c"], 3),
        (&["compile", "--cc", "gcc", "good.c", "--out-dir", "file/below"], 4),
    ] {
        let output = run(&mut place.tool(words), code);
        assert!(!output.stderr.is_empty(), "{words:?} said nothing");
    }
}

#[test]
fn patterns_are_expanded_where_the_shell_does_not() {
    need!("gcc");
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.write(&format!("units/{name}.c"), unit(name, 1));
    }
    place.write("units/notes.txt", "not C");
    // A file of that name is no pattern. Windows has no question marks in names.
    let odd = if cfg!(windows) { "what[1].c" } else { "what[1]?.c" };
    place.write(odd, unit("odd", 1));
    place.good(&["compile", "--cc", "gcc", "units/*.c", odd]);
    let units = ["units/a.c", "units/b.c", "units/c.c"].map(shown);
    assert_eq!(fields(&place.join("out"), "unit"), [&units[0], &units[1], &units[2], odd]);
    // Named and matched is named once.
    place.good(&["compile", "--cc", "gcc", &units[1], "units/[ab].c"]);
    assert_eq!(fields(&place.join("out"), "unit"), [&*units[1], &units[0]]);
    let output = run(&mut place.tool(&["compile", "--cc", "gcc", "units/*.cc"]), 2);
    assert_eq!(text(&output.stderr), "error: no file matches 'units/*.cc'\n");
}

#[test]
fn units_called_alike_in_two_folders_get_two_libraries() {
    need!("gcc");
    let place = Place::new();
    place.write("x/u.c", unit("from_x", 1));
    place.write("y/u.c", unit("from_y", 2));
    place.write("y/v.c", unit("from_v", 3));
    let units = ["x/u.c", "y/u.c", "y/v.c"];
    place.good(&[&["compile", "--cc", "gcc"] as &[&str], &units].concat());
    let libraries = fields(&place.join("out"), "library");
    assert_ne!(libraries[0], libraries[1]);
    assert_eq!(libraries[2], library("v"));
    for (library, symbol) in libraries.iter().zip(["from_x", "from_y", "from_v"]) {
        let bytes = fs::read(place.join("out").join(library.as_str().unwrap())).unwrap();
        assert!(memchr(&bytes, symbol.as_bytes()), "{symbol} is not in {library}");
    }
    place.good(&["compile", "--cc", "gcc", "y/v.c", "y/u.c", "x/u.c"]);
    let again = fields(&place.join("out"), "library");
    assert_eq!([&again[2], &again[1]], [&libraries[0], &libraries[1]]);
}

fn memchr(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn a_unit_includes_what_lies_beside_it_with(cc: &str) {
    need!(cc);
    let place = Place::new();
    place.write("deep/units/beside.h", "#define RIGHT 1\n");
    place.write("deep/units/sub/below.h", "#include \"beyond.h\"\n");
    place.write("deep/units/sub/beyond.h", "#define BEYOND 1\n");
    // Neither of these is meant.
    place.write("beside.h", "#define WRONG 1\n");
    place.write("inc/beside.h", "#define WRONG 1\n");
    place.write("h.h", "#define ONE 1\n");
    let unit = "#include \"beside.h\"\n#include \"sub/below.h\"\nint u(void) { return ONE + RIGHT + BEYOND; }\n";
    place.write("deep/units/u.c", unit);
    place.good(&["compile", "--cc", cc, "--header", "h.h", "-I", "inc", "deep/units/u.c"]);
    place.good(&["compile", "--cc", cc, "--out-dir", "bare", "-DONE=1", "-Iinc", "deep/units/u.c"]);
}

#[test]
fn with_gcc_a_unit_includes_what_lies_beside_it() {
    a_unit_includes_what_lies_beside_it_with("gcc");
}

#[test]
fn with_clang_a_unit_includes_what_lies_beside_it() {
    a_unit_includes_what_lies_beside_it_with("clang");
}

#[test]
fn with_tcc_a_unit_includes_what_lies_beside_it() {
    a_unit_includes_what_lies_beside_it_with("tcc");
}

#[test]
fn a_unit_may_begin_with_a_byte_order_mark() {
    for cc in ["gcc", "clang", "tcc"] {
        need!(cc);
        let place = Place::new();
        place.write("h.h", "#define ONE 1\n");
        place.write("u.c", "\u{feff}int u(void) { return ONE; }\n");
        place.good(&["compile", "--cc", cc, "--header", "h.h", "u.c"]);
    }
}

#[test]
fn a_unit_may_end_without_a_line_end() {
    for cc in ["gcc", "clang", "tcc"] {
        need!(cc);
        let place = Place::new();
        place.write("u.c", "int u(void) { return ONE; }\n#undef ONE // the last");
        place.good(&["compile", "--cc", cc, "-DONE=1", "u.c"]);
    }
}

#[test]
fn temporary_files_are_gone_afterwards_unless_they_are_to_be_kept() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.write("bad.c", BROKEN);
    let temp = place.join("temp");
    fs::create_dir(&temp).unwrap();
    run(place.tool(&["compile", "-k", "--cc", "gcc", "u.c", "bad.c"]).env("TMPDIR", &temp), 1);
    assert_eq!(everything_in(&temp), [""; 0].map(PathBuf::from));

    let output =
        run(place.tool(&["compile", "-k", "--cc", "gcc", "--save-temps", "u.c", "bad.c"]).env("TMPDIR", &temp), 1);
    let said = text(&output.stderr);
    let kept = said.lines().find_map(|line| line.strip_prefix("temporary files are kept in ")).unwrap();
    assert!(Path::new(kept).starts_with(&temp), "{kept}");
    let sources: Vec<String> = everything_in(Path::new(kept))
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(sources.iter().any(|source| source.contains("return 1 +;")), "{sources:?}");
}

#[test]
fn completions_are_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.good(&["completions", shell]);
        for word in ["mjit-cc", "build-pch", "compile", "compact", "out-dir"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    place.write("complete.sh", place.good(&["completions", "bash"]));
    if support::has("bash") {
        let complete = "f=$(complete -p mjit-cc | sed 's/.* -F \\([^ ]*\\).*/\\1/'); $f mjit-cc --comp compile; echo ${COMPREPLY[@]}";
        let script = format!(". ./complete.sh; COMP_WORDS=(mjit-cc compile --comp); COMP_CWORD=2; {complete}");
        let mut bash = Command::new("bash");
        assert_eq!(text(&run(bash.current_dir(place.path()).args(["-c", &script]), 0).stdout), "--compact\n");
    }
    run(&mut place.tool(&["completions", "tcsh"]), 2);
}

#[test]
fn manual_pages_are_for_every_command() {
    let place = Place::new();
    let page = place.good(&["man"]);
    assert!(page.contains(".TH mjit-cc 1") && page.contains("build\\-pch") && page.contains("Exit codes"), "{page}");
    let page = place.good(&["man", "compile"]);
    assert!(page.contains(".TH mjit-cc-compile 1") && page.contains("\\-\\-compact"), "{page}");
    for command in ["build-pch", "doctor", "completions", "man"] {
        assert!(place.good(&["man", command]).contains(&format!(".TH mjit-cc-{command} 1")));
    }
    run(&mut place.tool(&["man", "make"]), 2);
}

#[test]
fn help_alone_is_enough() {
    let place = Place::new();
    for words in [&["--help"] as &[&str], &["-h"], &["help"], &["compile", "--help"]] {
        let help = place.good(words);
        assert!(help.contains("mjit-cc compile units/*.c --header vm.h --compact --out-dir out"), "{help}");
        for line in [
            "Exit codes:",
            "  0    success",
            "  3    no working compiler",
            "  130  interrupted (SIGINT)",
            "  143  terminated (SIGTERM)",
        ] {
            assert!(help.lines().any(|it| it == line), "{line} is not in\n{help}");
        }
    }
    let help = place.good(&["compile", "--help"]);
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let [memory, limit] =
        [mjitcc::admission::MemoryLimit::DEFAULT, mjitcc::exec::DEFAULT_LIMIT].map(|bytes| bytes >> 20);
    let cache = mjitcc::cache::DEFAULT_MAX_SIZE >> 30;
    for default in [
        format!(
            "--memfree <SIZE> Start a further compiler only if this much memory is free, such as 1Gi [default: {memory}Mi]"
        ),
        format!("[default: $MJIT_CC_CACHE_SIZE, else {cache}Gi]"),
        format!("[default: {limit}Mi]"),
    ] {
        assert!(words.contains(&default), "{default} is not in\n{help}");
    }
    for option in [
        "--header",
        "--pch",
        "--out-dir",
        "--compact",
        "--jobs",
        "--keep-going",
        "--dry-run",
        "--save-temps",
        "--timeout",
        "--message-format",
        "--cc",
        "--toolchain",
        "--target",
        "-I",
        "-D",
        "-O",
        "-g",
        "--cflag",
        "--ldflag",
        "--quiet",
        "--verbose",
    ] {
        assert!(help.contains(option), "{option} is not in\n{help}");
    }
    assert!(place.good(&["--version"]).starts_with("mjit-cc "));
}
