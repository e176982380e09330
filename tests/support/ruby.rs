//! Units as Ruby's MJIT generates them, the header that it generates them for, and stand-ins for what they call.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use object::{Object, ObjectSymbol, SymbolKind};

use crate::support::{run, skip, text};

/// A program that Ruby runs.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name)
}

/// Debian's package of Ruby's headers puts it into a folder of the machine's architecture.
pub fn min_header() -> Option<PathBuf> {
    let found = glob::glob("/usr/include/*/ruby-3.1.0/rb_mjit_min_header-3.1.*.h").unwrap().find_map(Result::ok);
    if found.is_none() {
        let required = std::env::var("MJIT_CC_REQUIRE").unwrap_or_default();
        assert!(
            !required.contains("ruby3.1"),
            "MJIT_CC_REQUIRE names ruby3.1, and ruby3.1-dev's MJIT header is not here"
        );
        skip("the MJIT header of ruby3.1-dev is not here");
    }
    found
}

/// Instead of gcc's own: Ruby is to generate units and not to compile them.
const NO_CC1: &str = r#"#!/bin/sh
for word; do
    case $word in *.gch) : > "$word"; exit 0 ;; esac
done
exit 1
"#;

/// Lets Ruby generate units. It runs the gcc that it was built with; that is told where to look for its parts first.
pub fn generate(dir: &Path, methods: usize) -> Vec<String> {
    let parts = dir.join("parts");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("cc1"), NO_CC1).unwrap();
    fs::set_permissions(parts.join("cc1"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut ruby = Command::new("ruby3.1");
    ruby.args(["--disable-all", "--mjit", "--mjit-wait", "--mjit-save-temps", "--mjit-min-calls=2"])
        .args(["--mjit-max-cache=5000", "--mjit-verbose=1"])
        .arg(script("many_methods.rb"))
        .args(["0", &methods.to_string()])
        .env("TMPDIR", dir)
        .env("COMPILER_PATH", &parts)
        .env_remove("RUBYOPT");
    let said = text(&run(&mut ruby, 0).stderr);
    let files = glob::glob(dir.join("_ruby_mjit_p*u*.c").to_str().unwrap()).unwrap().map(Result::unwrap);
    let units: Vec<String> = files.map(|file| unit(&file)).collect();
    assert!(units.len() >= methods, "{} units\n{said}", units.len());
    units
}

/// A unit as Ruby wrote it, without its header's `#include` and with `{entry}` for its function's name.
fn unit(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let (include, rest) = text.split_once('\n').unwrap();
    assert!(include.starts_with("#include "), "{include}");
    let number = file.file_stem().unwrap().to_str().unwrap().rsplit_once('u').unwrap().1;
    let name = format!("_mjit{number}");
    assert!(rest.contains(&format!("{name}(")), "{}", file.display());
    let mut pieces = rest.split(&name);
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // A longer number is another name.
        filled += if piece.starts_with(|next: char| next.is_ascii_digit()) { &name } else { "{entry}" };
        filled += piece;
    }
    filled
}

/// A library with all that Ruby's exports, and nothing behind it.
pub fn stand_ins(dir: &Path) -> Library {
    let found = "puts File.readlines('/proc/self/maps').grep(/libruby/).first.split.last";
    let ruby = text(&run(Command::new("ruby3.1").args(["--disable-all", "-e", found]), 0).stdout);
    let bytes = fs::read(ruby.trim()).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let mut source = String::new();
    for symbol in file.dynamic_symbols().filter(|symbol| !symbol.is_undefined()) {
        let name = symbol.name().unwrap();
        // Not what it has in place of the C library's.
        if !(name.starts_with("rb_") || name.starts_with("ruby_") || name.starts_with("mjit_")) {
            continue;
        }
        source += &match symbol.kind() {
            SymbolKind::Text => format!("void {name}(void) {{}}\n"),
            SymbolKind::Tls => format!("__thread char {name}[{}];\n", symbol.size().max(1)),
            _ => format!("char {name}[{}];\n", symbol.size().max(1)),
        };
    }
    assert!(source.lines().count() > 1_000, "{source}");
    let (c, library) = (dir.join("stand_ins.c"), dir.join("stand_ins.so"));
    fs::write(&c, source).unwrap();
    run(Command::new("gcc").args(["-w", "-O0", "-fno-builtin", "-fPIC", "-shared", "-o"]).arg(&library).arg(&c), 0);
    // SAFETY: it was made just now, of functions that do nothing and that nobody calls.
    unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
}
