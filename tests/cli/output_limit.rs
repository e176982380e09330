//! How much a compiler may say: what is over the limit is dropped, and the compiler ended. Here, not what a compiler says otherwise.

use std::fs;

use serde_json::Value;

use crate::processes::{Place, until};
use crate::support::{need, run, statuses, text};

const CHATTER: &str = "x.c:1:1: warning: chatter";
const MIB: usize = 1 << 20;

/// Whether a process with this number runs.
fn runs(pid: &str) -> bool {
    // A process that has ended and was not waited for yet does not count.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn dropped(said: &str) -> usize {
    let line = said.lines().find(|line| line.ends_with(" further bytes were dropped")).unwrap();
    let number = line.trim_start_matches(|c: char| !c.is_ascii_digit()).split(' ').next().unwrap();
    number.parse().unwrap()
}

#[test]
fn a_compiler_that_floods_is_ended_and_its_unit_fails() {
    need!("gcc");
    for mischief in ["flood", "flood-for-ever", "flood-slowly"] {
        let place = Place::new();
        place.units(&["wet", "dry"]);
        let output = run(&mut place.with_mischief(mischief, "wet.c", "-k wet.c dry.c"), 1);
        let said = text(&output.stderr);
        assert!(said.contains("wet.c: the compiler wrote more than 1.0 MiB of messages and was ended"), "{mischief}");
        assert!(said.contains("--output-limit"), "{mischief}");
        // The beginning is kept, and no more.
        let kept = said.lines().filter(|line| *line == CHATTER).count() * (CHATTER.len() + 1);
        assert!(kept <= MIB && kept + 2 * CHATTER.len() > MIB, "{mischief}: {kept}");
        assert!(dropped(&said) > 0 && said.len() < 2 * MIB, "{mischief}: {}", dropped(&said));
        assert_eq!(statuses(&place.out()), ["failed", "built"], "{mischief}");
        for pid in fs::read_to_string(place.path("log/pids")).unwrap_or_default().lines() {
            until("the compiler's end", || (!cfg!(target_os = "linux") || !runs(pid)).then_some(()));
        }
    }
}

#[test]
fn programs_learn_that_a_compiler_flooded() {
    need!("gcc");
    let place = Place::new();
    place.units(&["wet"]);
    let output = run(&mut place.with_mischief("flood-for-ever", "wet.c", "wet.c --message-format json"), 1);
    let said = text(&output.stdout);
    let messages: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| messages.iter().find(|message| message["event"] == event).unwrap();
    let finished = of("unit_finished");
    assert_eq!(finished["status"], "failed");
    assert_eq!(finished["error"], "the compiler wrote more than 1.0 MiB of messages and was ended");
    assert!(finished["help"].as_str().unwrap().contains("--output-limit"));
    assert!(dropped(of("output")["text"].as_str().unwrap()) > 0);
}

#[test]
fn long_diagnostics_come_whole_below_the_limit() {
    need!("gcc");
    let place = Place::new();
    let warnings: String = (0..4000).map(|number| format!("#warning number {number}\n")).collect();
    place.write("long.c", warnings + "int f(void) { return 1; }\n");
    let count = |said: &str| said.lines().filter(|line| line.contains(": warning: #warning number ")).count();
    let output = run(&mut place.compile("long.c"), 0);
    assert_eq!(count(&text(&output.stderr)), 4000);

    let thousands = run(&mut place.compile("long.c -O0 --output-limit 10K"), 1);
    assert!(text(&thousands.stderr).contains("wrote more than 9.8 KiB"), "{}", text(&thousands.stderr));
    let small = run(&mut place.compile("long.c -O0 --output-limit 10Ki"), 1);
    let said = text(&small.stderr);
    let first = said.lines().find(|line| line.contains("#warning number ")).unwrap();
    assert!(first.ends_with("number 0 [-Wcpp]") || first.contains("number 0"), "{first}");
    assert!((10..4000).contains(&count(&said)), "{}", count(&said));
    // As much as the limit leaves of what all of it is, whenever the compiler was seen to have written too much.
    assert!(dropped(&said) > 0 && said.contains("wrote more than 10.0 KiB"), "{said}");
}

#[test]
fn a_limit_of_none_keeps_all_and_time_still_ends() {
    need!("gcc");
    let place = Place::new();
    place.units(&["talkative", "wet"]);
    let mut command = place.with_mischief("chatty", "talkative.c", "talkative.c --output-limit 0");
    let output = run(&mut command, 0);
    assert_eq!(
        text(&output.stderr).lines().filter(|line| *line == CHATTER).count(),
        (MIB / 2).div_ceil(CHATTER.len() + 1)
    );
    run(&mut place.with_mischief("chatty", "talkative.c", "talkative.c -O0 --output-limit 500K"), 1);
    run(&mut place.with_mischief("flood-slowly", "wet.c", "wet.c --output-limit 0 --timeout 1"), 1);
    assert_eq!(statuses(&place.out()), ["timed_out"]);
}

#[test]
fn a_limit_is_a_size() {
    let place = Place::new();
    for size in ["", "x", "-1", "1X"] {
        let output = run(&mut place.compile(&format!("u.c --output-limit={size}")), 2);
        assert!(text(&output.stderr).contains("--output-limit"), "{output:?}");
    }
}
