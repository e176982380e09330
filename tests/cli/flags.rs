//! What goes by `--cflag`: words that need a library at the link, stand before the header, make no object, or change how diagnostics look.

use std::path::Path;
use std::process::Command;

use crate::compile::{Fake, Place};
use crate::support::{self, need, run, text};

/// Loads a library at once, calls a function with one integer and prints what it gives.
const HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    int (*function)(int) = (int (*)(int))dlsym(library, argv[2]);
    printf("%d\n", function(atoi(argv[3])));
    return 0;
}
"#;

fn host(place: &Place) {
    place.write("host.c", HOST);
    run(Command::new("gcc").current_dir(place.path()).args(["host.c", "-o", "host", "-ldl"]), 0);
}

fn answer(place: &Place, library: &Path, function: &str, argument: &str) -> String {
    text(&run(Command::new(place.join("host")).arg(library).args([function, argument]), 0).stdout).trim().to_owned()
}

fn compilers() -> impl Iterator<Item = &'static str> {
    ["gcc", "clang-19"].into_iter().filter(|cc| support::has(cc))
}

#[test]
fn code_that_calls_a_run_time_library_can_be_loaded_or_its_user_is_told_what_to_add() {
    need!("gcc");
    let place = Place::new();
    host(&place);
    // Enough for each: a shift and a sum that may overflow, a loop, a big frame, a transaction.
    place.write(
        "u.c",
        "void use(char *); static int state;\nint u(int n) {\n  char room[300]; int sum = 1 << n; use(room);\n#pragma omp parallel for reduction(+:sum)\n  \
         for (int i = 0; i < n; i++) sum += i;\n#ifdef TRANSACTION\n  __transaction_atomic { state += sum; }\n#endif\n  return sum + state * 0;\n}\n\
         void use(char *room) { room[0] = 1; }\n",
    );
    let flags = [
        "-fsanitize=undefined",
        "-fsanitize=shift -fsanitize=signed-integer-overflow",
        "-fopenmp",
        "-fprofile-generate",
        "-fprofile-arcs",
        "--coverage",
        "-fprofile-instr-generate",
        "-pg",
        "-fopenacc",
        "-fgnu-tm -DTRANSACTION",
        "-fsplit-stack",
        "-ftree-parallelize-loops=2",
        "-fsanitize=memory",
        "-pthread",
    ];
    for cc in compilers() {
        for words in flags {
            let mut command = place.tool(&["compile", "u.c", "--cc", cc]);
            let output = command.args(words.split(' ').map(|word| format!("--cflag={word}"))).output().unwrap();
            let said = text(&output.stderr);
            match output.status.code() {
                Some(0) => assert_eq!(answer(&place, &place.join("out/u.so"), "u", "4"), "22", "{cc} {words}"),
                code => {
                    assert_eq!(code, Some(1), "{cc} {words}: {said}");
                    let told = said.contains("help: ") || said.contains("the compiler failed");
                    assert!(told && !place.join("out/u.so").exists(), "{cc} {words}: {said}");
                }
            }
            let _ = std::fs::remove_dir_all(place.join("out"));
        }
        if cc == "gcc" {
            // These are not to fail where gcc has its libraries.
            for word in ["-fsanitize=undefined", "-fopenmp", "--coverage", "-fprofile-generate"] {
                place.good(&["compile", "u.c", "--cc", cc, "--out-dir", "good", &format!("--cflag={word}")]);
            }
        }
    }
}

#[test]
fn a_sanitizer_s_library_is_the_one_that_the_plain_compiler_links() {
    need!("gcc");
    let place = Place::new();
    host(&place);
    place.write("u.c", "int u(int n) { int room[4] = {1, 2, 3, 4}; return room[n & 3]; }\n");
    place.good(&["compile", "u.c", "--cc", "gcc", "--cflag=-fsanitize=address"]);
    let runtime = text(&run(Command::new("gcc").arg("-print-file-name=libasan.so"), 0).stdout);
    let runtime = runtime.trim();
    if !Path::new(runtime).is_absolute() {
        return support::skip("gcc has no libasan here");
    }
    let mut command = Command::new(place.join("host"));
    command
        .arg(place.join("out/u.so"))
        .args(["u", "2"])
        .env("LD_PRELOAD", runtime)
        .env("ASAN_OPTIONS", "detect_leaks=0");
    assert_eq!(text(&run(&mut command, 0).stdout).trim(), "3");
}

