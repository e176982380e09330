//! What the environment says of a campaign.

use std::env;
use std::path::PathBuf;

/// The campaign in CI is the same each time: a change is judged, not luck. `just campaign` brings a seed of its own.
const SEED: u64 = 1;

/// The settings of one campaign; `main.rs` describes each.
#[derive(Debug)]
pub struct Settings {
    pub tool: PathBuf,
    pub programs: usize,
    pub seed: u64,
    pub from: usize,
    pub kinds: Vec<String>,
    pub without: Vec<String>,
    pub ignore: Vec<String>,
    pub reduce: usize,
    pub keep: Option<PathBuf>,
}

impl Settings {
    pub fn from_environment() -> Self {
        Self {
            tool: env::var_os("MJIT_CC").map_or_else(|| env!("CARGO_BIN_EXE_mjit-cc").into(), PathBuf::from),
            programs: usize::try_from(number("PROGRAMS", 300)).unwrap(),
            seed: number("SEED", SEED),
            from: usize::try_from(number("FROM", 0)).unwrap(),
            kinds: words("KINDS"),
            without: words("WITHOUT"),
            ignore: words("IGNORE"),
            reduce: usize::try_from(number("REDUCE", 10)).unwrap(),
            keep: setting("KEEP").map(PathBuf::from),
        }
    }
}

fn setting(name: &str) -> Option<String> {
    env::var(format!("MJIT_CC_CAMPAIGN_{name}")).ok().filter(|text| !text.is_empty())
}

fn number(name: &str, otherwise: u64) -> u64 {
    setting(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("MJIT_CC_CAMPAIGN_{name} is {text}, which is no number"))
    })
}

fn words(name: &str) -> Vec<String> {
    setting(name).map_or_else(Vec::new, |text| text.split(',').map(str::to_owned).collect())
}
