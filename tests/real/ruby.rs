//! Units as Ruby's MJIT generates them, behind the header that it generates them for: compiled into one library, which a Ruby
//! process loads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::generated::{min_header, script};
use crate::support::{self, need, run, text};

/// Lets Ruby generate units into `dir`, and gives them as Ruby wrote them.
fn generate(dir: &Path) -> Vec<PathBuf> {
    let mut ruby = Command::new("ruby3.1");
    // Without gems, whose start-up alone is 250 units more.
    ruby.args(["--disable-all", "--mjit", "--mjit-wait", "--mjit-save-temps", "--mjit-min-calls=2"])
        .args(["--mjit-max-cache=1000", "--mjit-verbose=1"])
        .arg(script("methods.rb"))
        .env("TMPDIR", dir)
        .env_remove("RUBYOPT");
    let said = text(&run(&mut ruby, 0).stderr);
    let units: Vec<PathBuf> =
        glob::glob(dir.join("_ruby_mjit_p*u*.c").to_str().unwrap()).unwrap().map(Result::unwrap).collect();
    assert!(units.len() >= 50, "{} units\n{said}", units.len());

    // Each begins with an #include of the header that Ruby precompiled and removed. The tool gives them that header; what
    // they name is there, and empty.
    let first = fs::read_to_string(&units[0]).unwrap();
    let include = first.lines().next().unwrap();
    let header = include.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"')).expect(include);
    assert_eq!(Path::new(header).parent(), Some(dir), "{include}");
    fs::remove_file(format!("{header}.gch")).unwrap();
    fs::write(header, "").unwrap();
    units
}

/// Whether it is `_mjit` and a number: what Ruby looks up.
fn is_entry(symbol: &str) -> bool {
    symbol.strip_prefix("_mjit").is_some_and(|number| number.parse::<u32>().is_ok())
}

#[test]
fn units_of_ruby_become_one_library_that_ruby_loads() {
    need!("ruby3.1", "gcc");
    let Some(header) = min_header() else { return };
    let dir = tempfile::tempdir().unwrap();
    let units = generate(dir.path());
    let out = dir.path().join("out");
    let mut compile = support::mjit_cc();
    // A pattern that the tool expands, as Windows shells leave it.
    compile.args(["compile", "_ruby_mjit_p*u*.c", "--compact", "--cc", "gcc", "--cflag=-w", "-v", "--header"]);
    let output = run(compile.arg(&header).current_dir(dir.path()), 0);
    let said = text(&output.stderr);
    assert!(said.contains("proven to be used"), "no PCH:\n{said}");
    assert_eq!(text(&output.stdout), "out/units.so\n");

    let report = support::report(&out);
    let reports = report["units"].as_array().unwrap();
    assert_eq!(reports.len(), units.len());
    let mut promised = BTreeSet::new();
    for unit in reports {
        assert_eq!(unit["status"], "built", "{unit}");
        assert_eq!(unit["library"], "units.so", "{unit}");
        let symbols: Vec<&str> =
            unit["symbols"].as_array().unwrap().iter().map(|symbol| symbol.as_str().unwrap()).collect();
        // Ruby's own: the number in the file's name. What the header defines and what was inlined stays inside.
        let number = unit["unit"].as_str().unwrap().rsplit_once('u').unwrap().1.trim_end_matches(".c");
        assert_eq!(symbols, [format!("_mjit{number}")], "{unit}");
        assert!(symbols.iter().all(|symbol| is_entry(symbol)) && promised.insert(symbols[0].to_owned()), "{unit}");
    }

    let found = run(Command::new("ruby3.1").arg(script("load.rb")).arg(&out).env_remove("RUBYOPT"), 0);
    let found: BTreeSet<String> = text(&found.stdout).lines().map(str::to_owned).collect();
    assert_eq!(found, promised);
}

#[test]
fn a_header_that_gcc_preprocessed_gets_a_clear_error_from_other_compilers() {
    let Some(header) = min_header() else { return };
    for compiler in ["clang", "clang-19", "tcc"] {
        if !support::has(compiler) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("unit.c"), "VALUE answer(void) { return Qnil; }\n").unwrap();
        let mut compile = support::mjit_cc();
        compile.args(["compile", "unit.c", "--compact", "--cc", compiler, "--header"]).arg(&header);
        let output = run(compile.current_dir(dir.path()), 1);
        let said = text(&output.stderr);
        assert_eq!(text(&output.stdout), "", "{compiler}");
        assert!(said.contains(&format!("error: the header {} does not compile", header.display())), "{said}");
        let help = "help: this header was preprocessed by another compiler, probably gcc, and needs that compiler: try --cc gcc";
        assert_eq!(said.lines().last(), Some(help), "{compiler}: the advice is the last word\n{said}");
        assert!(!dir.path().join("out/units.so").exists());
    }
}
