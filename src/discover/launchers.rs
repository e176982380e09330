//! Finds the launcher that the user requested. The platforms crate knows what each launcher can do.

use std::ffi::{OsStr, OsString};

use mjit_cc_platforms::{Family, Launcher, Step, UserSettings};

use super::Environment;

/// Why a launcher cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LauncherError {
    /// The command is empty, or a quotation mark is not closed.
    #[error("the launcher '{0}' is not a valid command: check the quotation marks")]
    NoCommand(String),
    /// The program does not exist.
    #[error("the launcher {0} is not on PATH: install the launcher, or remove --launcher")]
    Missing(String),
}

/// A launcher whose program was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedLauncher {
    launcher: Launcher,
    user: UserSettings,
}

impl DetectedLauncher {
    /// Splits commands as a shell does; each launcher starts the next. Finds the first program on `PATH`.
    ///
    /// # Errors
    /// [`LauncherError`] if a command is invalid or its program is missing.
    pub fn find(commands: &[OsString], environment: &Environment) -> Result<Self, LauncherError> {
        let shown = commands.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let mut arguments = Vec::new();
        for command in commands {
            if environment.programs(command).next().is_some() {
                // A path that contains spaces.
                arguments.push(command.clone());
                continue;
            }
            let split =
                command.to_str().and_then(shlex::split).ok_or_else(|| LauncherError::NoCommand(shown.clone()))?;
            arguments.extend(split.into_iter().map(OsString::from));
        }
        let Some((first, leading)) = arguments.split_first() else { return Err(LauncherError::NoCommand(shown)) };
        let missing = || LauncherError::Missing(first.to_string_lossy().into_owned());
        let program = environment.programs(first).next().ok_or_else(missing)?;
        let launcher = Launcher::new(program, leading.to_vec());
        let temp_dir = environment.temp_dirs.iter().find(|dir| dir.is_dir()).cloned();
        Ok(Self { launcher, user: UserSettings { sloppiness: environment.ccache_sloppiness.clone(), temp_dir } })
    }

    /// Returns the launcher's description.
    #[must_use]
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// Returns a step that compiles a unit through the launcher.
    pub(crate) fn before(&self, step: Step, family: Family) -> Step {
        self.launcher.before(step, family, &self.user)
    }
}
