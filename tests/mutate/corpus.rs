//! Objects as compilers make them, of everything that an object can have in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;

/// A name, and what is in the object.
pub type Objects = Vec<(String, Vec<u8>)>;

const C: &[(&str, &str)] = &[
    (
        "state",
        "static int count; int table[64] = {1}; extern int elsewhere; static const char *const words[] = {\"a\", \"bc\", \"a\"};\n\
         int step(int by) { return count += by + table[by & 63] + elsewhere; }\n\
         const char *word(int i) { return words[i % 3]; }\n\
         double half(double x) { return x * 0.5 + 3.25; }\n",
    ),
    (
        "constructors",
        "static int made; int other(int); __attribute__((constructor)) static void first(void) { made = 1; }\n\
         __attribute__((constructor(200))) static void second(void) { made += 2; }\n\
         __attribute__((destructor)) static void last(void) { made = other(made); }\n\
         int is_made(void) { return made; }\n",
    ),
    (
        "threads",
        "__thread int mine = 7; static __thread long here; extern __thread int theirs;\n\
         int next(void) { here += mine++; return (int)here + theirs; }\n",
    ),
    (
        "chosen",
        "static int one(void) { return 1; } static int two(void) { return 2; } extern int flag;\n\
         static int (*choose(void))(void) { return flag ? one : two; }\n\
         int chosen(void) __attribute__((ifunc(\"choose\")));\n\
         int call(void) { return chosen(); }\n",
    ),
    (
        "placed",
        "__attribute__((section(\"mine\"), aligned(64))) int a = 3; __attribute__((weak)) int maybe(int);\n\
         __attribute__((visibility(\"hidden\"))) int hidden(int x) { return x ^ 5; }\n\
         int tentative; __attribute__((used, section(\"mine\"))) int b = 4; extern int __start_mine[], __stop_mine[];\n\
         int sum(void) { int s = tentative; for (int *p = __start_mine; p < __stop_mine; p++) s += *p; return maybe ? maybe(s) : hidden(s); }\n\
         int wide(int i) { switch (i) { case 0: return 3; case 1: return 17; case 2: return 99; case 3: return -4; case 4: return 12; case 5: return 1000; default: return 8; } }\n",
    ),
];

const CXX: &str = "template <typename T> struct Box { T value; virtual T get() { return value; } virtual ~Box() {} };\n\
    template <typename T> __attribute__((noinline)) T twice(T x) { static T last; last = x; return x + last; }\n\
    struct Error { int code; };\n\
    int f(int x) { Box<int> box; box.value = twice(x); if (x == 3) throw Error{4}; return box.get(); }\n\
    int g(int x) { try { return f(x); } catch (Error &error) { return error.code; } }\n";

const FLAGS: &[&[&str]] = &[
    &["-O2"],
    &["-O3", "-g"],
    &["-O2", "-ffunction-sections", "-fdata-sections"],
    &["-O0", "-g3"],
    &["-O2", "-fexceptions", "-fcommon", "-fcf-protection"],
];

pub fn compile(dir: &Path) -> Objects {
    let mut objects = Vec::new();
    let compilers = [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")];
    for (compiler, language) in compilers.into_iter().filter(|(compiler, _)| which::which(compiler).is_ok()) {
        let sources: &[(&str, &str)] = if language == "c" { C } else { &[("comdat", CXX)] };
        for (name, text) in sources {
            for flags in FLAGS {
                add(&mut objects, dir, &[compiler, "-x", language], flags, (name, text));
            }
        }
    }
    for flags in FLAGS {
        let header = support::fixture("vm.h");
        let unit = fs::read_to_string(&support::fixture_units()[3]).unwrap();
        add(&mut objects, dir, &["gcc", "-include", header.to_str().unwrap(), "-x", "c"], flags, ("unit", &unit));
    }
    objects
}

fn add(objects: &mut Objects, dir: &Path, start: &[&str], flags: &[&str], (name, text): (&str, &str)) {
    let (source, object) = (dir.join("source"), dir.join("object.o"));
    fs::write(&source, text).unwrap();
    let mut command = Command::new(start[0]);
    command.args(flags).args(["-fPIC", "-w", "-c", "-o"]).arg(&object).args(&start[1..]).arg(&source);
    // Not every compiler knows every flag.
    if command.output().unwrap().status.success() {
        objects.push((format!("{name}, {} {}", start[0], flags.join(" ")), fs::read(&object).unwrap()));
    }
}

pub fn write(dir: &Path, objects: &Objects) {
    fs::create_dir(dir).unwrap();
    for (index, (name, bytes)) in objects.iter().enumerate() {
        fs::write(dir.join(format!("{index}.name")), name).unwrap();
        fs::write(dir.join(format!("{index}.o")), bytes).unwrap();
    }
}

pub fn read(dir: &Path) -> Objects {
    let read = |index: usize| {
        let name = fs::read_to_string(dir.join(format!("{index}.name"))).ok()?;
        Some((name, fs::read(dir.join(format!("{index}.o"))).unwrap()))
    };
    (0..).map_while(read).collect()
}
