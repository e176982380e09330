//! `include/mjitcc.h` and `src/ffi` say the same: every function, every constant, every field.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use mjitcc::ffi;

use crate::c::root;
use crate::support::{has, need, run};

fn header() -> String {
    fs::read_to_string(root().join("include/mjitcc.h")).unwrap()
}

/// The Rust side, all of it.
fn island() -> String {
    let files = fs::read_dir(root().join("src/ffi")).unwrap().map(|entry| entry.unwrap().path());
    let all = files.chain([root().join("src/ffi.rs")]).map(|path| fs::read_to_string(path).unwrap());
    all.collect::<Vec<_>>().join("\n")
}

/// The text between two words, each time that it occurs.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| Some(rest.split_once(after)?.0))
}

/// C's name for a type of Rust's.
fn c_type(rust: &str) -> String {
    let rust = rust.trim();
    if let Some(pointee) = rust.strip_prefix("*const ") {
        return format!("{} const *", c_type(pointee));
    }
    if let Some(pointee) = rust.strip_prefix("*mut ") {
        return format!("{} *", c_type(pointee));
    }
    if let Some(function) = rust.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')) {
        return function.to_owned();
    }
    let name = rust.rsplit("::").next().unwrap();
    match name {
        "c_void" => "void".to_owned(),
        "c_char" => "char".to_owned(),
        "f64" => "double".to_owned(),
        "usize" => "size_t".to_owned(),
        "u8" | "u32" | "u64" => format!("uint{}_t", &name[1..]),
        "i32" | "i64" => format!("int{}_t", &name[1..]),
        _ => {
            let mut words = String::from("mjitcc");
            for letter in name.chars() {
                if letter.is_uppercase() {
                    words.push('_');
                }
                words.push(letter.to_ascii_lowercase());
            }
            words
        }
    }
}

/// A list of parameters, with or without names, and what is given back.
fn c_signature(name: &str, signature: &str) -> String {
    let (parameters, result) = signature.split_once(')').unwrap();
    let types: Vec<String> = parameters
        .split(',')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let named = parameter.split_once(": ").filter(|(name, _)| !name.contains([' ', '*']));
            c_type(named.map_or(parameter, |(_, of_type)| of_type))
        })
        .collect();
    let result = result.trim().strip_prefix("-> ").map_or_else(|| "void".to_owned(), c_type);
    format!("{result} {name}({})", if types.is_empty() { "void".to_owned() } else { types.join(", ") })
}

/// Checks C text by itself.
#[track_caller]
fn compiles(compiler: &str, flags: &[&str], text: &str) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("check.c");
    fs::write(&source, text).unwrap();
    let mut command = Command::new(compiler);
    command.args(flags).args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]);
    run(command.arg(root().join("include")).arg(source), 0);
}

#[test]
fn it_is_c99_and_c_plus_plus_for_every_compiler() {
    need!("gcc");
    // Twice, for the guard; the macros too.
    let text = "#include \"mjitcc.h\"\n#include \"mjitcc.h\"\n\
                mjitcc_worker_options worker = MJITCC_WORKER_OPTIONS_INIT;\n\
                mjitcc_engine_options engine = MJITCC_ENGINE_OPTIONS_INIT;\n\
                mjitcc_built built = MJITCC_BUILT_INIT;\n\
                uint64_t none = MJITCC_NO_TIMEOUT;\n";
    let c = ["-std=c99", "-pedantic-errors"];
    let cpp = ["-x", "c++", "-std=c++17", "-pedantic-errors"];
    for (compiler, flags) in
        [("gcc", &c[..]), ("clang", &c), ("x86_64-w64-mingw32-gcc", &c), ("g++", &cpp), ("clang++", &cpp)]
    {
        if has(compiler) {
            compiles(compiler, flags, text);
        }
    }
}

#[test]
fn c_plus_plus_links_to_it_by_c_s_names() {
    need!("g++", "nm");
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("use.cc"), dir.path().join("use.o"));
    fs::write(&source, "#include \"mjitcc.h\"\nunsigned use() { return mjitcc_abi(); }\n").unwrap();
    run(Command::new("g++").arg("-c").arg("-I").arg(root().join("include")).arg(&source).arg("-o").arg(&object), 0);
    let symbols = crate::c::output(Command::new("nm").arg(&object));
    assert!(symbols.contains("U mjitcc_abi"), "{symbols}");
}

/// C that includes the header and has a type for each callback of the Rust source's.
fn callback_types(island: &str) -> String {
    let mut text = String::from("#include \"mjitcc.h\"\n");
    for alias in between(island, "pub type ", ";") {
        if let Some((name, signature)) = alias.split_once(" = unsafe extern \"C-unwind\" fn(") {
            writeln!(text, "typedef {};", c_signature(&format!("(*{name})"), signature)).unwrap();
        }
    }
    text
}

