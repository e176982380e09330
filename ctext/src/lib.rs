#![doc = include_str!("../README.md")]

mod condition;
mod expand;
mod identity;
mod lexer;
mod library;
mod macros;
mod merge;
mod preprocess;
mod reason;
mod scan;
mod scc;
mod surroundings;
#[cfg(test)]
mod tests;
mod uses;
mod words;

pub use merge::{ALONE_MARK, Group, LeftOut, Member, Merged, defines, merge};
pub use preprocess::leading_includes;
pub use reason::{Ambiguity, Owner, Reason};
pub use surroundings::Surroundings;
