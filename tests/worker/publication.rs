//! From submitting to calling, and every way not to get there.

use std::path::Path;

use mjitcc::UnitError;
use mjitcc::discover::Environment;
use mjitcc::worker::{AssumptionId, CodeError, Generated, OwnerId, Request, SlotState};

use crate::host::{Bench, PLAIN, call, failure, fill, host_of, quiet, settled, unit_files};
use crate::support::{fixture, need};

#[test]
fn submitted_units_become_callable_and_nothing_is_left() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, quiet());
    let slots: Vec<_> = (1..=5).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    bench.worker().pause(true);
    assert_eq!(bench.lines("JIT success").len(), 5);
    assert!(bench.lines("JIT success")[0].contains("ms): m1@test.rb:7 -> "), "{:?}", bench.lines("JIT success"));
    assert_eq!(bench.finish(), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(bench.lines("Successful MJIT finish").len(), 1);
}

#[test]
fn the_hottest_is_compiled_first() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    bench.worker().pause(false);
    let slots: Vec<_> = [(1, 5), (2, 50), (3, 5), (4, 50)].map(|(owner, heat)| bench.submit(owner, heat)).into();
    bench.worker().resume();
    slots.iter().for_each(|slot| assert!(matches!(settled(slot), SlotState::Callable(_))));
    bench.worker().pause(true);
    let order: Vec<String> = bench.lines("start compilation: ");
    let order: Vec<&str> = order.iter().map(|line| &line["start compilation: ".len()..][..2]).collect();
    assert_eq!(order, ["m2", "m4", "m1", "m3"]);
}

