//! Turns generated C into running machine code with the C compilers that a machine already has.
//!
//! A unit goes one way: source, plan, process, object, library, symbol. [`discover`] finds a compiler, [`pch`] makes the common
//! header ready, [`pipeline`] runs the plans that the [`platforms`] crate makes, [`batch`] does so for many units at once, and
//! [`library`] loads what came of it. Events tell an [`Observer`](event::Observer) what happens.
//!
//! ```no_run
//! use std::sync::Arc;
//! use mjitcc::batch::{Batch, HeaderSource, Unity};
//! use mjitcc::discover::{Environment, Finder, Wish};
//! use mjitcc::event::Event;
//! use mjitcc::exec::ProcessExecutor;
//! use mjitcc::pipeline::Pipeline;
//! use mjitcc::platforms::Flags;
//! use mjitcc::scratch::{Purpose, Scratch};
//!
//! # fn main() -> Result<(), mjitcc::Error> {
//! let environment = Environment::read();
//! let scratch = Scratch::create(&environment.temp_dirs, Purpose::Files)?;
//! let executor = Arc::new(ProcessExecutor::default());
//! let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
//! let compiler = finder.find(&Wish::default())?;
//! let pipeline = Pipeline::new(compiler, Flags::default(), executor, scratch);
//! let batch = Batch {
//!     units: vec!["unit.c".into()],
//!     header: HeaderSource::Header("vm.h".into()),
//!     out_dir: "out".into(),
//!     compact: true,
//!     unity: Unity::Off,
//!     alone: Default::default(),
//!     jobs: std::thread::available_parallelism().unwrap_or(std::num::NonZero::<usize>::MIN),
//!     keep_going: false,
//! };
//! let report = batch.run(&pipeline, &|_: &Event<'_>| {})?;
//! # Ok(())
//! # }
//! ```

pub mod admission;
#[cfg(all(unix, not(loom)))]
mod at_fork;
pub mod batch;
pub mod cache;
mod configuration;
mod depend;
pub mod discover;
mod error;
pub mod event;
pub mod exec;
#[cfg(all(feature = "capi", not(loom)))]
pub mod ffi;
mod files;
pub mod imports;
pub mod key;
pub mod library;
mod link;
mod lock;
mod machine;
#[cfg(target_os = "linux")]
mod maps;
#[cfg(target_os = "linux")]
mod memfd;
mod own;
pub mod pch;
mod perf;
pub mod pipeline;
mod response;
pub mod scratch;
mod standby;
mod store;
pub mod symbols;
mod sync;
mod thread;
pub mod timeline;
pub mod unit;
pub use mjit_cc_ctext as ctext;
mod unwind;
mod whole;
pub mod worker;

pub use configuration::Watched;
pub use error::{Error, Failure, Phase};
pub use mjit_cc_platforms as platforms;
