//! A target in a process of its own: this program again, told by its environment. The number of each input is in a file before the input is
//! read.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::targets::Target;
use crate::watched::{self, Ended};
use crate::{corpus, inputs, targets};

const CHILD: &str = "MJIT_CC_FUZZ_CHILD";

/// As the worker's threads have it.
const STACK: usize = 2 << 20;

/// Of the processor, for one input, in a build without optimisation: a hundred times what any input takes that is read in one go.
const SLOW: Duration = Duration::from_secs(20);

/// What came of a target.
pub struct Ran {
    /// How many inputs were read to their end.
    pub count: u64,
    pub slowest_ms: u64,
    pub failure: Option<String>,
}

pub fn in_process(dir: &Path, target: &Target, seed: u64) -> Ran {
    let number = dir.join("number");
    let _ = fs::remove_file(&number);
    let errors = dir.join("errors");
    let child = watched::again("every_reader", (CHILD, format!("{} {seed}", target.name)), dir);
    let at = || {
        let text = fs::read_to_string(&number).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    };
    let mut failure = watched::watch(child, at).map(|how| match how {
        Ended::BySignal(signal) => format!("ended by signal {signal}"),
        Ended::Failed => "panicked".to_owned(),
        Ended::Hung => "is read for ever".to_owned(),
    });
    if let Some(how) = &mut failure {
        let said = fs::read_to_string(&errors).unwrap_or_default();
        let words =
            said.lines().filter(|line| line.contains("panicked") || line.contains("overflow") || line.contains("slow"));
        words.take(3).for_each(|line| *how += &format!("; {line}"));
    }
    let (count, slowest_ms) = at();
    Ran { count, slowest_ms, failure }
}

/// Reads inputs as long as the environment says, if it says so.
pub fn is_child() -> bool {
    let Ok(told) = std::env::var(CHILD) else { return false };
    let (name, seed) = told.split_once(' ').unwrap();
    let target = targets::all().into_iter().find(|target| target.name == name).unwrap();
    let seed = seed.parse().unwrap();
    watched::limit_memory();
    let thread = thread::Builder::new().stack_size(STACK).spawn(move || read_all(&target, seed)).unwrap();
    thread.join().unwrap();
    true
}

fn read_all(target: &Target, seed: u64) {
    let time = Duration::from_secs(crate::setting("SECONDS").unwrap_or(1));
    let corpus = corpus::read(Path::new("."), target.corpus);
    let number_file = File::create("number").unwrap();
    let only = crate::setting("ONLY");
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    for number in only.unwrap_or(0).. {
        number_file.write_all_at(format!("{number:020} {:010}", slowest.as_millis()).as_bytes(), 0).unwrap();
        if began.elapsed() >= time || only.is_some_and(|only| number > only) {
            break;
        }
        let input = inputs::nth(&corpus, seed, number);
        let before = processor_time();
        (target.read)(&input);
        let took = processor_time() - before;
        slowest = slowest.max(took);
        assert!(took < SLOW, "slow: {took:?} for {} bytes", input.len());
    }
}

/// Of this thread, so that other work on the machine does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