#[test]
fn every_function_is_declared_as_it_is() {
    need!("gcc");
    let island = island();
    let mut text = callback_types(&island);
    let mut count = 0;
    // A declaration that differs from the header's is an error.
    for function in between(&island, "extern \"C-unwind\" fn ", " {\n") {
        let (name, signature) = function.split_once('(').unwrap();
        writeln!(text, "{};", c_signature(name, signature)).unwrap();
        assert!(header().contains(&format!("{name}(")), "the header lacks {name}");
        count += 1;
    }
    assert!(count > 40, "found only {count} functions");
    compiles("gcc", &["-std=c99"], &text);
    for name in between(&header(), "mjitcc_", "(") {
        let declared = !name.contains(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        let defined = island.contains(&format!("extern \"C-unwind\" fn mjitcc_{name}("));
        assert!(!declared || defined, "the header has mjitcc_{name}, and the library has not");
    }
}

/// Names and values of constants.
fn constants<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let clean = |value: &str| value.trim_end_matches([';', 'u']).trim().to_owned();
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim().to_owned(), clean(value))).collect()
}

#[test]
fn every_constant_is_what_it_is() {
    let (header, island) = (header(), island());
    let theirs = header.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("MJITCC_")?;
        Some(line.split(['/', ',']).next()?.trim())
    });
    let mut theirs = constants(theirs);
    for name in ["ABI", "SLOT_FIRST_ADDRESS", "NO_TIMEOUT", "NO_MEMFREE", "NO_OUTPUT_LIMIT"] {
        let value =
            between(&header, &format!("#define MJITCC_{name} "), "\n").next().unwrap().trim_end_matches('u').to_owned();
        theirs.insert(name.to_owned(), value);
    }
    let ours: Vec<String> = island
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|line| Some(format!("{}={}", line.split_once(':')?.0, line.split_once('=')?.1)))
        .map(|line| line.replace("u64::MAX", "UINT64_MAX"))
        .collect();
    let ours = constants(ours.iter().map(String::as_str));
    assert!(ours.len() > 30, "found only {}", ours.len());
    assert_eq!(ours, theirs);
}

/// A structure's name in C, its size, and the place and size of each field, as Rust has them.
type Layout = (&'static str, usize, Vec<(&'static str, usize, usize)>);

macro_rules! layout {
    ($type:ident $name:literal $($field:ident)+) => {{
        fn size_of_pointee<T>(_: *const T) -> usize {
            size_of::<T>()
        }
        let place = std::mem::MaybeUninit::<ffi::$type>::uninit();
        let place = place.as_ptr();
        let fields = vec![$((
            stringify!($field),
            std::mem::offset_of!(ffi::$type, $field),
            // SAFETY: a place within the structure is named, and nothing read.
            size_of_pointee(unsafe { &raw const (*place).$field }),
        )),+];
        ($name, size_of::<ffi::$type>(), fields)
    }};
}

fn layouts() -> Vec<Layout> {
    vec![
        layout!(SourceLocation "mjitcc_source_location" size line label path),
        layout!(Request "mjitcc_request" size reserved id owner switches entry),
        layout!(Code "mjitcc_code" owner address on_stack),
        layout!(Guard "mjitcc_guard" address generation),
        layout!(Host "mjitcc_host" size reserved ctx generate published scan_stacks vm_jobs_wait),
        layout!(Reaper "mjitcc_reaper" size reserved ctx enter wait leave forked),
        layout!(WorkerOptions "mjitcc_worker_options" size abi host header cc family cflags ldflags includes defines temp_dir
            prefix entry_prefix host_library timeout_ms max_cache_size threads optimize unloading compaction verbose warnings save_temps
            wait debug reaper observe observe_ctx unity tiers standby linker cache cache_size launcher timings trace memfree perf_map
            ignore_forks reserved envp hash_files hash_env output_limit),
        layout!(Event "mjitcc_event" size kind level reserved line detail location inlined file ms count),
        layout!(EngineOptions "mjitcc_engine_options" size abi header pch cc family cflags ldflags includes defines temp_dir
            prefix entry_prefix host_library timeout_ms optimize verbose warnings save_temps debug ignore_forks reserved
            reaper envp hash_files hash_env output_limit cache cache_size launcher memfree linker standby observe observe_ctx),
        layout!(Diagnostic "mjitcc_diagnostic" size severity line column file text unit),
        layout!(Unit "mjitcc_unit" size reserved name text length diagnostic ctx),
        layout!(Built "mjitcc_built" size reserved handle ms),
        layout!(UnitHeat "mjitcc_unit_heat" calls in_use dead),
        layout!(Census "mjitcc_census" size wait active queued max_active compactions unloads),
    ]
}

