//! Data with its own hash, so that a single changed bit is detected. Bytes in, bytes out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Digest;

/// Writes a value as one line of JSON, and the hash of the line as a second line.
pub(crate) fn seal(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let hash = Digest::of_bytes(&json);
    Ok([&json, hash.as_str().as_bytes()].join(&b'\n'))
}

/// Parses a sealed value; `None` if the bytes were changed.
pub(crate) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    // serde_json writes no newline.
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (json, hash) = (&bytes[..end], &bytes[end + 1..]);
    (*hash == *Digest::of_bytes(json).as_str().as_bytes()).then(|| serde_json::from_slice(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts() {
        let value = ("a name\n".to_owned(), vec![1, 2, 3]);
        let bytes = seal(&value).unwrap();
        assert_eq!(open::<(String, Vec<i32>)>(&bytes), Some(value));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(open::<(String, Vec<i32>)>(&damaged), None, "byte {at}");
            }
            assert_eq!(open::<(String, Vec<i32>)>(&bytes[..at]), None, "cut at {at}");
        }
        assert_eq!(open::<(String, Vec<i32>)>(&[bytes, b"\n".to_vec()].concat()), None);
    }
}
