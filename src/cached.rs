//! Caching of a unit's object: the fingerprint of a compiler, the key of a unit's object, reading the object from the cache and writing
//! it. Above the pipeline, which knows the flags; [`cache`](crate::cache) stores bytes by key.

mod fingerprint;
mod unit;

pub(crate) use unit::{CacheHandle, CacheHit};