#[test]
fn every_structure_lies_in_memory_as_it_does() {
    need!("gcc");
    let mut text = String::from("#include <stdio.h>\n#include \"mjitcc.h\"\nint main(void) {\n");
    let mut expected = String::new();
    for (name, size, fields) in layouts() {
        writeln!(text, "printf(\"{name} %zu\\n\", sizeof({name}));").unwrap();
        writeln!(expected, "{name} {size}").unwrap();
        for (field, at, size) in &fields {
            let c_size = format!("sizeof(({name} *)0)->{field}").replace("sizeof((", "sizeof(((") + ")";
            writeln!(text, "printf(\" {field} %zu %zu\\n\", offsetof({name}, {field}), {c_size});").unwrap();
            writeln!(expected, " {field} {at} {size}").unwrap();
        }
        // No field was forgotten: there is no padding anywhere.
        assert_eq!(fields.iter().map(|(_, _, size)| size).sum::<usize>(), size, "{name}");
        assert!(size.is_multiple_of(8), "{name}");
    }
    text.push_str("return 0; }\n");
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("layout.c"), dir.path().join("layout"));
    fs::write(&source, text).unwrap();
    run(Command::new("gcc").arg("-I").arg(root().join("include")).arg(&source).arg("-o").arg(&program), 0);
    assert_eq!(crate::c::output(&mut Command::new(&program)), expected);
    assert_eq!(layouts().len(), island().matches("#[repr(C)]").count(), "a structure is not compared");
}

#[test]
fn every_field_has_the_type_that_it_has() {
    need!("gcc");
    let island = island();
    let mut text = callback_types(&island);
    for structure in between(&island, "#[repr(C)]\n", "\n}\n") {
        let (head, fields) = structure.split_once(" {\n").unwrap();
        let name = c_type(head.rsplit(' ').next().unwrap());
        for field in fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
            let (field, of_type) = field.trim_end_matches(',').split_once(": ").unwrap();
            if of_type.starts_with('[') {
                continue;
            }
            let of_type = c_type(of_type);
            writeln!(
                text,
                "_Static_assert(__builtin_types_compatible_p(__typeof__((({name} *)0)->{field}), {of_type}), \"{name}.{field}\");"
            )
            .unwrap();
        }
    }
    assert!(text.matches("_Static_assert").count() > 70);
    compiles("gcc", &["-std=gnu11"], &text);
}

#[test]
fn a_c_host_may_say_whatever_a_rust_host_may() {
    for (builder, structure, least) in
        [("src/worker/options.rs", "mjitcc_worker_options", 25), ("src/engine/builder.rs", "mjitcc_engine_options", 12)]
    {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        has_a_field_for_each_setting(&(read(builder) + &read("src/setup.rs")), structure, least);
    }
}

fn has_a_field_for_each_setting(builder: &str, structure: &str, least: usize) {
    let (header, mut count) = (header(), 0);
    let (begin, end) = (format!("typedef struct {structure} {{"), format!("}} {structure};"));
    let options = between(&header, &begin, &end).next().unwrap();
    let settings = builder.lines().filter_map(|line| line.trim().strip_prefix("pub fn ")?.split_once("(mut self, "));
    for (setting, _) in settings {
        let field = match setting {
            "compiler" => "cc",
            "compiler_spec" => "family",
            "flags" => "cflags",
            "environment" => "temp_dir",
            "timeout" => "timeout_ms",
            "observer" => "observe)",
            "follow_forks" => "ignore_forks",
            setting => setting,
        };
        let declared = [';', '('].iter().any(|end| options.contains(&format!("{field}{end}")));
        assert!(declared, "{structure} has nothing for {setting}");
        count += 1;
    }
    assert!(count >= least, "found only {count} settings");
}

#[test]
fn the_defaults_of_sizes_are_those_of_rust() {
    use mjitcc::{admission::MemoryLimit, cache::DEFAULT_MAX_SIZE, exec::DEFAULT_LIMIT};
    let header = header();
    for (field, default) in [
        ("memfree", format!("{} MiB", MemoryLimit::DEFAULT >> 20)),
        ("cache_size", format!("{} GiB", DEFAULT_MAX_SIZE >> 30)),
        ("output_limit", format!("{} MiB", DEFAULT_LIMIT >> 20)),
    ] {
        let comment = between(&header, &format!("uint64_t {field}; "), "\n").next().unwrap().to_owned();
        assert!(comment.contains(&format!("0: {default}")), "{field}: {comment}");
    }
}

#[test]
fn cargo_c_finds_it() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("[package.metadata.capi"), "cargo-c would make a header of its own");
    assert!(Path::new(root()).join("include/mjitcc.h").exists());
}
