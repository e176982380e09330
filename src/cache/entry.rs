//! An entry's file: the hash of its record, the record as JSON, the object. Bytes in, bytes out.

use std::io;

use crate::key::Digest;
use crate::store::Record;

/// A cached object and its record.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    bytes: Vec<u8>,
    object: usize,
}

impl Entry {
    /// Encodes one file, so that a hit opens, reads and hashes once.
    pub(crate) fn encode(record: &Record, object: &[u8]) -> io::Result<Vec<u8>> {
        // serde_json writes no newline.
        let json = serde_json::to_vec(record)?;
        Ok([Digest::of_bytes(&json).as_str().as_bytes(), b"\n", &json, b"\n", object].concat())
    }

    /// Decodes an entry; `None` if the bytes are not a complete entry for this key.
    pub(crate) fn decode(bytes: Vec<u8>, key: &Digest) -> Option<Self> {
        let line = |from: usize| Some(from + bytes.get(from..)?.iter().position(|&byte| byte == b'\n')?);
        let hash = line(0)?;
        let json = line(hash + 1)?;
        if bytes[..hash] != *Digest::of_bytes(&bytes[hash + 1..json]).as_str().as_bytes() {
            return None;
        }
        let record: Record = serde_json::from_slice(&bytes[hash + 1..json]).ok()?;
        let object = json + 1;
        let whole = record.key == *key && record.file == Digest::of_bytes(&bytes[object..]);
        whole.then_some(Self { record, bytes, object })
    }

    pub(crate) fn object(&self) -> &[u8] {
        &self.bytes[self.object..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depend::Inputs;
    use crate::key::KeyBuilder;

    #[test]
    fn every_byte_counts() {
        let key = KeyBuilder::new("test").finish();
        let object = b"\x7fELF\n and more\n";
        let record = Record {
            key: key.clone(),
            file: Digest::of_bytes(object),
            inputs: Inputs::default(),
            symbols: vec!["f".into()],
            shared: Vec::new(),
            units: Vec::new(),
            output: "u.c:1: warning\n".into(),
        };
        let bytes = Entry::encode(&record, object).unwrap();
        assert_eq!(Entry::decode(bytes.clone(), &key).unwrap().object(), object);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Entry::decode(damaged, &key).is_none(), "byte {at}");
            assert!(Entry::decode(bytes[..at].to_vec(), &key).is_none(), "cut at {at}");
        }
        assert!(Entry::decode(bytes, &KeyBuilder::new("another").finish()).is_none());
    }
}
