//! Text with its own hash behind it, so that text of which a single bit is another is known for damaged. Bytes in, bytes out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Digest;

/// A value as one line of JSON, and the hash of that in a second line.
pub(crate) fn seal(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let hash = Digest::of_bytes(&json);
    Ok([&json, hash.as_str().as_bytes()].join(&b'\n'))
}

/// Nothing where these are not the bytes that were written.
pub(crate) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    // JSON has a newline of its own nowhere.
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
