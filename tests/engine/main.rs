//! The engine as a Rust host meets it: C text in, functions out, by real compilers.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(unsafe_code, reason = "a host calls what was compiled")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mjitcc::cache::{CachePlace, Size};
use mjitcc::event::Event;
use mjitcc::platforms::{Flags, Severity};
use mjitcc::{Engine, EngineBuilder, Error, Module, UnitError};

use crate::support::need;

type Unary = extern "C" fn(i64) -> i64;

fn call(module: &Module, name: &str, n: i64) -> i64 {
    // SAFETY: every function that these tests ask for has this type.
    let function = unsafe { module.function::<Unary>(name) }.unwrap();
    function(n)
}

fn builder(cc: &str) -> EngineBuilder {
    Engine::builder().compiler(cc)
}

/// An engine that counts the processes which compile a unit.
fn counted(builder: EngineBuilder) -> (Engine, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let builder = builder.observer(move |event: &Event<'_>| {
        if let Event::Running { step } = event
            && step.args.iter().any(|word| word == "-c")
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    (builder.open().unwrap(), count)
}

fn cached(builder: EngineBuilder, dir: &Path) -> EngineBuilder {
    builder.cache(CachePlace { dir: dir.to_owned(), max_size: Size::default() })
}

#[test]
fn text_becomes_functions_with_each_compiler() {
    for cc in ["gcc", "clang", "tcc"] {
        need!(cc);
        let engine = builder(cc).open().unwrap();
        let module = engine.compile("static long k = 1; long succ(long n) { return n + k; }").unwrap();
        assert_eq!(call(&module, "succ", 41), 42, "{cc}");
        let error = module.address("pred").unwrap_err().to_string();
        assert!(error.contains("does not define pred"), "{error}");
    }
}

#[test]
fn equal_names_in_two_modules_are_two_functions_and_a_module_outlives_its_engine() {
    need!("gcc");
    let engine = builder("gcc").open().unwrap();
    let dir = engine.temp_dir();
    let [one, two] = [1, 2].map(|k| engine.compile(format!("long f(long n) {{ return n + {k}; }}")).unwrap());
    drop(engine);
    assert!(dir.exists());
    assert_eq!((call(&one, "f", 0), call(&two, "f", 0)), (1, 2));
    drop((one, two));
    assert!(!dir.exists());
}

#[test]
fn several_threads_use_one_engine() {
    need!("gcc");
    let engine = &builder("gcc").open().unwrap();
    std::thread::scope(|scope| {
        let modules: Vec<_> = (0..4)
            .map(|k| scope.spawn(move || engine.compile(format!("long f(long n) {{ return n * {k}; }}")).unwrap()))
            .collect();
        for (k, module) in (0..).zip(modules) {
            assert_eq!(call(&module.join().unwrap(), "f", 10), 10 * k);
        }
    });
}

#[test]
fn a_header_is_precompiled_and_stands_in_front_of_every_text() {
    for cc in ["gcc", "clang"] {
        need!(cc);
        let dir = tempfile::tempdir().unwrap();
        let header = dir.path().join("vm.h");
        fs::write(&header, "static inline long twice(long n) { return 2 * n; }\n").unwrap();
        for standby in [0, 1] {
            let engine = builder(cc).header(&header).standby(standby).open().unwrap();
            for k in 0..3 {
                let module = engine.compile(format!("long f(long n) {{ return twice(n) + {k}; }}")).unwrap();
                assert_eq!(call(&module, "f", 5), 10 + k, "{cc}");
            }
        }
        fs::write(&header, "broken(\n").unwrap();
        let error = builder(cc).header(&header).open().unwrap_err();
        assert!(matches!(error, Error::Header { .. }), "{error}");
    }
}

#[test]
fn diagnostics_are_data_and_go_by_the_name_of_the_text() {
    for cc in ["gcc", "clang"] {
        need!(cc);
        let flags = Flags { warnings: true, ..Flags::default() };
        let engine = builder(cc).flags(flags).open().unwrap();
        let failure = engine.compile_as("query 7", "long f(void)\n{ return nowhere; }\n").unwrap_err();
        let UnitError::Refused { diagnostics, .. } = &failure else { panic!("{failure}") };
        let first = &diagnostics[0];
        assert_eq!((first.file.as_str(), first.line, first.severity), ("query 7", Some(2), Severity::Error), "{cc}");
        assert!(first.text.contains("nowhere"), "{cc}: {first:?}");
        let module = engine.compile("long f(long n) { return n / 0; }").unwrap();
        let warning = &module.diagnostics()[0];
        assert_eq!((warning.file.as_str(), warning.severity), ("unit.c", Severity::Warning), "{cc}");
    }
}

#[test]
fn a_second_engine_takes_modules_and_objects_from_the_cache() {
    for cc in ["gcc", "clang"] {
        need!(cc);
        let dir = tempfile::tempdir().unwrap();
        let texts = ["long f(long n) { return n + 1; }", "long f(long n) { return n + 2; }"];
        let run = || {
            let (engine, compiled) = counted(cached(builder(cc), dir.path()));
            let answers = texts.map(|text| call(&engine.compile(text).unwrap(), "f", 0));
            let object = engine.object("unit.c", texts[0]).unwrap();
            assert_eq!(object.symbols, ["f"]);
            assert_eq!(answers, [1, 2]);
            (object.bytes, compiled.load(Ordering::Relaxed))
        };
        let (first, compiled) = run();
        assert_eq!(compiled, 2, "{cc}");
        assert_eq!(run(), (first, 0), "{cc}");
    }
}

#[test]
#[cfg(unix)]
fn an_object_serves_another_linker() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let flags = Flags { optimize: mjitcc::platforms::OptLevel::O1, ..Flags::default() };
    let engine = builder("gcc").flags(flags).open().unwrap();
    let object = engine.object("f.c", "long f(long n) { return n - 1; }").unwrap();
    let (file, library) = (dir.path().join("f.o"), dir.path().join("f.so"));
    fs::write(&file, &object.bytes).unwrap();
    let mut gcc = std::process::Command::new("gcc");
    support::run(gcc.arg("-shared").arg("-o").arg(&library).arg(&file), 0);
    let library = mjitcc::library::Library::open(&library).unwrap();
    // SAFETY: the text says so.
    let f: Unary = unsafe { std::mem::transmute(library.address("f").unwrap().as_ptr()) };
    assert_eq!(f(3), 2);
}

#[test]
fn an_observer_hears_of_each_process() {
    need!("gcc");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let observer = move |event: &Event<'_>| {
        if let Event::Running { step } = event {
            heard.lock().unwrap().push(step.to_string());
        }
    };
    let engine = builder("gcc").observer(observer).open().unwrap();
    engine.compile("long f(void) { return 0; }").unwrap();
    assert!(lines.lock().unwrap().iter().any(|line| line.contains(" -c ")), "{lines:?}");
}

#[test]
#[cfg(unix)]
fn the_child_of_a_fork_is_told_to_open_an_engine_of_its_own() {
    need!("gcc");
    let engine = builder("gcc").open().unwrap();
    // SAFETY: the child calls what needs no other thread, and ends at once.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let refused = matches!(engine.compile("long f(void) { return 0; }"), Err(UnitError::Other(why)) if matches!(*why, Error::OtherProcess));
        drop(engine);
        // SAFETY: ends this process and nothing else.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) }
    }
    let mut status = 0;
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
    assert_eq!(call(&engine.compile("long f(long n) { return n; }").unwrap(), "f", 7), 7);
}