#[test]
fn units_stand_behind_a_pch_that_is_built_first() {
    need!("gcc");
    let header = fixture("vm.h");
    let text = "long {entry}(void) { return (long)sizeof(vm_frame_t) * 0 + {owner}; }";
    let bench = Bench::of_text(text, quiet().header(header));
    assert_eq!(call(&bench.submit(6, 0)), 6);
    let log = bench.log.lock().unwrap();
    assert!(log[0].starts_with("MJIT: tmp_dir is "), "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("MJIT: CC defaults to ")), "{log:?}");
    let at = |beginning: &str| log.iter().position(|line| line.starts_with(beginning));
    assert!(at("Creating precompiled header") < at("start compilation: "), "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("Starting process:") && line.contains("-include")), "{log:?}");
}

#[test]
fn a_header_that_does_not_compile_disables_compiling_and_says_why() {
    need!("gcc");
    let header = fixture("bad/syntax_error.c");
    let mut bench = Bench::of_text(PLAIN, quiet().header(header));
    let slot = bench.submit(1, 0);
    assert_eq!(settled(&slot), SlotState::Failed);
    assert!(failure(&slot).contains("does not compile"), "{}", failure(&slot));
    assert!(!bench.worker().is_enabled());
    assert_eq!(bench.lines("MJIT warning: compiling is disabled").len(), 1);
    assert_eq!(settled(&bench.submit(2, 0)), SlotState::Failed);
    assert!(bench.finish().is_empty());
}

#[test]
fn diagnostics_name_no_temporary_file_unless_the_file_is_kept() {
    need!("gcc");
    for kept in [false, true] {
        let files = tempfile::tempdir().unwrap();
        let environment = Environment { temp_dirs: vec![files.path().to_owned()], ..Environment::read() };
        let builder = quiet().environment(environment).save_temps(kept);
        let bench = Bench::of_text("long {entry}(void) { return }", builder);
        let slot = bench.submit(1, 0);
        assert_eq!(settled(&slot), SlotState::Failed);
        let Some(CodeError::NotBuilt(failed)) = slot.failure() else { panic!("{:?}", slot.failure()) };
        let UnitError::Refused { diagnostics, .. } = &*failed else { panic!("{failed:?}") };
        let (file, name) = (Path::new(&diagnostics[0].file), format!("_mjit_p{}u0.c", std::process::id()));
        assert_eq!((file.file_name().unwrap(), file.is_absolute()), (name.as_ref(), kept), "{}", file.display());
    }
}

#[test]
fn one_bad_unit_costs_only_itself() {
    need!("gcc");
    let generate = |request: &Request<'_>| match request.owner.0 {
        1 => Ok(fill("long {entry}(void) { return }", request).into()),
        2 => Err("no code for this one".to_owned()),
        3 => panic!("the host is broken"),
        4 => Ok(fill("extern long nowhere(void); long {entry}(void) { return nowhere(); }", request).into()),
        5 => Ok("long another_name(void) { return 0; }".to_owned().into()),
        _ => Ok(fill(PLAIN, request).into()),
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let slots: Vec<_> = (1..=6).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!(call(&slots[5]), 6);
    slots.iter().for_each(|slot| assert_ne!(settled(slot), SlotState::NotReady));
    let why: Vec<String> = slots[..5].iter().map(failure).collect();
    // Windows' linkers leave no symbol open, others leave it to the loader.
    let open = if cfg!(windows) { "linker failed" } else { "nowhere" };
    for (why, words) in why.iter().zip(["compiler failed", "no code for this one", "panicked", open, "does not define"])
    {
        assert!(why.contains(words), "{why:?} says nothing of {words:?}");
    }
    bench.worker().pause(true);
    assert_eq!(bench.lines("JIT failure").len(), 5);
    // Compilers write lists of dependencies also where they fail.
    let scratch = std::fs::read_dir(bench.dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut left = unit_files(&scratch);
    // Windows keeps what is loaded, and what was until a moment ago is removed with the next.
    left.retain(|name| !(cfg!(windows) && name.ends_with(".dll")));
    assert_eq!(left, [""; 0]);
}

#[test]
fn waiting_hosts_find_the_unit_through() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet().wait(true));
    assert!(matches!(bench.submit(1, 0).state(), SlotState::Callable(_)));
    // A paused worker is not waited for, or it would be for ever (Ruby 4724bf85).
    bench.worker().pause(false);
    assert_eq!(bench.submit(2, 0).state(), SlotState::NotReady);
}

#[test]
fn code_goes_with_the_facts_that_it_relies_on() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        let assumptions = vec![AssumptionId(request.owner.0 % 2)];
        Ok(Generated { text: fill(PLAIN, request), assumptions, inlined: Vec::new() })
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let slots: Vec<_> = (1..=4).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(bench.worker().invalidate(AssumptionId(1)), [OwnerId(1), OwnerId(3)]);
    assert_eq!([&slots[0], &slots[2]].map(|slot| slot.state()), [SlotState::Failed; 2]);
    assert!(matches!(slots[0].failure(), Some(CodeError::NoLongerTrue(AssumptionId(1)))));
    assert_eq!(bench.lines("JIT cancel: "), ["JIT cancel: m1@test.rb:7", "JIT cancel: m3@test.rb:7"]);
    assert_eq!([call(&slots[1]), call(&slots[3])], [2, 4]);
    // Speculation may be given up and the owner submitted again.
    assert_eq!(call(&bench.submit(1, 0)), 1);
}

/// What the C library has in several versions, or in its static part alone. The oldest `realpath` makes no room for its result.
#[cfg(target_os = "linux")]
const OF_THE_C_LIBRARY: &str = "#include <stdlib.h>\n#include <string.h>\nstatic void bye(void) {}\n\
    long {entry}(void) { char *path = realpath(\"/\", 0); char copy[2]; if (!path) return -1; memcpy(copy, path, 2); free(path); \
    return atexit(bye) ? -2 : copy[0] == '/' ? {owner} : -3; }";

#[test]
#[cfg(target_os = "linux")]
fn units_call_the_c_library_s_current_versions_and_what_they_register_is_undone() {
    use mjitcc::platforms::{Flags, Linker, OptLevel};
    use mjitcc::worker::{Compaction, Tiers, Unity};
    for cc in ["gcc", "clang-19"].into_iter().filter(|cc| crate::support::has(cc)) {
        for linker in [Linker::Auto, Linker::Driver] {
            let flags = Flags { linker, optimize: OptLevel::O1, ..Flags::default() };
            let builder = quiet().flags(flags).unity(Unity::Off).compaction(Compaction::Never).tiers(Tiers::Off);
            let mut bench = Bench::on(cc, builder, host_of(OF_THE_C_LIBRARY));
            let slots: Vec<_> = (1..=3).map(|owner| bench.submit(owner, 0)).collect();
            assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3], "{cc} {linker:?}");
            // Unloads them, with what they registered: else the end of the test process would call what is gone.
            drop(slots);
            bench.finish();
        }
    }
}
