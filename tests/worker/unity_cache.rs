//! Units that are compiled several at a time by a worker with an object cache: each is found again, with the others or without.

use std::fs;
use std::path::Path;

use mjitcc::worker::{CodeError, SlotState, Unity};

use crate::cache::{cached, counts, entries};
use crate::host::{Bench, PLAIN, call, fill, host_of, quiet, settled};
use crate::support::need;
use crate::unity::{at_most, companies, queue};

/// Each call counts.
const COUNTING: &str = "long {entry}(void) { static long count = {owner} * 10; return ++count; }";

fn bench(text: &'static str, dir: &Path) -> Bench {
    Bench::of_text(text, cached(at_most(4), dir))
}

/// Makes seven units: one alone, then two, then four together.
fn fill_cache(text: &'static str, dir: &Path) {
    let bench = bench(text, dir);
    queue(&bench, 1..=7).iter().for_each(|slot| assert!(call(slot) > 0));
    bench.worker().pause(true);
    assert_eq!((companies(&bench), counts(&bench)), (vec!["2".to_owned(), "4".to_owned()], (0, 3)));
}

#[test]
fn what_was_made_in_company_is_found_again_in_any_company_and_alone() {
    need!("gcc");
    for cc in ["gcc", "clang"] {
        need!(cc);
        let dir = tempfile::tempdir().unwrap();
        let start = || Bench::on(cc, cached(at_most(4), dir.path()), host_of(PLAIN));
        let first = start();
        assert_eq!(queue(&first, 1..=7).iter().map(call).collect::<Vec<_>>(), (1..=7).collect::<Vec<i64>>());
        assert_eq!(counts(&first), (0, 3), "{cc}");
        drop(first);
        let again = start();
        assert_eq!(queue(&again, 1..=7).iter().map(call).collect::<Vec<_>>(), (1..=7).collect::<Vec<i64>>());
        assert_eq!((counts(&again), companies(&again).len()), ((7, 0), 0), "{cc}");
        drop(again);
        let other = start();
        let slots = [9, 6, 3, 2].map(|owner| other.submit(owner, 1));
        assert_eq!(slots.each_ref().map(call), [9, 6, 3, 2]);
        assert_eq!(counts(&other).0, 3, "{cc}");
    }
}

#[test]
fn units_from_one_object_have_each_a_state_of_their_own() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    fill_cache(COUNTING, dir.path());
    let bench = bench(COUNTING, dir.path());
    let [one, same, other] = [5, 5, 6].map(|owner| bench.submit(owner, 1));
    assert_eq!([call(&one), call(&one), call(&same), call(&other), call(&one)], [51, 52, 51, 61, 53]);
    assert_eq!(counts(&bench), (3, 0));
    // Nor does one that comes back go on where it was.
    bench.worker().pause(true);
    drop(one);
    bench.worker().resume();
    assert_eq!(call(&bench.submit(5, 1)), 51);
}

#[test]
fn whoever_wants_units_alone_gets_them_alone() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    fill_cache(PLAIN, dir.path());
    let bench = Bench::of_text(PLAIN, cached(quiet().unity(Unity::Off), dir.path()));
    assert_eq!([1, 5].map(|owner| call(&bench.submit(owner, 1))), [1, 5]);
    assert_eq!(counts(&bench), (1, 1));
}

#[test]
fn what_is_damaged_of_a_company_is_made_again() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    fill_cache(PLAIN, dir.path());
    // One alone, two companies, and where their six members are.
    assert_eq!(entries(dir.path()).len(), 9);
    for damage in [|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1, |bytes: &mut Vec<u8>| bytes.clear()] {
        for entry in entries(dir.path()) {
            let mut bytes = fs::read(&entry).unwrap();
            damage(&mut bytes);
            fs::write(entry, bytes).unwrap();
        }
        fill_cache(PLAIN, dir.path());
    }
    // The notes alone are worth nothing.
    for entry in entries(dir.path()).iter().filter(|entry| fs::metadata(entry).unwrap().len() > 1_000) {
        fs::remove_file(entry).unwrap();
    }
    fill_cache(PLAIN, dir.path());
}

#[test]
fn a_bad_unit_in_company_is_told_by_its_own_name() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    for compiled in [true, false] {
        let generate = |request: &mjitcc::worker::Request<'_>| {
            let bad = "long {entry}(void) { return undeclared; }";
            Ok(fill(if request.owner.0 == 5 { bad } else { PLAIN }, request).into())
        };
        let bench = Bench::new(cached(at_most(4), dir.path()), Box::new(generate));
        let slots = queue(&bench, 1..=7);
        for owner in [1, 2, 3, 4, 6, 7] {
            assert_eq!(call(&slots[owner - 1]), owner as i64);
        }
        assert_eq!(settled(&slots[4]), SlotState::Failed);
        let Some(CodeError::NotBuilt(why)) = slots[4].failure() else { panic!("{:?}", slots[4].failure()) };
        assert!(why.output().contains("u4.c: In function '_mjit4'"), "{}", why.output());
        assert_eq!(counts(&bench).0, if compiled { 0 } else { 6 });
    }
}
