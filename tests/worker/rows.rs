//! What Ruby's MJIT worker got wrong and repaired later, and what its tests assert: for each row the tests that hold this worker to it.
//! Rows are named by the commits that repaired them in Ruby's history, or by the line that Ruby's tests look for. Rows without a
//! test say why. `tests/repository.rs` checks that every test named here exists; those that had no other location are below.
//!
//! Wrong values, leaks, flags:
//!
//! | Row | Tests |
//! |---|---|
//! | ce7b1132 7c0639f3 814eaa25 d8cc41c4: names are copies | `messages_name_an_owner_that_died_by_a_copy` |
//! | 9e171b1f 00a97d94: units that could not be allocated, argument lists | none: an allocation that fails ends a Rust process, and argument lists are vectors |
//! | dd4f128a: no null device | `the_output_of_units_never_mixes_and_much_of_it_blocks_nobody`: output goes to a file |
//! | abb672e1: labels may be missing | `a_unit_without_a_label_is_compiled` |
//! | 88a37dc6 8c7f4e8f b0a291f6: what goes to the link, what to both | `linker_flags_go_to_the_link_alone` `a_pch_and_its_units_hear_the_same_words` |
//! | 9f8a5072 9aa5fe1b a8d39a05 da883af4 e6f4a39a: words of each compiler, separate steps | `plans_are_as_the_golden_files_say` `eight_units_at_once_do_not_disturb_each_other_in_cl` `debug_information_of_cl_stays_with_its_dll` |
//! | 41719096 00f411c5: libraries of Android's and macOS's link | `flags_reach_every_step_and_linker_flags_the_link_alone`: the host names its own |
//! | 27fae1d4 6f5ee1f0: not through ccache | `ccache_before_the_compiler_is_left_out` `names_that_are_links_to_ccache_are_passed_over` |
//! | 4aca078b a19d625e 91af5542 8bddf1bc: the user's flags, debugging | `flags_reach_every_step_and_linker_flags_the_link_alone` `the_optimisation_is_3_or_with_debug_information_0_unless_told` |
//! | 6e405b26: symbols for a debugger | `entry_symbols_can_be_read_in_a_debugger` `entries_are_c_names` |
//! | cfd8c7e6 237cb94c 7e147621 83705c42 0cd7be99: allocators, pointers across reallocation | none: there is one allocator, and references are checked when this is compiled |
//!
//! Races, crashes, hangs:
//!
//! | Row | Tests |
//! |---|---|
//! | 183b4215: units of dead owners | `a_dead_owner_leaves_queue_flight_and_marking` `an_owner_that_dies_while_its_unit_is_compiled_is_not_published_to` |
//! | 6fa34923: list and publication in one section, after looking again | `an_owner_that_died_is_never_published_to` `nothing_is_generated_or_published_while_the_host_collects` |
//! | 5d8f1125 26fae9aa: pausing and stopping abandon nothing | `a_draining_pause_finishes_all_and_a_quick_one_starts_nothing` `two_units_are_compacted_once_when_the_queue_is_empty` `a_pause_cancels_a_job_and_the_unit_waits_again` `a_finished_worker_waits_for_no_job` |
//! | a8dcab72 dbdeb92b: waiting with a full cache | `a_host_that_waits_gets_its_unit_though_the_cache_is_full` `the_cache_grows_for_whoever_waits` |
//! | 4724bf85: waiting while paused | `waiting_hosts_find_the_unit_through` |
//! | 095972e7: what cannot be compiled says so | `one_bad_unit_costs_only_itself` |
//! | adcf0316 e0156bd3: all stacks | `code_on_a_stack_stays_and_room_is_looked_for_again_only_after_a_change` `the_coldest_makes_room_for_what_is_hotter_and_not_while_anybody_is_inside`: which stacks there are the host knows |
//! | 797d7efd abf678a4 40bad72f: collections nest | `nothing_is_generated_or_published_while_the_host_collects` `leaving_a_collection_that_nobody_entered_panics` |
//! | 541e4340: owners die only while nothing is generated | `owners_never_move_while_text_is_generated_from_them` |
//! | a8f16df6 3e239913: no dequeueing, no unloading meanwhile | `nothing_is_taken_up_or_unloaded_while_the_host_collects` |
//! | 16c76599: lists that change while they are walked | `a_dead_owner_leaves_queue_flight_and_marking` `cancelling_all_takes_back_what_waits_what_is_made_and_what_is_loaded` |
//! | 556a7285 5463eff5 5d8f227d 86c26254: recompiling edits no list under another's hands | `a_superseded_unit_can_never_write_the_slot_again` `a_unit_that_is_superseded_under_the_compiler_is_never_published` `recompiling_empties_the_slot_at_once_and_fills_it_with_the_new_code` |
//! | dfe21ef7: what waits to be closed keeps nobody waiting | `retired_code_that_cannot_go_keeps_no_unit_waiting` |
//! | d07183ec: recompiling what has no unit | `recompiling_what_has_no_unit_says_so` |
//! | a574df14 1fdc97f1 f26f905b 1aac0e88: what is marked | `an_owner_is_kept_alive_while_its_job_waits` `what_is_inlined_is_told_and_kept_alive` `an_owner_that_moved_while_its_unit_was_made_is_published_under_its_new_name` `candidates_are_asked_about_under_their_owners_present_names` |
//! | ac2df891: tables that the worker sees | `a_fact_that_turns_untrue_while_text_is_generated_is_not_missed` |
//! | 0960f56a: snapshots rather than jobs | none: a host's choice; `generate` needs no job |
//! | c5e8a49b: one section for looking and queueing, a library that does not load | `disabling_tells_everyone_why` `one_bad_unit_costs_only_itself` |
//! | b3f8c491 365da4c6 ac4d53bd: cancelling is told of what was loaded | `code_goes_with_the_facts_that_it_relies_on` `cancelling_waits_for_no_compiler_and_is_told_of_what_was_loaded` |
//! | b64f81c8 ee362302: cancelling does not pause | `cancelling_waits_for_no_compiler_and_is_told_of_what_was_loaded` |
//! | all of them at once | `nothing_is_left_after_everything_at_once` |
//!
//! Policy:
//!
//! | Row | Tests |
//! |---|---|
//! | e8a78d7d: no process under the lock | `collecting_never_waits_for_a_compiler` `a_fork_waits_for_no_compiler_and_the_child_makes_the_unit_itself` |
//! | 16dab6b6 d80226e7: what is unloaded | `only_code_that_is_colder_than_what_waits_is_unloaded_coldest_first` `the_coldest_makes_room_for_what_is_hotter_and_not_while_anybody_is_inside` `what_is_being_made_counts_when_room_is_made` |
//! | 122cd359 096f5442 cc6afff0 028f1887: how often code is compacted | `compaction_is_throttled` `compaction_waits_for_an_empty_queue_or_a_full_cache` |
//! | 12866b0d: dead owners at a compaction | `compaction_repoints_what_is_still_there_and_the_old_code_goes_after_its_callers` |
//! | 818d6d33 f5ddbba9 5c8bfad0: one C file, names with numbers | `merged_fixtures_answer_as_they_do_alone` `compacted_code_is_published_in_the_same_slots_and_the_old_libraries_are_closed` `a_thousand_units_of_ruby_load_compact_and_unload_in_one_process` |
//! | fa1250a5: nothing in the temporary directory | `two_units_are_compacted_once_when_the_queue_is_empty` `a_thousand_units_of_ruby_load_compact_and_unload_in_one_process` |
//! | 07c05b6f: units of any size | `a_unit_may_be_as_large_as_it_likes` |
//!
//! Still wrong in 3.1.2:
//!
//! | Row | Tests |
//! |---|---|
//! | failed units are kept, and marked | `what_failed_is_forgotten_and_leaves_neither_file_nor_mapping` |
//! | a missing symbol leaks the library and is tried again; a failed link leaks the object | `what_failed_is_forgotten_and_leaves_neither_file_nor_mapping` `one_bad_unit_costs_only_itself` |
//! | a PCH that fails hangs the end, or skips tidying up | `a_header_that_does_not_compile_disables_compiling_and_says_why` |
//! | stopping spins, and one more unit is taken | `stopping_ends_a_worker_that_waits_and_one_that_is_paused` `a_paused_worker_holds_nothing_and_goes_on_when_resumed` `a_pause_that_does_not_drain_leaves_the_queue` |
//! | threads are not joined, locks die in use | `nothing_is_left_after_everything_at_once` `no_child_is_left_when_a_worker_is_finished` |
//! | a fork undoes a pause, a failed one pauses | `a_user_s_pause_outlives_a_fork_in_both` `a_fork_that_failed_changes_nothing` |
//! | a child breaks when its parent goes first | `a_child_outlives_its_parent_and_the_pch` |
//! | `daemon` leaks the PCH | `what_a_daemon_s_first_process_left_is_swept_by_the_next_worker` |
//! | a child removes what stale units of its parent need | `parent_and_child_both_go_on` `a_grandchild_works_too` |
//! | a compaction that fails leaves its library | `units_that_cannot_be_put_together_keep_their_own_libraries` `what_failed_is_forgotten_and_leaves_neither_file_nor_mapping` |
//! | reloading publishes what is stale | `compaction_repoints_what_is_still_there_and_the_old_code_goes_after_its_callers` |
//! | compactions and failures leave captured caches and pins | `what_failed_is_forgotten_and_leaves_neither_file_nor_mapping`: there are no caches |
//! | recompiling wakes nobody | `recompiling_wakes_an_idle_worker` |
//! | an allocation that fails returns locked; continuations mix allocators | none: as above |
//! | stale units close only at the end | `compacted_code_is_published_in_the_same_slots_and_the_old_libraries_are_closed` `retired_code_is_closed_once_nobody_is_inside` |
//! | names can be predicted | `it_is_private_and_goes_with_its_owner` |
//! | a length is read before it is locked | none: the lists are inside the mutex |
//!
//! What Ruby's tests assert:
//!
//! | Row | Tests |
//! |---|---|
//! | `JIT success (…ms): block in <main>@-e:1 -> …_ruby_mjit_p…u….c`, `Successful MJIT finish`, `JIT compaction (…ms): Compacted … methods ->`, `JIT recompile`, `JIT inline`, `JIT cancel` | `the_lines_that_ruby_s_tests_look_for` `recompiling_empties_the_slot_at_once_and_fills_it_with_the_new_code` `what_is_inlined_is_told_and_kept_alive` `code_goes_with_the_facts_that_it_relies_on` |
//! | `Too many JIT code -- 1 units unloaded` | `the_coldest_makes_room_for_what_is_hotter_and_not_while_anybody_is_inside` |
//! | `No units can be unloaded -- incremented max-cache-size to 11 for --jit-wait`, one compaction | `a_host_that_waits_gets_its_unit_though_the_cache_is_full` |
//! | lines of levels 0, 1 and 2, warnings | `each_verbosity_prints_its_lines` `what_failed_is_told_with_the_compiler_s_words` |
//! | empty after exit, not empty where files are to be kept | `submitted_units_become_callable_and_nothing_is_left` `files_stay_where_they_are_to_be_kept` |
//! | empty after exec | `exec_leaves_nothing_and_a_failed_one_leaves_the_code` |
//! | fork: three successes, two finish lines, empty | `parent_and_child_both_go_on` |
//! | pause gives true, false, false; with resume false, true, true, false, true | `pause_and_resume_say_whether_they_did_anything` |
//! | five waiting succeed, none while paused | `a_draining_pause_finishes_all_and_a_quick_one_starts_nothing` |
//! | two methods, one compaction | `two_units_are_compacted_once_when_the_queue_is_empty` |
//! | a full cache does not hang a pause | `a_full_cache_does_not_hang_a_draining_pause` |
//! | without waiting, fewer than ten | `a_pause_that_does_not_drain_leaves_the_queue` |
//! | paused and waited for: nothing is compiled, nothing hangs | `waiting_hosts_find_the_unit_through` |
//! | code of nested frames and suspended fibers stays | `code_on_a_stack_stays_and_room_is_looked_for_again_only_after_a_change` `a_guard_keeps_code_that_compaction_has_replaced` |
//! | a class event cancels nothing, a line event all | `code_goes_with_the_facts_that_it_relies_on` `cancelling_all_takes_back_everything_and_the_worker_goes_on`: which event is which the host knows |
//! | three attempts where gcc cannot start cc1 | none: nothing is tried again |

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use mjitcc::worker::{CodeError, OwnerId, Request, SlotState, SourceLocation, Switches};

