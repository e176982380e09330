//! The worker in a process that forks, executes another program, or reaps children that are not its own. Each scenario runs in a process
//! of its own: this test binary again, with one test and no threads beside it.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjitcc::discover::Environment;
use mjitcc::exec::{Exit, Reaper};
use mjitcc::worker::{Builder, OwnerId, SlotState, SourceLocation, Worker};

use crate::host::{Bench, PLAIN, call, held_back, quiet, settled};
use crate::support::{fixture, has, need, run, text};

/// How long the fake compiler takes.
const SLOWNESS: Duration = Duration::from_secs(8);

/// Runs one of the scenarios below.
fn scenario(name: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("forks::{name}"), "--ignored", "--nocapture", "--test-threads=1"]);
    // For the one that runs the fake compiler.
    command.env("FAKE_CC_REAL", "gcc").env("FAKE_CC_DO", "slow").env("FAKE_CC_WHEN", "_mjit0");
    command.env("FAKE_CC_SLEEP_MS", SLOWNESS.as_millis().to_string());
    let output = run(&mut command, 0);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("1 passed"), "{said}");
    said
}

/// Forks, with the worker held still. In the child runs `child` and ends; in the parent gives the child's pid.
fn fork(bench: &Bench, child: impl FnOnce()) -> libc::pid_t {
    let fork = bench.worker().before_fork();
    // SAFETY: the worker is held still, and this process has no other threads that hold locks.
    match unsafe { libc::fork() } {
        0 => {
            fork.in_child();
            let ok = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
            // SAFETY: ends this process and nothing else: what the parent has on its stack is the parent's.
            unsafe { libc::_exit(i32::from(!ok)) }
        }
        pid => {
            assert!(pid > 0);
            fork.in_parent();
            pid
        }
    }
}

/// How often the forks at any moment are made: a few times, or as often as `MJIT_CC_FORKS` says.
fn rounds() -> u64 {
    std::env::var("MJIT_CC_FORKS").ok().and_then(|number| number.parse().ok()).unwrap_or(10)
}

/// Forks without a word to the worker. In the child runs `child` and ends; in the parent gives the child's pid.
fn plain_fork(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: this process has no other threads that hold locks but those of the worker, which is held still or not touched.
    match unsafe { libc::fork() } {
        0 => {
            let ok = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
            // SAFETY: ends this process and nothing else: what the parent has on its stack is the parent's.
            unsafe { libc::_exit(i32::from(!ok)) }
        }
        pid => pid,
    }
}

/// A child's exit status.
#[track_caller]
fn reap(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
}

fn with_header() -> Builder {
    quiet().header(fixture("vm.h"))
}

fn directories(bench: &Bench) -> usize {
    std::fs::read_dir(bench.dir.path()).unwrap().count()
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $test:ident => $name:ident $body:block)+) => {$(
        $(#[$doc])*
        #[test]
        fn $test() {
            need!("gcc");
            scenario(stringify!($name));
        }

        #[test]
        #[ignore = "a process of its own"]
        fn $name() $body
    )+};
}

