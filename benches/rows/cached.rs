//! Real units by a worker with an object cache, several at a time or each alone: the first time, and again after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjitcc::cache::{CachePlace, DEFAULT_MAX_SIZE, Size};
use mjitcc::worker::{Builder, Unity};

use super::callable::{Texts, builder, callable, submit};
use super::restart::queued;
use super::table::{Table, median};
use super::{Work, generated};

pub fn together_or_alone(work: &Work, table: &mut Table) {
    let made = tempfile::tempdir().expect("a temporary directory");
    let mut texts = generated::generate(made.path(), if work.short { 3 } else { 60 });
    texts.truncate(if work.short { 5 } else { texts.len() });
    let _stand_ins = generated::stand_ins(made.path());
    let start = |unity: Unity, cache: &Path| {
        let place = CachePlace { dir: cache.to_owned(), max_size: Size(DEFAULT_MAX_SIZE) };
        builder("gcc", &work.header).cache(place).unity(unity)
    };
    let specs = [Unity::Auto, Unity::Off];
    let mut times: [[Vec<Duration>; 3]; 2] = Default::default();
    for _ in 0..work.rounds(3) {
        for (unity, [cold, warm, single]) in specs.into_iter().zip(&mut times) {
            let cache = tempfile::tempdir_in(work.dir.path()).expect("a directory");
            cold.push(queued(&texts, start(unity, cache.path())));
            warm.push(queued(&texts, start(unity, cache.path())));
            single.push(one_after_another(&texts, start(unity, cache.path())));
        }
    }
    let [together, alone] = times.map(|times| times.map(|times| median(&times)));
    let rows = [
        format!("{} real units queued at once, cache empty, together", texts.len()),
        "the same after a restart".to_owned(),
        "the same one after another, the last first".to_owned(),
    ];
    for ((what, together), alone) in rows.iter().zip(together).zip(alone) {
        table.compare(what, "ms", together, "each alone", alone, None);
    }
}

/// How long until all were callable, each being submitted when the one before it was.
fn one_after_another(texts: &[String], builder: Builder) -> Duration {
    let worker = builder.start(Arc::new(Texts(texts.to_vec())));
    callable(&submit(&worker, 0));
    let began = Instant::now();
    let owners = (1..texts.len() as u64).rev();
    let slots: Vec<_> = owners.map(|owner| submit(&worker, owner)).inspect(callable).collect();
    let took = began.elapsed();
    drop(slots);
    worker.finish();
    took
}