use crate::host::{Bench, Counter, PLAIN, call, failure, fill, held_back, quiet, settled, unit_files};
use crate::support::{need, run, text};

#[test]
#[cfg_attr(windows, ignore = "Windows has no FIFO in a directory")]
fn messages_name_an_owner_that_died_by_a_copy() {
    need!("gcc");
    let (bench, fifo) = held_back();
    let slot = {
        // Gone when the message is made.
        let label = String::from("block in <main>");
        let location = SourceLocation { label: label.clone(), path: "-e".into(), line: 1 };
        bench.worker().submit(OwnerId(1), location, std::sync::Arc::default())
    };
    bench.wait_for_line("Starting process");
    bench.worker().enter_gc();
    bench.worker().owner_died(OwnerId(1));
    bench.worker().leave_gc();
    fs::write(fifo.path().join("fifo"), "/* go on */\n").unwrap();
    assert_eq!(settled(&slot), SlotState::Failed);
    bench.worker().pause(true);
    let told = bench.lines("JIT failure");
    assert!(told.len() == 1 && told[0].contains("ms): block in <main>@-e:1 -> "), "{told:?}");
}

#[test]
fn a_unit_without_a_label_is_compiled() {
    need!("gcc");
    let flags = mjitcc::platforms::Flags { debug: true, ..Default::default() };
    let bench = Bench::of_text(PLAIN, quiet().flags(flags));
    let slot = bench.worker().submit(OwnerId(8), SourceLocation::default(), std::sync::Arc::default());
    assert_eq!(call(&slot), 8);
    bench.wait_for_line("JIT success");
    assert!(bench.lines("JIT success")[0].contains("ms): @:0 -> "), "{:?}", bench.lines("JIT success"));
}