#[test]
fn a_run_time_library_that_the_compiler_leaves_to_the_program_is_asked_for() {
    need!("clang-19");
    let place = Place::new();
    place.write("u.c", "int u(int n) { return 1 << n; }\n");
    let said =
        text(&run(&mut place.tool(&["compile", "u.c", "--cc", "clang-19", "--cflag=-fsanitize=undefined"]), 1).stderr);
    assert!(said.contains("error: u.c: its library calls __ubsan_handle_shift_out_of_bounds"), "{said}");
    assert!(said.contains("of UndefinedBehaviorSanitizer") && said.contains("--cflag=-shared-libsan"), "{said}");
    assert!(!place.join("out/u.so").exists());
    // The program has it, says its user.
    place.good(&["compile", "u.c", "--cc", "clang-19", "--cflag=-fsanitize=undefined", "--cflag=-static-libsan"]);
}

#[test]
#[cfg(feature = "wild")]
fn words_that_mean_nothing_to_a_link_do_not_start_the_driver() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", "int u(int n) { return n + 1; }\n");
    place.write("config.h", "#define CONFIG 1\n");
    for words in [
        "-Wextra",
        "-Wno-unused",
        "-g",
        "-ggdb3",
        "-funroll-loops",
        "-fno-strict-aliasing",
        "-march=native",
        "-mavx",
        "-msse4.2",
        "-pedantic",
        "-ansi",
        "-include config.h",
        "-imacros config.h",
        "-D X",
        "-isystem .",
        "-pipe",
        "-MMD",
        "-x c",
        "-fdiagnostics-color=always",
        "-ffast-math",
        "--param max-inline-insns-auto=40",
    ] {
        let fake = Fake::of("gcc");
        let mut command = place.tool(&["compile", "u.c"]);
        command.args(words.split(' ').map(|word| format!("--cflag={word}")));
        run(fake.behind(&mut command).args(["--linker", "auto"]), 0);
        assert_eq!(fake.runs().counts(), (0, 1, 0), "{words}");
        std::fs::remove_dir_all(place.join("out")).unwrap();
    }
}

#[test]
fn what_stands_before_the_header_is_in_the_pch_and_once() {
    need!("gcc");
    for cc in compilers() {
        let place = Place::new();
        host(&place);
        // No guard: twice would be an error.
        place.write("config.h", "enum { CONFIG = 5 };\n");
        place.write(
            "names.h",
            "/* only names */\n#define TWICE(x) \\\n  ((x) * 2)\n#ifdef SEEN\n#error twice\n#endif\n#define SEEN\n",
        );
        place.write("vm.h", "static inline int twice(int x) { return TWICE(x) + CONFIG; }\n");
        place.write("a.c", "int a(int n) { return twice(n) + TWICE(CONFIG); }\n");
        place.write("b.c", "int b(int n) { return twice(n) - CONFIG; }\n");
        let words = ["-include", "config.h", "-imacros", "names.h"].map(|word| format!("--cflag={word}"));
        let pch = if cc == "gcc" { "vm.pch.gch" } else { "vm.pch" };
        let tool = |ours: &[&str]| {
            let said = text(&run(place.tool(ours).args(&words).args(["--cc", cc]), 0).stderr);
            assert!(!said.contains("no precompiled header"), "{cc} {ours:?}: {said}");
        };
        tool(&["compile", "a.c", "b.c", "--header", "vm.h"]);
        assert_eq!(answer(&place, &place.join("out/a.so"), "a", "1"), "17", "{cc}");
        tool(&["compile", "a.c", "b.c", "--header", "vm.h", "--unity", "2", "--compact", "--out-dir", "merged"]);
        assert_eq!(answer(&place, &place.join("merged/units.so"), "b", "1"), "2", "{cc}");
        tool(&["build-pch", "vm.h"]);
        tool(&["compile", "a.c", "--pch", pch, "--out-dir", "apart"]);
        assert_eq!(answer(&place, &place.join("apart/a.so"), "a", "1"), "17", "{cc}");
        // The PCH is built anew when one of them changes.
        place.write("config.h", "enum { CONFIG = 6 };\n");
        place.write("names.h", "#define TWICE(x) ((x) * 3)\n");
        tool(&["compile", "a.c", "b.c", "--header", "vm.h"]);
        assert_eq!(answer(&place, &place.join("out/a.so"), "a", "1"), "27", "{cc}");
    }
}