scenarios! {
    // Ruby's test_fork: one method before, one in each process; nothing left.
    parent_and_child_both_go_on => both_go_on {
        for cc in ["gcc", "clang"] {
            if !has(cc) {
                continue;
            }
            let host = crate::host::host_of(PLAIN);
            let mut bench = Bench::on(cc, with_header(), host);
            let before = bench.submit(1, 0);
            assert_eq!(call(&before), 1);
            let child = fork(&bench, || {
                let slot = bench.submit(2, 0);
                assert_eq!((call(&before), call(&slot)), (1, 2));
                bench.wait_for_lines("JIT success", 2);
                assert_eq!(bench.lines("Creating precompiled header").len(), 1, "the child has a PCH of its parent's");
                bench.worker().prepare_exec();
                assert_eq!(directories(&bench), 1, "the child removes its own and not its parent's");
            });
            reap(child);
            assert_eq!(directories(&bench), 1);
            assert_eq!(call(&bench.submit(3, 0)), 3);
            assert!(bench.finish().is_empty());
        }
    }

    code_that_is_getting_better_gets_better_in_parent_and_child => gets_better {
        if !has("tcc") {
            return;
        }
        let (bench, gate) = crate::tiers::held(with_header().tiers(mjitcc::worker::Tiers::Quickest));
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 11);
        crate::tiers::wait_for_second_tier(&bench);
        let child = fork(&bench, || {
            assert_eq!(call(&slot), 11, "the child has what its parent had");
            gate.open();
            bench.wait_for_line("JIT improved");
            let another = bench.submit(2, 0);
            bench.worker().pause(true);
            assert_eq!((call(&slot), call(&another)), (12, 22));
            bench.worker().prepare_exec();
            assert_eq!(directories(&bench), 2, "the child removes its own and not its parent's");
        });
        reap(child);
        bench.worker().pause(true);
        assert_eq!(call(&slot), 12);
    }

    // Ruby's child broke when its parent went first, with the PCH.
    a_child_outlives_its_parent_and_the_pch => outlives {
        let mut bench = Bench::of_text(PLAIN, with_header());
        assert_eq!(call(&bench.submit(1, 0)), 1);
        let gate = bench.dir.path().with_extension("gate");
        let child = fork(&bench, || {
            while !gate.exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(call(&bench.submit(2, 0)), 2);
            bench.worker().prepare_exec();
            assert_eq!(directories(&bench), 0);
        });
        bench.worker.take().unwrap().finish();
        std::fs::write(&gate, "").unwrap();
        reap(child);
        std::fs::remove_file(gate).unwrap();
    }

    // Ruby's fork undid a user's pause.
    a_user_s_pause_outlives_a_fork_in_both => pause_outlives {
        let bench = Bench::of_text(PLAIN, quiet());
        assert!(bench.worker().pause(false));
        let waiting = bench.submit(1, 0);
        let both = || {
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(waiting.state(), SlotState::NotReady);
            assert!(!bench.worker().pause(false));
            assert!(bench.worker().resume());
            assert_eq!(call(&waiting), 1);
        };
        let child = fork(&bench, both);
        both();
        reap(child);
    }

    // Ruby's failed fork stayed paused.
    a_fork_that_failed_changes_nothing => failed {
        let mut bench = Bench::of_text(PLAIN, with_header());
        assert_eq!(call(&bench.submit(1, 0)), 1);
        drop(bench.worker().before_fork());
        assert_eq!(directories(&bench), 1);
        assert_eq!(call(&bench.submit(2, 0)), 2);
        assert!(bench.finish().is_empty());
    }

    a_fork_waits_for_no_compiler_and_the_child_makes_the_unit_itself => no_compiler {
        let fake = crate::support::fake_cc();
        let mut bench = Bench::on(fake.to_str().unwrap(), quiet(), crate::host::host_of(PLAIN));
        let slot = bench.submit(1, 0);
        bench.wait_for_line("Starting process");
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        let child = fork(&bench, || {
            assert_eq!(call(&slot), 1);
            bench.worker().prepare_exec();
        });
        assert!(began.elapsed() < SLOWNESS / 2, "{:?}", began.elapsed());
        assert_eq!(slot.state(), SlotState::NotReady);
        assert_eq!(call(&slot), 1);
        reap(child);
        assert!(bench.finish().is_empty());
    }

    // Ruby's daemon() leaked the PCH, and a fork in an extension knew no hooks.
    a_fork_that_nobody_announced_harms_nothing => unannounced {
        let mut bench = Bench::of_text(PLAIN, with_header());
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 1);
        // SAFETY: the child touches little.
        let child = match unsafe { libc::fork() } {
            0 => {
                let ok = call(&slot) == 1;
                bench.worker().prepare_exec();
                drop(bench.worker.take());
                // SAFETY: as in `fork`.
                unsafe { libc::_exit(i32::from(!ok)) }
            }
            pid => pid,
        };
        reap(child);
        assert_eq!(directories(&bench), 1, "the child removed what is its parent's");
        assert_eq!(call(&bench.submit(2, 0)), 2);
        assert!(bench.finish().is_empty());
    }

    a_fork_before_anything_is_ready => early {
        let mut bench = Bench::of_text(PLAIN, with_header());
        let child = fork(&bench, || {
            assert_eq!(call(&bench.submit(2, 0)), 2);
            bench.worker().prepare_exec();
        });
        assert_eq!(call(&bench.submit(1, 0)), 1);
        reap(child);
        assert!(bench.finish().is_empty(), "{:?}", std::fs::read_dir(bench.dir.path()).unwrap().collect::<Vec<_>>());
    }

    a_grandchild_works_too => grandchild {
        let mut bench = Bench::of_text(PLAIN, with_header());
        assert_eq!(call(&bench.submit(1, 0)), 1);
        let child = fork(&bench, || {
            let grandchild = fork(&bench, || {
                assert_eq!(call(&bench.submit(2, 0)), 2);
                bench.worker().prepare_exec();
            });
            reap(grandchild);
            assert_eq!(call(&bench.submit(3, 0)), 3);
            bench.worker().prepare_exec();
        });
        reap(child);
        assert!(bench.finish().is_empty());
    }

    // With everything at its default, merging among it, and forks at any moment.
    announced_forks_at_any_moment_go_on_in_both => any_moment {
        for threads in [2, 4] {
            for round in 0..rounds() {
                let threads = std::num::NonZero::new(threads).unwrap();
                let mut bench = Bench::of_text(PLAIN, Worker::builder().threads(threads));
                let slots: Vec<_> = (1..=20).map(|owner| bench.submit(owner, owner)).collect();
                std::thread::sleep(Duration::from_millis(17 * round % 200));
                let child = fork(&bench, || {
                    assert_eq!(call(&slots[usize::try_from(round % 20).unwrap()]), i64::try_from(round % 20).unwrap() + 1);
                    bench.worker().prepare_exec();
                });
                reap(child);
                assert_eq!(call(&slots[19]), 20);
                assert!(bench.finish().is_empty());
            }
        }
    }

    a_fork_that_nothing_announced_is_followed => followed {
        let mut bench = Bench::of_text(PLAIN, with_header());
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 1);
        for _ in 0..2 {
            let waiting = bench.submit(2, 0);
            let child = plain_fork(|| {
                assert_eq!(call(&slot), 1);
                assert_eq!(directories(&bench), 1, "nothing is made before the worker is called");
                assert!(bench.worker().is_here());
                assert_eq!((call(&bench.submit(3, 0)), call(&waiting)), (3, 2));
                bench.worker().prepare_exec();
                assert_eq!(directories(&bench), 1, "the child removes its own and not its parent's");
            });
            reap(child);
            assert_eq!(call(&bench.submit(4, 0)), 4);
        }
        assert!(bench.finish().is_empty());
    }

    a_worker_that_follows_no_forks_says_so_in_the_child => not_followed {
        let mut bench = Bench::of_text(PLAIN, with_header().follow_forks(false));
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 1);
        let child = plain_fork(|| {
            let worker = bench.worker.take().unwrap();
            assert!(!worker.is_here() && !worker.is_enabled() && !worker.pause(true) && !worker.resume());
            let refused = worker.submit(OwnerId(2), SourceLocation::default(), Arc::default());
            assert_eq!(refused.state(), SlotState::Failed);
            assert!(crate::host::failure(&refused).contains("forked from"));
            worker.enter_gc();
            worker.owner_died(OwnerId(1));
            worker.leave_gc();
            assert!(worker.living_owners().is_empty() && worker.cancel_all().is_empty());
            worker.before_fork().in_parent();
            worker.finish();
            assert_eq!(call(&slot), 1, "code stays loaded");
            assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 1, "the directory is the parent's");
        });
        reap(child);
        assert_eq!(call(&bench.submit(2, 0)), 2);
        assert!(bench.finish().is_empty());
    }

    // Ruby's daemon(): the process that made the PCH ends without a word.
    what_a_daemon_s_first_process_left_is_swept_by_the_next_worker => daemon {
        let dir = tempfile::tempdir().unwrap();
        // SAFETY: this process has no other threads yet.
        let first = unsafe { libc::fork() };
        if first == 0 {
            let mut bench = Bench::of_text(PLAIN, with_header());
            std::fs::write(dir.path().join("where"), bench.dir.path().to_str().unwrap()).unwrap();
            assert_eq!(call(&bench.submit(1, 0)), 1);
            fork(&bench, || {
                // Until the first one is gone.
                // SAFETY: a plain system call.
                while unsafe { libc::getppid() } != 1 && !dir.path().join("gone").exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(call(&bench.submit(2, 0)), 2);
                bench.worker().prepare_exec();
                std::fs::write(dir.path().join("done"), "").unwrap();
            });
            std::mem::forget(bench.worker.take());
            // SAFETY: ends this process as daemon() does.
            unsafe { libc::_exit(0) }
        }
        reap(first);
        std::fs::write(dir.path().join("gone"), "").unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !dir.path().join("done").exists() {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(1));
        }
        let location = std::path::PathBuf::from(std::fs::read_to_string(dir.path().join("where")).unwrap());
        // The daemon's lock on it dies with the daemon.
        let left = || std::fs::read_dir(&location).unwrap().count();
        assert_eq!(left(), 1, "the PCH's directory is its maker's");
        while left() > 0 {
            assert!(Instant::now() < until, "it is never swept");
            let environment = Environment { temp_dirs: vec![location.clone()], ..Environment::read() };
            let next = quiet().environment(environment).start(crate::host::host_of(PLAIN));
            assert_eq!(call(&next.submit(OwnerId(3), SourceLocation::default(), Arc::default())), 3);
            next.finish();
        }
        std::fs::remove_dir(location).unwrap();
    }

    // Ruby: the directory is empty after exec.
    exec_leaves_nothing_and_a_failed_one_leaves_the_code => exec {
        let bench = Bench::of_text(PLAIN, with_header());
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 1);
        bench.worker().prepare_exec();
        assert_eq!(directories(&bench), 0);
        let error = Command::new("/no/such/program").exec();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert_eq!(call(&slot), 1);
        assert_eq!(settled(&bench.submit(2, 0)), SlotState::Failed, "compiling is off");
        assert!(!bench.worker().is_enabled() && !bench.worker().pause(true) && !bench.worker().resume());
    }

    // Ruby Bug #14867: somebody else's waitpid(-1).
    a_stolen_exit_status_is_found_out_from_the_output => stolen {
        let stealing = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let thief = {
            let stealing = Arc::clone(&stealing);
            std::thread::spawn(move || {
                let mut stolen = 0;
                while stealing.load(std::sync::atomic::Ordering::Relaxed) {
                    // SAFETY: a plain system call.
                    let pid = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
                    stolen += usize::from(pid > 0);
                    std::thread::yield_now();
                }
                stolen
            })
        };
        let mut bench = Bench::new(with_header(), Box::new(|request| match request.owner.0 % 3 {
            0 => Ok(crate::host::fill("long {entry}(void) { return }", request).into()),
            _ => Ok(crate::host::fill(PLAIN, request).into()),
        }));
        let slots: Vec<_> = (1..=9).map(|owner| bench.submit(owner, 0)).collect();
        for (owner, slot) in (1..).zip(&slots) {
            match settled(slot) {
                SlotState::Callable(_) => assert_eq!(call(slot), owner),
                state => assert_eq!((state, owner % 3), (SlotState::Failed, 0), "{}", crate::host::failure(slot)),
            }
        }
        assert!(bench.finish().is_empty());
        stealing.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(thief.join().unwrap() > 0, "nothing was stolen");
    }

    a_host_that_ignores_sigchld_does_no_harm => ignored {
        // SAFETY: a plain system call, before any child of this process.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let mut bench = Bench::of_text(PLAIN, with_header());
        assert_eq!(call(&bench.submit(1, 0)), 1);
        assert!(bench.finish().is_empty());
    }

    a_host_may_wait_for_the_compilers_itself => lent {
        #[derive(Default)]
        struct Lent(std::sync::Mutex<Vec<String>>);
        impl Lent {
            fn note(&self, what: &str) {
                self.0.lock().unwrap().push(what.to_owned());
            }
        }
        impl Reaper for Lent {
            fn enter(&self) {
                self.note("enter");
            }
            fn wait(&self, pid: u32) -> Exit {
                let mut status = 0;
                // SAFETY: a plain system call.
                let reaped = unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, 0) };
                assert_eq!(reaped, pid.cast_signed());
                self.note("wait");
                if libc::WIFEXITED(status) { Exit::Code(libc::WEXITSTATUS(status)) } else { Exit::Signal(libc::WTERMSIG(status)) }
            }
            fn leave(&self) {
                self.note("leave");
            }
        }
        let lent = Arc::new(Lent::default());
        let mut bench = Bench::new(with_header().reaper(Arc::<Lent>::clone(&lent)), Box::new(|request| match request.owner.0 {
            1 => Ok(crate::host::fill("long {entry}(void) { return }", request).into()),
            _ => Ok(crate::host::fill(PLAIN, request).into()),
        }));
        let bad = bench.submit(1, 0);
        assert_eq!(call(&bench.submit(2, 0)), 2);
        assert_eq!(settled(&bad), SlotState::Failed);
        assert!(bench.finish().is_empty());
        let calls = lent.0.lock().unwrap();
        assert!(calls.len() > 9 && calls.chunks(3).all(|call| call == ["enter", "wait", "leave"]), "{calls:?}");
    }

    a_host_that_locks_while_it_waits_may_fork_all_the_same => lent_lock {
        use std::sync::atomic::{AtomicBool, Ordering};
        /// The seed's rule: start and wait under the VM's lock. Only the child may find it locked for ever.
        #[derive(Default)]
        struct Locked(AtomicBool);
        impl Reaper for Locked {
            fn enter(&self) {
                while self.0.swap(true, Ordering::Acquire) {
                    std::thread::yield_now();
                }
            }
            fn wait(&self, pid: u32) -> Exit {
                let mut status = 0;
                // SAFETY: a plain system call.
                unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, 0) };
                Exit::Code(libc::WEXITSTATUS(status))
            }
            fn leave(&self) {
                self.0.store(false, Ordering::Release);
            }
            fn forked(&self) {
                self.leave();
            }
        }
        let fake = crate::support::fake_cc();
        let builder = quiet().reaper(Arc::new(Locked::default()));
        let mut bench = Bench::on(fake.to_str().unwrap(), builder, crate::host::host_of(PLAIN));
        let slot = bench.submit(1, 0);
        bench.wait_for_line("Starting process");
        std::thread::sleep(Duration::from_millis(200));
        let child = fork(&bench, || {
            assert_eq!(call(&slot), 1);
            bench.worker().prepare_exec();
        });
        assert_eq!(call(&slot), 1);
        reap(child);
        assert!(bench.finish().is_empty());
    }

    // Ruby's worker left its compilers running when the VM ended.
    no_child_is_left_when_a_worker_is_finished => no_child {
        let (mut bench, _fifo) = held_back();
        bench.submit(1, 0);
        bench.wait_for_line("Starting process");
        assert!(bench.finish().is_empty());
        // SAFETY: a plain system call.
        let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        assert_eq!(left, -1, "a child is left");
    }
}