#[test]
#[should_panic(expected = "leave_gc without enter_gc")]
fn leaving_a_collection_that_nobody_entered_panics() {
    let bench = Bench::of_text(PLAIN, quiet());
    bench.worker().enter_gc();
    bench.worker().leave_gc();
    bench.worker().leave_gc();
}

#[test]
fn nothing_is_taken_up_or_unloaded_while_the_host_collects() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet().max_cache_size(1));
    let cold = bench.submit(1, 10);
    assert_eq!(call(&cold), 1);
    bench.worker().enter_gc();
    let hot = bench.submit(2, 20);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(call(&cold), 1);
    assert_eq!(bench.lines("start compilation").len(), 1);
    bench.worker().leave_gc();
    assert_eq!(call(&hot), 2);
    assert_eq!(cold.state(), SlotState::Unloaded);
}

#[test]
fn retired_code_that_cannot_go_keeps_no_unit_waiting() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet().max_cache_size(1));
    let first = bench.submit(1, 0);
    call(&first);
    let inside = first.enter().unwrap();
    assert!(bench.worker().recompile(&first, Switches(1)));
    assert_eq!(call(&first), 1);
    let hotter = bench.submit(2, 50);
    assert_eq!(call(&hotter), 2);
    assert!(bench.lines("Unloading unit 0").is_empty(), "somebody is inside");
    drop(inside);
}

