//! A unit and the object cache: the fingerprint of a compiler, the key that says what a unit's object depends on, taking the object out
//! and putting the object in. Stands above the pipeline, which knows the flags; [`cache`](crate::cache) keeps bytes by key.

mod fingerprint;
mod unit;

pub(crate) use unit::{CacheHandle, CacheHit};
