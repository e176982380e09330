//! Turns generated C into running machine code with the C compilers that a machine already has.
//!
//! C text becomes functions of this process by an [`Engine`]:
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
//! Files of C become libraries by a [`batch`], which the command line program runs too. A host that goes on meanwhile, such as the VM of a
//! language, hands units to a [`worker`], which compiles the hottest first and publishes the code in a word that the host reads.
//!
//! A unit goes one way: source, plan, process, object, library, symbol. [`discover`] finds a compiler, [`pch`] makes the common
//! header ready, [`pipeline`] runs the plans that the [`platforms`] crate makes, and [`library`] loads the result. Events tell an
//! [`Observer`](event::Observer) what happens.

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
