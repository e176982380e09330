//! Finding the launcher that somebody asked for. What launchers are, the platforms crate knows.

use std::ffi::{OsStr, OsString};

use mjit_cc_platforms::{Family, Launcher, Step, UserSettings};

use super::Environment;

/// No such launcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LauncherError {
    /// There are no words, or a quotation mark in them is not closed.
    #[error("the launcher '{0}' is no command")]
    NoCommand(String),
    /// Its first word is no program.
    #[error("the launcher {0} is not on PATH; install it, or leave out --launcher")]
    Missing(String),
}

/// A launcher that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedLauncher {
    launcher: Launcher,
    user: UserSettings,
}

impl DetectedLauncher {
    /// Reads commands as a shell would, which stand one behind the other, and finds the first word on `PATH`.
    ///
    /// # Errors
    /// [`LauncherError`].
    pub fn find(commands: &[OsString], environment: &Environment) -> Result<Self, LauncherError> {
        let shown = commands.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let mut words = Vec::new();
        for command in commands {
            if environment.programs(command).next().is_some() {
                // A path with spaces in it.
                words.push(command.clone());
                continue;
            }
            let split =
                command.to_str().and_then(shlex::split).ok_or_else(|| LauncherError::NoCommand(shown.clone()))?;
            words.extend(split.into_iter().map(OsString::from));
        }
        let Some((first, leading)) = words.split_first() else { return Err(LauncherError::NoCommand(shown)) };
        let missing = || LauncherError::Missing(first.to_string_lossy().into_owned());
        let program = environment.programs(first).next().ok_or_else(missing)?;
        let launcher = Launcher::new(program, leading.to_vec());
        let temp_dir = environment.temp_dirs.iter().find(|dir| dir.is_dir()).cloned();
        Ok(Self { launcher, user: UserSettings { sloppiness: environment.ccache_sloppiness.clone(), temp_dir } })
    }

    /// What it is.
    #[must_use]
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// A step that compiles a unit, started by it.
    pub(crate) fn before(&self, step: Step, family: Family) -> Step {
        self.launcher.before(step, family, &self.user)
    }
}
