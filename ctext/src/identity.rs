//! Hashes of words: what hashes alike is the same text.

use crate::lexer::Token;

/// A hash of a definition and of all that the definition depends on.
pub(crate) type Identity = [u8; 32];

/// Bytes to be hashed, each field with its length, so that no two lists of fields hash alike.
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    pub(crate) fn new(kind: &[u8]) -> Self {
        let mut fields = Self(Vec::new());
        fields.field(kind);
        fields
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Tokens without the white space between them, which means nothing once macros are expanded.
    pub(crate) fn tokens(&mut self, tokens: &[Token<'_>]) {
        self.0.extend_from_slice(&(tokens.len() as u64).to_le_bytes());
        tokens.iter().for_each(|token| self.field(&token.text));
    }

    pub(crate) fn finish(&self) -> Identity {
        *blake3::hash(&self.0).as_bytes()
    }
}