#[test]
fn recompiling_what_has_no_unit_says_so() {
    need!("gcc");
    let generate = |request: &Request<'_>| match request.owner.0 {
        1 => Err("no code for this one".to_owned()),
        _ => Ok(fill(PLAIN, request).into()),
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let (failed, cancelled) = (bench.submit(1, 0), bench.submit(2, 0));
    settled(&failed);
    call(&cancelled);
    bench.worker().cancel_all();
    for slot in [&failed, &cancelled] {
        assert!(!bench.worker().recompile(slot, Switches(1)));
        assert_eq!(slot.state(), SlotState::Failed);
    }
    assert!(bench.lines("JIT recompile").is_empty());
}

#[test]
fn an_owner_is_kept_alive_while_its_job_waits() {
    need!("gcc");
    let wanted = Counter::default();
    let told = wanted.clone();
    let generate = move |request: &Request<'_>| {
        told.increment();
        request.on_vm_thread(|| ()).map_err(|error| error.to_string())?;
        Ok(fill(PLAIN, request).into())
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let slot = bench.submit(1, 0);
    // Told that a unit is begun, one knows only that its text soon will be: its owner could still move before that.
    wanted.wait_for(1);
    bench.worker().enter_gc();
    assert_eq!(bench.worker().living_owners(), [OwnerId(1)]);
    bench.worker().owner_moved(OwnerId(1), OwnerId(11));
    assert_eq!(bench.worker().living_owners(), [OwnerId(11)]);
    bench.worker().leave_gc();
    while slot.state() == SlotState::NotReady {
        bench.worker().run_vm_jobs();
    }
    // Its text was begun under the old name; what is loaded goes by the new one.
    assert_eq!(call(&slot), 1);
    assert_eq!(bench.worker().living_owners(), [OwnerId(11)]);
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no FIFO in a directory")]
fn cancelling_waits_for_no_compiler_and_is_told_of_what_was_loaded() {
    need!("gcc");
    let (bench, fifo) = held_back();
    let (compiled, waiting) = (bench.submit(1, 0), bench.submit(2, 0));
    bench.wait_for_line("Starting process");
    // The compiler waits for the other end of the pipe, for as long as it takes.
    assert!(bench.worker().cancel_all().is_empty());
    assert!(matches!(waiting.failure(), Some(CodeError::Cancelled)), "{}", failure(&waiting));
    assert_eq!(compiled.state(), SlotState::NotReady);
    fs::write(fifo.path().join("fifo"), "/* go on */\n").unwrap();
    assert_eq!(settled(&compiled), SlotState::Failed);
    assert!(bench.lines("JIT cancel").is_empty(), "there was no code yet");
}

#[test]
fn a_unit_may_be_as_large_as_it_likes() {
    need!("gcc");
    let flags = mjitcc::platforms::Flags { optimize: mjitcc::platforms::OptLevel::O0, ..Default::default() };
    let generate = |request: &Request<'_>| {
        let lines = "    x = x * 31 + 7;\n".repeat(2_000);
        Ok(format!("long long {}(void) {{ volatile long long x = 1;\n{lines} return x; }}", request.entry).into())
    };
    let bench = Bench::new(quiet().flags(flags), Box::new(generate));
    let expected = (0..2_000).fold(1_i64, |x, _| x.wrapping_mul(31).wrapping_add(7));
    assert_eq!(call(&bench.submit(1, 0)), expected);
}

