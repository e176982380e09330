//! `mjit-cc cache`.

use std::io::{self, Write};
use std::path::Path;

use mjitcc::cache::{Cache, CachePlace, Removed, Size, Stats};
use mjitcc::discover::Environment;
use serde::Serialize;

use crate::args::{CacheArgs, CacheCommand, CacheWhere, MessageFormat};
use crate::exit::{CliError, Exit};
use crate::setup;
use crate::shown;

const VERSION: u32 = 1;

const CLEAN: &str = "clean the cache at";

/// The JSON of `stats`. The format is stable: fields may be added.
#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    dir: &'a Path,
    #[serde(flatten)]
    stats: Stats,
    max_bytes: u64,
}

pub(crate) fn run(args: &CacheArgs) -> Result<Exit, CliError> {
    let mut out = io::stdout().lock();
    match &args.command {
        CacheCommand::Stats { place, message_format } => {
            let cache = open(place)?;
            let stats = cache.stats().map_err(|source| failed("read the cache at", &cache, source))?;
            let CachePlace { dir, max_size } = cache.place();
            if *message_format == MessageFormat::Json {
                let message = Message { version: VERSION, dir, stats, max_bytes: max_size.0 };
                serde_json::to_writer(&mut out, &message).map_err(io::Error::from)?;
                writeln!(out)?;
            } else {
                let Stats { entries, headers, bytes } = stats;
                let what = objects(entries, headers);
                writeln!(out, "{}: {what}, {} of {max_size}", shown::result(dir), Size(bytes))?;
            }
        }
        CacheCommand::Gc { place } => {
            let cache = open(place)?;
            print_removed(&mut out, &cache.gc().map_err(|source| failed(CLEAN, &cache, source))?)?;
        }
        CacheCommand::Clear { place } => {
            let cache = open(place)?;
            print_removed(&mut out, &cache.clear().map_err(|source| failed(CLEAN, &cache, source))?)?;
        }
    }
    Ok(Exit::Good)
}

/// Opens the cache that the options or the environment name, else the one in the usual directory, even if compiling does not use it.
fn open(place: &CacheWhere) -> Result<Cache, CliError> {
    let environment = Environment::read();
    let usual = CacheWhere { cache: Some("on".into()), max_size: place.max_size };
    let place =
        setup::cache(place, &environment)?.map_or_else(|| setup::cache(&usual, &environment), |place| Ok(Some(place)));
    let place =
        place?.ok_or_else(|| CliError::Usage("there is no cache: name its directory with --cache DIR".to_owned()))?;
    Ok(Cache::new(place))
}

fn failed(action: &'static str, cache: &Cache, source: io::Error) -> CliError {
    mjitcc::Error::File { action, path: cache.place().dir.clone(), source }.into()
}

fn print_removed(out: &mut impl Write, &Removed { entries, headers, bytes }: &Removed) -> io::Result<()> {
    writeln!(out, "removed {}, {}", objects(entries, headers), Size(bytes))
}

fn objects(entries: u64, headers: u64) -> String {
    let plural = |number, noun| if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") };
    let objects = plural(entries, "object");
    if headers == 0 { objects } else { format!("{objects} and {}", plural(headers, "precompiled header")) }
}
