//! Hashes of token sequences: equal hashes mean equal text.

use crate::lexer::Token;

/// A hash of a definition and of everything that the definition depends on.
pub(crate) type Identity = [u8; 32];

/// Bytes to hash. Each field carries its length, so that different lists of fields have different hashes.
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

    /// Adds tokens without white space, which has no meaning after macro expansion.
    pub(crate) fn tokens(&mut self, tokens: &[Token<'_>]) {
        self.0.extend_from_slice(&(tokens.len() as u64).to_le_bytes());
        tokens.iter().for_each(|token| self.field(&token.text));
    }

    pub(crate) fn finish(&self) -> Identity {
        *blake3::hash(&self.0).as_bytes()
    }
}