/// Every way to fail, and one that works.
fn failing(request: &Request<'_>) -> Result<mjitcc::worker::Generated, String> {
    match request.owner.0 {
        1 => Ok(fill("long {entry}(void) { return }", request).into()),
        2 => Err("no code for this one".to_owned()),
        3 => Ok(fill("extern long nowhere(void); long {entry}(void) { return nowhere(); }", request).into()),
        4 => Ok("long another_name(void) { return 0; }".to_owned().into()),
        // The linker refuses it.
        5 => Ok(fill("asm(\".hidden gone\"); extern long gone(void); long {entry}(void) { return gone(); }", request)
            .into()),
        _ => Ok(fill(PLAIN, request).into()),
    }
}

#[test]
fn what_failed_is_forgotten_and_leaves_neither_file_nor_mapping() {
    need!("gcc");
    let mut bench = Bench::new(quiet().prefix("_mjit_forgotten_"), Box::new(failing));
    let slots: Vec<_> = (1..=6).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!(call(&slots[5]), 6);
    bench.worker().pause(true);
    for slot in &slots[..5] {
        assert_eq!(settled(slot), SlotState::Failed);
    }
    // COFF knows nothing hidden: there the assembler is the one to refuse.
    let who = if cfg!(windows) { "compiler" } else { "linker" };
    assert!(failure(&slots[4]).contains(who), "{}", failure(&slots[4]));
    assert_eq!(bench.worker().living_owners(), [OwnerId(6)]);
    let scratch = fs::read_dir(bench.dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut files = unit_files(&scratch);
    // Windows keeps what is loaded.
    files.retain(|name| !(cfg!(windows) && name.ends_with("u5.dll")));
    assert_eq!(files, [""; 0]);
    if cfg!(target_os = "linux") {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let mapped: std::collections::BTreeSet<&str> = paths.filter(|path| path.contains("_mjit_forgotten_")).collect();
        assert_eq!(mapped.len(), 1, "{mapped:?}");
    }
    assert!(bench.finish().is_empty());
}

#[test]
fn files_stay_where_they_are_to_be_kept() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, quiet().save_temps(true).prefix("_ruby_mjit_"));
    assert_eq!(call(&bench.submit(1, 0)), 1);
    let kept = bench.finish();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let names: Vec<String> =
        fs::read_dir(&kept[0]).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let stem = format!("_ruby_mjit_p{}u0", std::process::id());
    for suffix in [".c", std::env::consts::DLL_SUFFIX] {
        assert!(names.contains(&format!("{stem}{suffix}")), "{names:?}");
    }
}

