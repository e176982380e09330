//! Libraries beside those of the plain compiler: which version of the C library's symbols their code calls, and what is undone when they
//! are unloaded. In a host of their own, as a user's.

use std::path::Path;
use std::process::Command;

use object::{Architecture, Object, ObjectSymbol};

use crate::compile::Place;
use crate::support::{self, need, run, text};

/// Calls one function after the other without arguments, prints what each gives, and unloads the library before it ends. The host has a
/// `regfree` of its own, which units are to call.
const HOST: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
pthread_cond_t host_condition = PTHREAD_COND_INITIALIZER;
pthread_mutex_t host_mutex = PTHREAD_MUTEX_INITIALIZER;
int host_freed;
int host_answer(void) { return 42; }
void regfree(void *regex) { (void)regex; host_freed++; }
int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IONBF, 0);
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    for (int i = 2; i < argc; i++) {
        int (*function)(void) = (int (*)(void))dlsym(library, argv[i]);
        printf("%s=%d\n", argv[i], function ? function() : -1);
    }
    printf("closed=%d\n", dlclose(library));
    return 0;
}
"#;

/// In order of what goes wrong with the oldest version: an error, another meaning, a crash.
const VERSIONS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#ifndef __TINYC__ /* which does not read it */
#include <regex.h>
#endif
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
extern pthread_cond_t host_condition;
extern pthread_mutex_t host_mutex;
extern int host_freed;
int host_answer(void);
int resolves(void) { errno = 0; char *path = realpath("/", 0); int good = path != 0; free(path); return good ? 1 : -errno; }
int clocks(void) {
    pthread_condattr_t attributes; pthread_cond_t condition;
    pthread_condattr_init(&attributes); pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    return pthread_cond_init(&condition, &attributes);
}
int wakes(void) {
    struct timespec until; clock_gettime(CLOCK_REALTIME, &until); until.tv_nsec = 0;
    pthread_mutex_lock(&host_mutex);
    int waited = pthread_cond_timedwait(&host_condition, &host_mutex, &until);
    pthread_mutex_unlock(&host_mutex);
    return waited == ETIMEDOUT ? pthread_cond_signal(&host_condition) : -waited;
}
int spawns(void) {
    char path[] = "/tmp/mjit-cc-spawn-XXXXXX"; int file = mkstemp(path); (void)!write(file, "exit 0\n", 7); close(file);
    pid_t pid; char *words[] = {path, 0};
    /* Since 2.15 a file without an interpreter's name is not run by a shell. */
    int error = posix_spawn(&pid, path, 0, 0, words, environ); if (!error) waitpid(pid, 0, 0);
    unlink(path); return error;
}
#ifdef __TINYC__
int matches(void) { return 11; }
#else
int matches(void) {
    regex_t regex; regmatch_t match; if (regcomp(&regex, "b", REG_EXTENDED)) return -1;
    int flags = REG_STARTEND; match.rm_so = 2; match.rm_eo = 3;
    int found = regexec(&regex, "abc", 1, &match, flags); regfree(&regex); return found * 10 + host_freed;
}
#endif
int calls(void) { return host_answer(); }
"#;

/// What registers itself with the C library by its static part.
const HOOKS: &str = r#"
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
static void bye(void) { (void)!write(1, "bye\n", 4); }
static void child(void) {}
int at_exit(void) { return atexit(bye); }
int at_quick(void) { return at_quick_exit(bye); }
int at_fork(void) { return pthread_atfork(0, 0, child); }
int stats(void) { struct stat about; return stat("/", &about) + lstat("/", &about) + fstat(0, &about); }
"#;

fn host(place: &Place) -> std::path::PathBuf {
    place.write("host.c", HOST);
    let mut compile = Command::new("gcc");
    run(compile.current_dir(place.path()).args(["host.c", "-o", "host", "-O1", "-rdynamic", "-ldl", "-lpthread"]), 0);
    place.join("host")
}

fn answers(host: &Path, library: &Path, functions: &[&str]) -> String {
    text(&run(Command::new(host).arg(library).args(functions).stdin(std::process::Stdio::null()), 0).stdout)
}

/// What the compiler by itself makes of a unit.
fn plain(place: &Place, cc: &str, unit: &str) -> std::path::PathBuf {
    let library = place.join(&format!("plain-{cc}.so"));
    let mut compile = Command::new(cc);
    run(compile.current_dir(place.path()).args(["-shared", "-fPIC", "-O2", unit, "-o"]).arg(&library), 0);
    library
}

fn compilers() -> impl Iterator<Item = &'static str> {
    ["gcc", "clang-19", "tcc"].into_iter().filter(|cc| support::has(cc))
}

