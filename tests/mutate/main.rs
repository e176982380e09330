//! Damaged objects in front of the linker that is inside this process: it must say no, or link, and neither end the process nor hang.
//!
//! Objects of gcc and clang (`corpus.rs`) are damaged at random (`damage.rs`) and linked by a process of this same program (`linking.rs`),
//! so that its end is seen and told with the number of the object. What an object that is damaged and yet sound computes is no subject:
//! it is an object of other code.
//!
//! ```sh
//! just mutate 100000                                           # a release build
//! MJIT_CC_MUTATE_SEED=1 MJIT_CC_MUTATE_ONLY=4711 cargo test --test mutate -- --nocapture
//! ```
//!
//! - `MJIT_CC_MUTATE_OBJECTS`: how many (400).
//! - `MJIT_CC_MUTATE_SEED`: repeats a run; printed by each. Without a number of objects, 3.
//! - `MJIT_CC_MUTATE_ONLY`: the number of one object.
//! - `MJIT_CC_MUTATE_KEEP`: a directory in which objects that ended the process are left.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stdout, reason = "a run says what it found")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/watched.rs"]
mod watched;

mod corpus;
mod damage;
mod linking;
mod smallest;

use std::ops::Range;
use std::path::Path;

use mjitcc::untrusted::ObjectLinker;

use crate::linking::Tally;
use crate::support::need;

/// How many objects a process links before another one goes on.
const BATCH: u64 = 5_000;

/// A number that the environment gives.
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(format!("MJIT_CC_MUTATE_{name}")).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("MJIT_CC_MUTATE_{name} is no number")))
}

#[test]
fn damaged_objects_end_no_process_that_links_them() {
    need!("gcc");
    if linking::is_child() {
        return;
    }
    if !ObjectLinker::IS_AVAILABLE {
        return support::skip("this build has no built-in linker");
    }
    let dir = tempfile::tempdir().unwrap();
    // The short run is the same each time: what a long one finds is not for everybody's next change to fail at.
    let any = || if setting("OBJECTS").is_some() { fastrand::u64(..1 << 32) } else { 3 };
    let seed = setting("SEED").unwrap_or_else(any);
    let range = match setting("ONLY") {
        Some(only) => only..only + 1,
        None => 0..setting("OBJECTS").unwrap_or(400),
    };
    println!("MJIT_CC_MUTATE_SEED={seed}");
    let objects = corpus::compile(dir.path());
    corpus::write(&dir.path().join("corpus"), &objects);
    let (tally, ended) = link_all(dir.path(), seed, range);
    println!("{tally}");
    print!("{}", std::fs::read_to_string(dir.path().join("results")).unwrap_or_default());
    let shown = ended.iter().map(|(number, how)| (*number, how.as_str()));
    for (number, how) in shown.chain(setting("ONLY").map(|only| (only, "as asked"))) {
        let (name, bytes) = damage::nth(&objects, seed, number);
        println!("object {number}, of {name}: {how}");
        if let Ok(keep) = std::env::var("MJIT_CC_MUTATE_KEEP") {
            std::fs::write(Path::new(&keep).join(format!("{seed}-{number}.o")), bytes).unwrap();
        }
    }
    assert!(
        ended.is_empty(),
        "{} of {} objects ended or held up the process that linked them",
        ended.len(),
        tally.total()
    );
    assert_eq!(tally.panicked, 0, "the linker panicked");
    // Otherwise this would be a test of nothing.
    assert!(setting("ONLY").is_some() || tally.linked > 0 && tally.unsound > 0);
}

#[test]
fn every_object_that_a_compiler_makes_is_linked_in_this_process() {
    need!("gcc");
    if linking::is_child() || !ObjectLinker::IS_AVAILABLE {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let linker = ObjectLinker::default();
    let refused: Vec<String> = corpus::compile(dir.path())
        .into_iter()
        .filter_map(|(name, bytes)| {
            let object = dir.path().join("whole.o");
            std::fs::write(&object, bytes).unwrap();
            let why = linker.link(&linking::WORDS, &[object]).err()?;
            // The driver links these by its own choice, not for want of trust.
            (!why.contains("unwinder")).then(|| format!("{name}: {why}"))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

fn link_all(dir: &Path, seed: u64, range: Range<u64>) -> (Tally, Vec<(u64, String)>) {
    let (mut tally, mut ended, mut next) = (Tally::default(), Vec::new(), range.start);
    while next < range.end {
        let batch = next..range.end.min(next + BATCH);
        let end = batch.end;
        let (some, stopped) = linking::in_process(dir, seed, batch);
        tally.add(&some);
        next = match stopped {
            Some((number, how)) => {
                ended.push((number, how));
                number + 1
            }
            None => end,
        };
    }
    (tally, ended)
}
