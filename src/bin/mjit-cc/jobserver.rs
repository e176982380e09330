//! The jobserver of GNU make, if make started this program with one ("POSIX Jobserver Interaction" and "Windows Jobserver Interaction" in
//! its manual). The only reader of `MAKEFLAGS`, and the only `unsafe` outside of the library: the call must come before the process opens
//! any file, and only the start of a program can guarantee that.

use std::io;

use jobserver::{Client, FromEnvErrorKind};
use mjitcc::admission::{Token, Tokens};

/// The jobserver that this process inherited.
pub(crate) enum Inherited {
    /// The parent process has no jobserver.
    Nothing,
    /// A jobserver that works.
    Jobserver(Client),
    /// `MAKEFLAGS` names a jobserver that this process cannot use; the reason.
    Unusable(String),
}

/// Connects to the jobserver that `MAKEFLAGS` names. Must be the first call of the program.
pub(crate) fn inherit() -> Inherited {
    #[expect(unsafe_code, reason = "MAKEFLAGS is trusted to name descriptors of make")]
    // SAFETY: this process has opened no file yet, so the descriptors are those of make; the crate checks that they are pipes and
    // duplicates them.
    let found = unsafe { Client::from_env_ext(true) };
    match found.client {
        Ok(client) => Inherited::Jobserver(client),
        Err(error) => match error.kind() {
            FromEnvErrorKind::NoEnvVar | FromEnvErrorKind::NoJobserver | FromEnvErrorKind::Unsupported => {
                Inherited::Nothing
            }
            _ => Inherited::Unusable(error.to_string()),
        },
    }
}

/// The tokens of a jobserver.
pub(crate) struct MakeTokens(pub(crate) Client);

impl Tokens for MakeTokens {
    fn try_take(&self) -> io::Result<Option<Token>> {
        Ok(self.0.try_acquire()?.map(|token| Box::new(token) as Token))
    }
}
