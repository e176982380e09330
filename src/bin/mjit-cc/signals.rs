//! The signals that end the tool. They end its compilers first; the first signal determines the exit code.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use mjitcc::exec::{Executor, ProcessExecutor};

/// The number of SIGINT. On Windows Ctrl-C counts as SIGINT.
const INTERRUPT: i32 = 2;

/// The first signal that came, or 0.
static CAME: AtomicI32 = AtomicI32::new(0);

/// Returns the exit code of a program that a signal ended: 128 plus the number of the signal, as in shells.
pub(crate) fn exit_code() -> u8 {
    let signal = match CAME.load(Ordering::Relaxed) {
        0 => INTERRUPT,
        signal => signal,
    };
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn comes(signal: i32, executor: &ProcessExecutor) {
    if CAME.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        // A second signal ends the tool at once. A later run removes the temporary files of this run.
        std::process::exit(exit_code().into());
    }
    executor.cancel();
}

/// Turns SIGXFSZ into an error of the write: a file that exceeds `ulimit -f` does not end this process. Compilers keep the default.
pub(crate) fn let_writes_fail() {
    #[cfg(unix)]
    {
        let noted = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
        debug_assert!(noted.is_ok(), "{noted:?}");
    }
}

/// Installs handlers that end the compilers. A signal that was ignored when the tool started stays ignored (`nohup`).
#[cfg(unix)]
pub(crate) fn end(executor: &Arc<ProcessExecutor>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !mjitcc::exec::is_ignored(signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted.collect::<Vec<_>>())?;
    let executor = Arc::clone(executor);
    // If the thread cannot be started, signals keep their default action.
    let handle = signals.handle();
    let waits = move || signals.forever().for_each(|signal| comes(signal, &executor));
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(waits);
    thread.map(drop).inspect_err(|_| handle.close())
}

/// Installs a handler for Ctrl-C and similar events that ends the compilers.
#[cfg(windows)]
pub(crate) fn end(executor: &Arc<ProcessExecutor>) -> io::Result<()> {
    let executor = Arc::clone(executor);
    ctrlc::set_handler(move || comes(INTERRUPT, &executor)).map_err(io::Error::other)
}
