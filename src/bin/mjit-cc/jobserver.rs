//! GNU make's jobserver, where make started this program with one ("POSIX Jobserver Interaction" and "Windows Jobserver Interaction" in
//! its manual). The one reader of `MAKEFLAGS`, by the crate that knows the protocol, and the one `unsafe` beside the library's islands:
//! it has to come before anything else opens files, and only a program's beginning can say that of itself.

use std::io;

use jobserver::{Client, FromEnvErrorKind};
use mjitcc::admission::{Token, Tokens};

/// What make left for this process.
pub(crate) enum Inherited {
    /// Nothing: whoever started this has no jobserver.
    Nothing,
    /// A jobserver.
    Jobserver(Client),
    /// Word of a jobserver that this process cannot get at, and why.
    OutOfReach(String),
}

/// Finds out. Must come first of all in the program.
pub(crate) fn inherit() -> Inherited {
    #[expect(unsafe_code, reason = "it trusts MAKEFLAGS to name descriptors of make's")]
    // SAFETY: nothing has opened a file yet, so that what the descriptors name is what make left; the crate looks whether they are pipes
    // and makes its own of them.
    let found = unsafe { Client::from_env_ext(true) };
    match found.client {
        Ok(client) => Inherited::Jobserver(client),
        Err(error) => match error.kind() {
            FromEnvErrorKind::NoEnvVar | FromEnvErrorKind::NoJobserver | FromEnvErrorKind::Unsupported => {
                Inherited::Nothing
            }
            _ => Inherited::OutOfReach(error.to_string()),
        },
    }
}

/// A jobserver's tokens.
pub(crate) struct OfMake(pub(crate) Client);

impl Tokens for OfMake {
    fn try_take(&self) -> io::Result<Option<Token>> {
        Ok(self.0.try_acquire()?.map(|token| Box::new(token) as Token))
    }
}
