//! Compiles generated C and loads the machine code, with the C compilers that a machine already has: gcc, clang, MinGW's gcc, `cl`,
//! `clang-cl` or tcc.
//!
//! The crate is for authors of language VMs, DSL runtimes and code generators. A program passes one C text at a time, a *unit*. The crate
//! compiles the unit behind a precompiled header, links and loads the object, and returns the functions:
//!
//! ```
//! let engine = mjitcc::Engine::builder().open()?;
//! let module = engine.compile("long succ(long n) { return n + 1; }")?;
//! // SAFETY: the C text defines a function of this type.
//! let succ = unsafe { module.function::<extern "C" fn(i64) -> i64>("succ") }?;
//! assert_eq!(succ(1), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Three front ends
//!
//! | Input | Result | Front end |
//! |---|---|---|
//! | a C text | functions, on the calling thread | [`Engine`] |
//! | files of C | libraries and a report, in parallel | [`batch::Batch`], or the command line program `mjit-cc` |
//! | the hot functions of a running VM | code in a [`Slot`](worker::Slot) that the VM reads, in the background | [`worker::Worker`] |
//!
//! All three have the same settings: the compiler and its [`Flags`](platforms::Flags), the header, an object [`cache`], a launcher such as
//! `distcc`, and limits. Each setting has a default:
//!
//! ```no_run
//! use mjitcc::platforms::{Flags, OptLevel};
//!
//! let engine = mjitcc::Engine::builder()
//!     .compiler("clang")
//!     .flags(Flags { optimize: OptLevel::O2, ..Flags::default() })
//!     .header("vm.h") // in front of every unit; units do not include the header
//!     .open()?;
//! # Ok::<(), mjitcc::Error>(())
//! ```
//!
//! # Errors, events and unsafe code
//!
//! A unit that does not compile is a [`UnitError`] with the compiler's diagnostics as data. An [`Error`] concerns all units: no compiler, a
//! header that does not compile. An [`Observer`](event::Observer) gets an [`Event`](event::Event) for each process, warning and cache hit.
//! Calling a compiled function is `unsafe`, since only the caller knows the function's type in C.
//!
//! # Cargo features
//!
//! `wild` (default) links inside this process, on Linux. `cli` (default) is the command line program; an embedder turns `cli` off with
//! `default-features = false`. `capi` exports the C ABI of `include/mjitcc.h`.

/// The examples of the README and of the book, which `cargo test --doc` compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../platforms/README.md")]
#[doc = include_str!("../docs/src/guide/rust.md")]
#[doc = include_str!("../docs/src/guide/vm.md")]
struct Examples;

#[doc(hidden)]
pub mod admission;
#[cfg(all(unix, not(loom)))]
mod at_fork;
pub mod batch;
pub mod cache;
mod cached;
mod depend;
pub mod discover;
#[cfg(not(loom))]
mod engine;
pub mod error;
pub mod event;
#[doc(hidden)]
pub mod exec;
#[cfg(all(feature = "capi", not(loom)))]
#[doc(hidden)]
pub mod ffi;
mod files;
mod header;
#[doc(hidden)]
pub mod imports;
mod jit;
#[doc(hidden)]
pub mod key;
#[doc(hidden)]
pub mod library;
mod link;
mod lock;
mod machine;
#[cfg(target_os = "linux")]
mod maps;
#[cfg(target_os = "linux")]
mod memfd;
mod own;
#[doc(hidden)]
pub mod pch;
mod perf;
#[doc(hidden)]
pub mod pipeline;
pub mod report;
mod response;
#[doc(hidden)]
pub mod scratch;
mod sealed;
mod settings;
#[doc(hidden)]
pub mod setup;
mod standby;
mod store;
#[doc(hidden)]
pub mod symbols;
mod sync;
mod thread;
#[doc(hidden)]
pub mod timeline;
#[doc(hidden)]
pub mod unit;
#[doc(hidden)]
pub use mjit_cc_ctext as ctext;
#[doc(hidden)]
pub mod untrusted;
mod unwind;
mod variables;
pub mod worker;

#[cfg(not(loom))]
pub use engine::{Engine, EngineBuilder, Function, Module, Object};
pub use error::{Error, UnitError};
pub use mjit_cc_platforms as platforms;
