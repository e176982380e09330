//! The signals that end the tool. Ends its compilers, and knows which signal it was.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use mjitcc::exec::{Executor, ProcessExecutor};

/// The number of SIGINT, which stands for whatever ends a program on Windows too.
const INTERRUPT: i32 = 2;

/// The signal that came first; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

/// What a program that a signal ended exits with, as shells have it: 128 and the signal's number.
pub(crate) fn exit_code() -> u8 {
    let signal = match CAME.load(Ordering::Relaxed) {
        0 => INTERRUPT,
        signal => signal,
    };
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn comes(signal: i32, executor: &ProcessExecutor) {
    if CAME.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        // A second signal asks for an end at once. A later run sweeps what this run leaves.
        std::process::exit(exit_code().into());
    }
    executor.cancel();
}

/// A file that gets too large (`ulimit -f`) is an error of the write that makes it so from here on, and not the end of this process.
/// Compilers have their own say.
pub(crate) fn let_writes_fail() {
    #[cfg(unix)]
    {
        let noted = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
        debug_assert!(noted.is_ok(), "{noted:?}");
    }
}

/// From here on these end the compilers. A signal that was ignored when the tool was started stays ignored (`nohup`).
#[cfg(unix)]
pub(crate) fn end(executor: &Arc<ProcessExecutor>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !mjitcc::exec::is_ignored(signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted.collect::<Vec<_>>())?;
    let executor = Arc::clone(executor);
    // Without a thread for it, a signal does what it always does.
    let handle = signals.handle();
    let waits = move || signals.forever().for_each(|signal| comes(signal, &executor));
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(waits);
    thread.map(drop).inspect_err(|_| handle.close())
}

/// From here on Ctrl-C and its like end the compilers.
#[cfg(windows)]
pub(crate) fn end(executor: &Arc<ProcessExecutor>) -> io::Result<()> {
    let executor = Arc::clone(executor);
    ctrlc::set_handler(move || comes(INTERRUPT, &executor)).map_err(io::Error::other)
}