#[test]
fn a_finished_worker_can_be_forked_around() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, Worker::builder());
    bench.worker().prepare_exec();
    bench.worker().before_fork().in_parent();
}

#[test]
#[cfg(target_os = "linux")]
fn the_child_of_a_fork_has_a_perf_map_of_its_own() {
    need!("gcc");
    scenario("perf_maps");
}

#[test]
#[ignore = "a process of its own"]
fn perf_maps() {
    let bench = Bench::of_text(PLAIN, quiet().perf_map(true));
    assert_eq!(call(&bench.submit(1, 0)), 1);
    let map = |process: String| {
        let file = format!("/tmp/perf-{process}.map");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        [1, 2].map(|owner| text.contains(&format!(" m{owner}@test.rb:7\n")))
    };
    let pid = fork(&bench, || {
        assert_eq!(call(&bench.submit(2, 0)), 2);
        assert_eq!(call(&bench.submit(1, 0)), 1);
    });
    reap(pid);
    assert_eq!(map(pid.to_string()), [true, true]);
    assert_eq!(map(std::process::id().to_string()), [true, false]);
}

#[test]
fn the_child_of_a_fork_has_timings_of_its_own() {
    need!("gcc");
    scenario("timings_in_both");
}

#[test]
#[ignore = "a process of its own"]
fn timings_in_both() {
    let files = tempfile::tempdir().unwrap();
    let page = files.path().join("t.html");
    let mut bench = Bench::of_text(PLAIN, quiet().timings(&page));
    assert_eq!(call(&bench.submit(1, 0)), 1);
    let fork = bench.worker().before_fork();
    // SAFETY: the worker is held still, and this process has no other threads that hold locks.
    let pid = match unsafe { libc::fork() } {
        0 => {
            fork.in_child();
            let ok = call(&bench.submit(2, 0)) == 2;
            drop(bench.worker.take());
            // SAFETY: ends this process and nothing else: what the parent has on its stack is the parent's.
            unsafe { libc::_exit(i32::from(!ok)) }
        }
        pid => pid,
    };
    fork.in_parent();
    reap(pid);
    assert_eq!(call(&bench.submit(3, 0)), 3);
    bench.finish();
    for (page, units) in [(page.clone(), &["m1", "m3"] as &[_]), (page.with_extension(format!("{pid}.html")), &["m2"])]
    {
        let rows = crate::timings::rows(&page);
        let names =
            crate::timings::of_kind(&rows, "unit").into_iter().map(|row| row["name"].as_str().unwrap()[..2].to_owned());
        assert_eq!(names.collect::<Vec<_>>(), units);
    }
}
