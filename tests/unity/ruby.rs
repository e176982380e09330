//! Units that Ruby's MJIT generates, behind the header that it generates them for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mjitcc::platforms::Target;
use mjitcc::symbols::exported_by_library;

use crate::build::{Source, merge_sources, surroundings};
use crate::support::{self, need, run, text};

fn min_header() -> Option<PathBuf> {
    let found = glob::glob("/usr/include/*/ruby-3.1.0/rb_mjit_min_header-3.1.*.h").unwrap().find_map(Result::ok);
    if found.is_none() {
        support::skip("the MJIT header of ruby3.1-dev is not here");
    }
    found
}

/// Lets Ruby generate units, and empties the header that they include: it is given beside them.
fn generate(dir: &Path) -> Vec<Source> {
    let methods = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/methods.rb");
    let mut ruby = Command::new("ruby3.1");
    ruby.args(["--disable-all", "--mjit", "--mjit-wait", "--mjit-save-temps", "--mjit-min-calls=2"])
        .args(["--mjit-max-cache=1000", "--mjit-verbose=1"])
        .arg(methods)
        .env("TMPDIR", dir)
        .env_remove("RUBYOPT");
    run(&mut ruby, 0);
    let mut units: Vec<PathBuf> =
        glob::glob(dir.join("_ruby_mjit_p*u*.c").to_str().unwrap()).unwrap().map(Result::unwrap).collect();
    units.sort();
    let number = |path: &Path| path.file_stem().unwrap().to_str().unwrap().rsplit_once('u').unwrap().1.to_owned();
    let sources: Vec<Source> = units
        .iter()
        .map(|path| Source::new(&format!("_mjit{}", number(path)), &fs::read_to_string(path).unwrap()))
        .collect();
    let header = sources[0].text.lines().next().unwrap().strip_prefix("#include \"").unwrap().trim_end_matches('"');
    fs::remove_file(format!("{header}.gch")).unwrap();
    fs::write(header, "").unwrap();
    sources
}

#[test]
fn units_of_ruby_become_one_translation_unit_that_is_smaller_than_all_of_them() {
    need!("ruby3.1", "gcc");
    let Some(header) = min_header() else { return };
    let dir = tempfile::tempdir().unwrap();
    let sources = generate(dir.path());
    assert!(sources.len() >= 60, "{} units", sources.len());
    let includes = format!("{}\n", sources[0].text.lines().next().unwrap());
    let merged = merge_sources(&sources, &surroundings("gcc", &header, &includes), &includes);
    for left_out in &merged.left_out {
        println!("{}: {}", sources[left_out.index].entry, left_out.reason);
    }
    assert!(
        merged.units.len() * 10 >= sources.len() * 9,
        "{} of {} units are merged",
        merged.units.len(),
        sources.len()
    );

    // As text, the header would take ten times as long, for each unit.
    let common = dir.path().join("common.h");
    let gcc = || {
        let mut gcc = Command::new("gcc");
        gcc.args(["-w", "-O1", "-fPIC"]).current_dir(dir.path());
        gcc
    };
    run(gcc().args(["-x", "c-header"]).arg(&header).arg("-o").arg(dir.path().join("common.h.gch")), 0);
    let object = |name: &str, text: &[u8]| {
        let source = dir.path().join(name).with_extension("c");
        fs::write(&source, text).unwrap();
        run(gcc().arg("-include").arg(&common).arg("-c").arg(&source).arg("-o").arg(dir.path().join(name)), 0);
    };
    let link = |library: &str, objects: &[String]| {
        run(gcc().args(["-shared", "-nostdlib", "-o", library]).args(objects), 0);
        fs::metadata(dir.path().join(library)).unwrap().len()
    };
    let names: Vec<String> = (0..sources.len()).map(|number| format!("alone{number}.o")).collect();
    let halves = names.iter().zip(&sources).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        for half in halves.chunks(halves.len().div_ceil(2)) {
            let object = &object;
            scope.spawn(move || half.iter().for_each(|(name, source)| object(name, source.text.as_bytes())));
        }
        object("merged.o", &merged.text);
    });
    let relinked = link("relinked.so", &names);
    let alone = merged.left_out.iter().map(|left_out| names[left_out.index].clone());
    let together = link("merged.so", &std::iter::once("merged.o".to_owned()).chain(alone).collect::<Vec<_>>());
    println!("{} units of Ruby: relinked {relinked} bytes, merged {together} bytes", sources.len());
    assert!(together < relinked, "{together} against {relinked}");

    let machine = text(&run(Command::new("gcc").arg("-dumpmachine"), 0).stdout);
    let target = Target::parse(machine.trim()).unwrap();
    let symbols = |library: &str| -> BTreeSet<String> {
        exported_by_library(&dir.path().join(library), &target).unwrap().into_iter().collect()
    };
    let entries: BTreeSet<String> = sources.iter().map(|source| source.entry.clone()).collect();
    assert_eq!(symbols("merged.so").intersection(&entries).cloned().collect::<BTreeSet<_>>(), entries);
    assert_eq!(symbols("merged.so"), symbols("relinked.so"));
}