#[test]
fn a_file_of_macros_that_has_more_in_it_is_taken_as_text() {
    need!("gcc");
    let place = Place::new();
    host(&place);
    place.write("names.h", "#define FIVE 5\nint never(void) { return 1; }\n");
    place.write("vm.h", "static inline int five(void) { return FIVE; }\n");
    place.write("a.c", "int a(int n) { return five() + n; }\n");
    place.write("b.c", "int b(int n) { return five() - n; }\n");
    let words = [
        "compile",
        "a.c",
        "b.c",
        "--compact",
        "--header",
        "vm.h",
        "--cc",
        "gcc",
        "--cflag=-imacros",
        "--cflag=names.h",
    ];
    let said = text(&run(&mut place.tool(&words), 0).stderr);
    assert!(said.contains("names.h, named by -imacros, has more than macros"), "{said}");
    assert_eq!(answer(&place, &place.join("out/units.so"), "a", "1"), "6");
}

#[test]
fn words_with_which_no_library_comes_of_a_unit_are_refused_by_name() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", "int u(int n) { return n + 1; }\n");
    place.write("vm.h", "\n");
    for (words, flag) in [
        ("-E", "-E"),
        ("-S", "-S"),
        ("-c", "-c"),
        ("-o x", "-o x"),
        ("-emit-llvm", "-emit-llvm"),
        ("-fsyntax-only", "-fsyntax-only"),
        ("-x c++", "-x c++"),
        ("-xc++", "-xc++"),
        ("-fpreprocessed", "-fpreprocessed"),
        ("-###", "-###"),
        ("--help", "--help"),
        ("--version", "--version"),
        ("-M", "-M"),
        ("v.c", "v.c"),
        ("-dumpmachine", "-dumpmachine"),
        ("-r", "-r"),
    ] {
        for command in [&["compile", "u.c"] as &[&str], &["compile", "u.c", "--header", "vm.h"], &["build-pch", "vm.h"]]
        {
            for cc in compilers() {
                let mut command = place.tool(command);
                command.args(["--cc", cc]).args(words.split(' ').map(|word| format!("--cflag={word}")));
                let said = text(&run(&mut command, 2).stderr);
                assert!(said.contains(&format!("error: the flag {flag} cannot be used: ")), "{said}");
            }
        }
    }
    assert!(!place.join("out/units.json").exists() && !place.join("x").exists());
    // A unit is C: to say so changes nothing, at the link either.
    host(&place);
    for cc in compilers() {
        for words in ["-xc", "-x c", "-save-temps=obj", "-v"] {
            for linker in ["auto", "driver"] {
                let mut command = place.tool(&["compile", "u.c", "--header", "vm.h", "--cc", cc, "--linker", linker]);
                run(command.args(words.split(' ').map(|word| format!("--cflag={word}"))), 0);
                assert_eq!(answer(&place, &place.join("out/u.so"), "u", "1"), "2", "{cc} {words}");
            }
        }
    }
}