/// What a worker without an observer prints in a process of its own.
fn printed(verbose: u8, warnings: bool) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rows::prints", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("ROWS_VERBOSE", verbose.to_string()).env("ROWS_WARNINGS", warnings.to_string());
    text(&run(&mut command, 0).stderr).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "a process of its own"]
fn prints() {
    let setting = |name| std::env::var(name).unwrap_or_default();
    let verbose = setting("ROWS_VERBOSE").parse().unwrap();
    let warnings = setting("ROWS_WARNINGS") == "true";
    let dir = tempfile::tempdir().unwrap();
    let start = |header: &str| {
        quiet()
            .verbose(verbose)
            .warnings(warnings)
            .header(crate::support::fixture(header))
            .wait(true)
            .compiler_spec(mjitcc::discover::CompilerSpec { cc: Some("gcc".into()), ..Default::default() })
            .environment(mjitcc::discover::Environment {
                temp_dirs: vec![dir.path().to_owned()],
                ..mjitcc::discover::Environment::read()
            })
            .start(crate::host::host_of(
                "long {entry}(void) { return {owner}; }\n#if {owner} == 2\n#error of mine\n#endif\n",
            ))
    };
    let location = |label: &str| SourceLocation { label: label.into(), path: "-e".into(), line: 1 };
    let worker = start("vm.h");
    call(&worker.submit(OwnerId(1), location("block in <main>"), std::sync::Arc::default()));
    worker.submit(OwnerId(2), location("bad"), std::sync::Arc::default());
    worker.finish();
    let broken = start("bad/syntax_error.c");
    broken.submit(OwnerId(3), location("never"), std::sync::Arc::default());
    broken.finish();
}

#[test]
fn each_verbosity_prints_its_lines() {
    need!("gcc");
    let has = |lines: &[String], beginning: &str| lines.iter().any(|line| line.starts_with(beginning));
    let level_1 = ["JIT success (", "JIT failure (", "MJIT warning: ", "Successful MJIT finish"];
    let level_2 = [
        "MJIT: CC defaults to ",
        "MJIT: tmp_dir is ",
        "Creating precompiled header",
        "Starting process: ",
        "start compilation: block in <main>@-e:1 -> ",
        "Failed to generate so: ",
        "Stopping worker thread",
    ];
    for (verbose, warnings) in [(0, false), (0, true), (1, false), (2, false)] {
        let lines = printed(verbose, warnings);
        for beginning in level_1 {
            let wanted = verbose >= 1 || (warnings && beginning.starts_with("MJIT warning"));
            assert_eq!(has(&lines, beginning), wanted, "{verbose} {warnings} {beginning}: {lines:#?}");
        }
        for beginning in level_2 {
            assert_eq!(has(&lines, beginning), verbose >= 2, "{verbose} {beginning}: {lines:#?}");
        }
    }
}

#[test]
fn what_failed_is_told_with_the_compiler_s_words() {
    need!("gcc");
    let lines = printed(1, false);
    let at = lines.iter().position(|line| line.starts_with("JIT failure (")).unwrap();
    assert!(lines[at].contains("ms): bad@-e:1 -> "), "{lines:#?}");
    assert!(lines[at..].iter().any(|line| line.contains("error: #error of mine")), "{lines:#?}");
}

// What is loaded while nobody looks is found by looking: a minute is plenty.
#[test]
fn a_unit_that_is_being_made_keeps_its_room_and_loses_none() {
    need!("gcc");
    let threads = std::num::NonZero::new(3).unwrap();
    let bench = Bench::of_text(PLAIN, quiet().threads(threads).max_cache_size(4));
    // Each hotter than all before: no collection ever wakes the worker, and each must get its room.
    let slots: Vec<_> = (0..40).map(|owner| bench.submit(owner, owner * 10)).collect();
    let until = Instant::now() + Duration::from_secs(60);
    while slots[39].state() == SlotState::NotReady || slots[36].state() == SlotState::NotReady {
        assert!(Instant::now() < until, "{:?}", bench.log.lock().unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(call(&slots[39]), 39);
}
