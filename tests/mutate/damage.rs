//! What is done to an object: bytes anywhere, and fields where they are known to be. The same number and seed give the same bytes.

use fastrand::Rng;

use crate::corpus::Objects;

/// The object with a number, and what it was made of.
pub fn nth(objects: &Objects, seed: u64, number: u64) -> (&str, Vec<u8>) {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
    let (name, bytes) = &objects[rng.usize(..objects.len())];
    let mut bytes = bytes.clone();
    for _ in 0..1 + rng.usize(..3) {
        damage(&mut bytes, &mut rng);
    }
    (name, bytes)
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.len() < 64 {
        return;
    }
    match rng.u32(..16) {
        0 => {
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u32(..8);
        }
        1 => {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        2 => {
            let at = rng.usize(..bytes.len());
            let width = [1, 2, 4, 8][rng.usize(..4)];
            let new = value(rng, bytes.len());
            put(bytes, at, width, new);
        }
        3 if rng.u32(..4) == 0 => bytes.truncate(rng.usize(..bytes.len())),
        4 if rng.u32(..4) == 0 => {
            // The header of the file.
            let (at, width) = [(16, 2), (18, 2), (32, 8), (40, 8), (48, 4), (58, 2), (60, 2), (62, 2)][rng.usize(..8)];
            let new = value(rng, bytes.len());
            put(bytes, at, width, new);
        }
        5 => copy(bytes, rng),
        _ => field(bytes, rng),
    }
}

/// Numbers that programs get wrong.
fn value(rng: &mut Rng, size: usize) -> u64 {
    let size = size as u64;
    match rng.u32(..12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => 1 << rng.u32(..64),
        4 => (1 << rng.u32(..64)) - 1,
        5 => size.wrapping_add(rng.u64(..16)).wrapping_sub(8),
        6 => rng.u64(..size),
        7 => u64::from(rng.u32(..)),
        8 => rng.u64(..),
        9 => (1_u64 << 63).wrapping_add(rng.u64(..16)).wrapping_sub(8),
        10 => 0x7fff_ffff,
        _ => rng.u64(..64),
    }
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    let end = bytes.len().min(at + width);
    if at < end {
        bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
    }
}

fn get(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut value = [0; 8];
    let end = bytes.len().min(at.saturating_add(width));
    if at < end {
        value[..end - at].copy_from_slice(&bytes[at..end]);
    }
    u64::from_le_bytes(value)
}

fn copy(bytes: &mut [u8], rng: &mut Rng) {
    let size = (1 + rng.usize(..64)).min(bytes.len());
    let (from, to) = (rng.usize(..=bytes.len() - size), rng.usize(..=bytes.len() - size));
    bytes.copy_within(from..from + size, to);
}

/// A field of a section's header, or of what is in a section that is a table.
fn field(bytes: &mut [u8], rng: &mut Rng) {
    let (table, count) = (usize::try_from(get(bytes, 40, 8)).unwrap_or(usize::MAX), get(bytes, 60, 2));
    if count == 0 || table > bytes.len() {
        return;
    }
    let header = table.saturating_add(64 * usize::try_from(rng.u64(..count)).unwrap());
    if rng.bool() {
        let (at, width) =
            [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 8)][rng.usize(..10)];
        change(bytes, header.saturating_add(at), width, rng);
        return;
    }
    let (kind, offset, size) = (
        get(bytes, header.saturating_add(4), 4),
        get(bytes, header.saturating_add(24), 8),
        get(bytes, header.saturating_add(32), 8),
    );
    let (Ok(offset), Ok(size)) = (usize::try_from(offset), usize::try_from(size)) else { return };
    let fields: &[(usize, usize)] = match kind {
        2 => &[(0, 4), (4, 1), (5, 1), (6, 2), (8, 8), (16, 8)],
        4 => &[(0, 8), (8, 4), (12, 4), (16, 8)],
        _ => &[(0, 4)],
    };
    let entry = if matches!(kind, 2 | 4) { 24 } else { 4 };
    let count = size / entry;
    if count > 0 {
        let (at, width) = fields[rng.usize(..fields.len())];
        let place = offset.saturating_add(entry * rng.usize(..count)).saturating_add(at);
        change(bytes, place, width, rng);
    }
}

/// Another number, or a little more or less of the same.
fn change(bytes: &mut [u8], at: usize, width: usize, rng: &mut Rng) {
    let new = match rng.u32(..3) {
        0 => get(bytes, at, width).wrapping_add(rng.u64(..32)).wrapping_sub(16),
        1 => get(bytes, at, width) ^ (1 << rng.u32(..8 * u32::try_from(width).unwrap())),
        _ => value(rng, bytes.len()),
    };
    put(bytes, at, width, new);
}