#[test]
fn diagnostics_stay_data_however_they_are_to_look() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", "int u(void) {\n  int x = \"text\" + nope;\n  return y;\n}\n");
    let events = |command: &mut Command| {
        let output = text(&run(command.args(["--message-format", "json"]), 1).stdout);
        let lines = output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let diagnostics = lines.filter(|line| line["event"] == "diagnostic" && line["severity"] == "error");
        diagnostics.map(|line| (line["line"].clone(), line["text"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    for (cc, words) in [
        (
            "gcc",
            &[
                "-fdiagnostics-color=always",
                "-fdiagnostics-format=json",
                "-fdiagnostics-format=sarif-stderr",
                "-fdiagnostics-urls=always",
                "-fmessage-length=20",
                "-fdiagnostics-show-location=every-line",
                "-fdiagnostics-parseable-fixits",
                "-fno-show-column",
                "-fdiagnostics-plain-output",
            ] as &[&str],
        ),
        (
            "clang-19",
            &[
                "-fdiagnostics-color=always",
                "-fcolor-diagnostics",
                "-fdiagnostics-format=json",
                "-fdiagnostics-format=sarif",
                "-fdiagnostics-format=msvc",
                "-fdiagnostics-format=vi",
                "-fmessage-length=20",
                "-fdiagnostics-absolute-paths",
                "-fno-show-column",
                "-fno-show-source-location",
                "-fdiagnostics-print-source-range-info",
            ],
        ),
    ] {
        if !support::has(cc) {
            continue;
        }
        let plain = events(&mut place.tool(&["compile", "u.c", "--cc", cc]));
        assert_eq!(plain.len(), 2, "{plain:?}");
        for word in words {
            assert_eq!(
                events(&mut place.tool(&["compile", "u.c", "--cc", cc, &format!("--cflag={word}")])),
                plain,
                "{cc} {word}"
            );
        }
        let mut command = place.tool(&["compile", "u.c", "--cc", cc]);
        command.envs([("GCC_COLORS", "error=01"), ("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1"), ("LANGUAGE", "de")]);
        assert_eq!(events(&mut command), plain, "{cc}");
        // People have the colour that they ask for.
        let mut command = place.tool(&["compile", "u.c", "--cc", cc, "--cflag=-fdiagnostics-color=always"]);
        assert!(text(&run(command.env("CLICOLOR_FORCE", "1"), 1).stderr).contains("\u{1b}["), "{cc}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_home_there_is_a_warning_and_no_cache() {
    use std::os::unix::process::CommandExt;
    need!("gcc");
    let place = Place::new();
    place.write("u.c", "int u(int n) { return n + 1; }\n");
    // A user whom no list of users has.
    let mut command = place.tool(&["compile", "u.c", "--cc", "gcc", "--cache", "on", "--out-dir", "out"]);
    command.env_remove("HOME").env_remove("XDG_CACHE_HOME");
    if std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(place.path(), open).unwrap();
        command.uid(54_321).gid(54_321);
    } else {
        return support::skip("only root can be another user");
    }
    let said = text(&run(&mut command, 0).stderr);
    assert!(said.contains("warning: the object cache is not used: no cache directory is known"), "{said}");
    assert!(place.join("out/u.so").exists());
}

#[test]
fn flags_of_gcc_stand_among_the_options_and_those_of_the_environment_come_first() {
    need!("gcc");
    let place = Place::new();
    host(&place);
    place.write("inc/n.h", "#define N 7\n");
    place.write(
        "u.c",
        "#include <math.h>\n#include <n.h>\n#include <pthread.h>\nint u(int x) { return (int)sqrt((double)x) * 100 + N * 10 + LEVEL; }\n",
    );
    // No space between `-I` and `inc` in what pkg-config gives; `-DLEVEL` of the command line wins.
    let words = [
        "compile",
        "u.c",
        "--cc",
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wl,-z,now",
        "-pthread",
        "-isystem",
        "inc",
        "-DLEVEL=5",
        "-lm",
        "-v",
    ];
    let output = run(place.tool(&words).env("CFLAGS", "-DLEVEL=1 -O1 -g").env("LDFLAGS", "-Wl,--no-undefined"), 0);
    assert_eq!(answer(&place, &place.join("out/u.so"), "u", "16"), "475");
    let said = text(&output.stderr);
    assert!(said.contains("CFLAGS from the environment: -DLEVEL=1 -O1 -g"), "{said}");
    // The linker's flag of the environment counts.
    place.write("open.c", "int nowhere(void);\nint open_one(void) { return nowhere(); }\n");
    let output = run(place.tool(&["compile", "open.c", "--cc", "gcc", "-w"]).env("LDFLAGS", "-Wl,--no-undefined"), 1);
    assert!(text(&output.stderr).contains("nowhere"), "{}", text(&output.stderr));
    run(&mut place.tool(&["compile", "open.c", "--cc", "gcc", "-w"]), 0);

    for (words, hint) in [
        (&["compile", "u.c", "-Q"][..], "--cflag=-Q"),
        (&["u.c"][..], "mjit-cc compile u.c"),
        (&["compile", "u.c", "-c"][..], "use --out-dir and --compact"),
        (&["compile", "u.c", "-o", "u.so"][..], "use --out-dir and --compact"),
    ] {
        let said = text(&run(&mut place.tool(words), 2).stderr);
        assert!(said.contains(hint), "{words:?}: {said}");
    }
}