fn linkers(cc: &str) -> &'static [&'static str] {
    if cc == "tcc" { &["auto"] } else { &["auto", "driver", "lld", "gold", "bfd"] }
}

#[test]
fn units_call_the_versions_that_the_plain_compiler_s_libraries_call() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", VERSIONS);
    let host = host(&place);
    let functions = ["resolves", "clocks", "wakes", "spawns", "matches", "calls"];
    for cc in compilers() {
        let expected = answers(&host, &plain(&place, cc, "u.c"), &functions);
        assert!(expected.contains("resolves=1") && expected.contains("matches=11"), "{expected}");
        for linker in linkers(cc)
            .iter()
            .filter(|&&linker| linker == "auto" || linker == "driver" || which::which(format!("ld.{linker}")).is_ok())
        {
            for words in [&[] as &[&str], &["--compact"]] {
                let library = if words.is_empty() { "out/u.so" } else { "out/units.so" };
                place.good(&[&["compile", "u.c", "--cc", cc, "--linker", linker], words].concat());
                assert_eq!(answers(&host, &place.join(library), &functions), expected, "{cc} {linker} {words:?}");
            }
        }
    }
}

#[test]
fn what_a_unit_registers_with_the_c_library_is_run_when_its_library_is_unloaded() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", HOOKS);
    place.write("v.c", "int other(void) { return 5; }");
    let host = host(&place);
    let functions = ["at_exit", "at_quick", "at_fork", "stats"];
    for cc in compilers() {
        // tcc's own libraries do not survive being unloaded then.
        let by = if cc == "tcc" { "gcc" } else { cc };
        let expected = answers(&host, &plain(&place, by, "u.c"), &functions);
        assert_eq!(expected, "at_exit=0\nat_quick=0\nat_fork=0\nstats=0\nbye\nclosed=0\n");
        for linker in linkers(cc)
            .iter()
            .filter(|&&linker| linker == "auto" || linker == "driver" || which::which(format!("ld.{linker}")).is_ok())
        {
            for words in [&[] as &[&str], &["--compact"]] {
                let library = if words.is_empty() { "out/u.so" } else { "out/units.so" };
                place.good(&[&["compile", "u.c", "v.c", "--cc", cc, "--linker", linker], words].concat());
                assert_eq!(answers(&host, &place.join(library), &functions), expected, "{cc} {linker} {words:?}");
            }
        }
        // As it was said where the C library was not linked.
        place.good(&["compile", "u.c", "--cc", cc, "--ldflag=-lc"]);
        assert_eq!(answers(&host, &place.join("out/u.so"), &functions), expected, "{cc}");
    }
}

#[test]
#[cfg(feature = "wild")]
fn an_object_that_wants_the_unwinder_goes_to_the_driver() {
    need!("gcc");
    let place = Place::new();
    let cleanup = "void done(int *); void may_throw(void);\nint u(void) { __attribute__((cleanup(done))) int x = 3; may_throw(); return x; }\n";
    place.write("u.c", format!("{cleanup}void done(int *x) {{ *x = 0; }}\nvoid may_throw(void) {{}}\n"));
    for cc in ["gcc", "clang-19"].into_iter().filter(|cc| support::has(cc)) {
        let mut command = place.tool(&["compile", "u.c", "-v", "-O0", "--cflag=-fexceptions", "--cc", cc]);
        let said = text(&run(&mut command, 0).stderr);
        assert!(said.contains("instead of wild: an object needs the compiler's unwinder"), "{cc}: {said}");
        assert_eq!(answers(&host(&place), &place.join("out/u.so"), &["u"]), "u=3\nclosed=0\n", "{cc}");
    }
}

#[test]
fn libraries_for_another_processor_are_linked_with_its_own_c_library() {
    need!("aarch64-linux-gnu-gcc");
    let place = Place::new();
    place.write("u.c", HOOKS);
    for linker in ["auto", "driver"] {
        place.good(&["compile", "u.c", "--cc", "aarch64-linux-gnu-gcc", "--linker", linker]);
        let library = std::fs::read(place.join("out/u.so")).unwrap();
        let file = object::File::parse(&*library).unwrap();
        assert_eq!(file.architecture(), Architecture::Aarch64, "{linker}");
        let open = file.dynamic_symbols().filter(ObjectSymbol::is_undefined);
        let open: Vec<String> = open.map(|symbol| symbol.name().unwrap().to_owned()).collect();
        assert!(
            open.iter().any(|name| name == "__cxa_atexit") && !open.iter().any(|name| name == "atexit"),
            "{open:?}"
        );
    }
}
