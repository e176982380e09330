//! Compiler launchers: programs such as `ccache` and `distcc` that start the compiler, here or on another machine (CMake's
//! `<LANG>_COMPILER_LAUNCHER`). Knows what each can do with a precompiled header.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::compiler::Family;
use crate::plan::Step;

/// The kind of a launcher, found by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LauncherKind {
    /// Caches objects; accepts a PCH as an input if its sloppiness settings allow that.
    Ccache,
    /// Preprocesses here, and compiles here or elsewhere: a PCH cannot be preprocessed.
    Preprocessing,
    /// Preprocesses in a server that the launcher starts if none runs, and that outlives the unit.
    Server,
    /// Starts the compiler with other settings: `nice`, `taskset`.
    Other,
}

/// A launcher's command: a program and its arguments before the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    program: PathBuf,
    leading: Vec<OsString>,
}

/// The user's settings that launchers read from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// The user's value of `CCACHE_SLOPPINESS`.
    pub sloppiness: Option<OsString>,
    /// The user's directory for temporary files; this crate's processes use another.
    pub temp_dir: Option<PathBuf>,
}

/// The settings with which ccache accepts a PCH (its manual, "Precompiled headers").
const SLOPPINESS: &str = "pch_defines,time_macros";

impl Launcher {
    /// Names of launchers that are sometimes installed under the name of a compiler.
    pub const NAMES: [&'static str; 6] = ["ccache", "sccache", "distcc", "icecc", "icerun", "buildcache"];

    /// Creates a launcher from its program and the arguments between the program and the compiler.
    #[must_use]
    pub fn new(program: PathBuf, leading: Vec<OsString>) -> Self {
        Self { program, leading }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn kinds(&self) -> impl Iterator<Item = LauncherKind> {
        // A launcher may start another launcher: `ccache distcc`.
        let arguments = [self.program.as_os_str()].into_iter().chain(self.leading.iter().map(OsString::as_os_str));
        arguments.map(|argument| match Path::new(argument).file_stem().and_then(OsStr::to_str) {
            Some("ccache") => LauncherKind::Ccache,
            Some("distcc" | "icecc" | "buildcache") => LauncherKind::Preprocessing,
            Some("sccache") => LauncherKind::Server,
            _ => LauncherKind::Other,
        })
    }

    /// True if the compiler behind the launcher can use a precompiled header; otherwise units include the header as text.
    #[must_use]
    pub fn supports_pch(&self, family: Family) -> bool {
        let familiar = matches!(family, Family::Gcc | Family::Clang);
        self.kinds().all(|kind| match kind {
            LauncherKind::Ccache => familiar,
            LauncherKind::Preprocessing | LauncherKind::Server => false,
            LauncherKind::Other => true,
        })
    }

    /// True if the launcher caches results, keyed by paths among others: then the paths must be the same in each run.
    #[must_use]
    pub fn has_cache(&self) -> bool {
        self.kinds().any(|kind| kind != LauncherKind::Other)
    }

    /// Returns a step that compiles a unit through the launcher, for a user with these settings.
    #[must_use]
    pub fn before(&self, step: Step, family: Family, user: &UserSettings) -> Step {
        let Step { program, leading, mut args, mut env, response } = step;
        if self.kinds().any(|kind| kind == LauncherKind::Ccache) {
            if family == Family::Gcc {
                args.push("-fpch-preprocess".into());
            }
            let mut arguments = user.sloppiness.clone().unwrap_or_default();
            if !arguments.is_empty() {
                arguments.push(",");
            }
            arguments.push(SLOPPINESS);
            env.push(("CCACHE_SLOPPINESS".into(), arguments));
            // A rebuilt PCH is another file; its checksum file tells ccache that the header is the same.
            env.push(("CCACHE_PCH_EXTSUM".into(), "1".into()));
        }
        if let Some(dir) = user.temp_dir.as_ref().filter(|_| self.kinds().any(|kind| kind == LauncherKind::Server)) {
            // The server inherits these variables, and outlives this process's temporary directory.
            env.extend(["TMPDIR", "TMP", "TEMP"].map(|name| (name.into(), dir.into())));
        }
        let leading = self.leading.iter().cloned().chain([program.into()]).chain(leading).collect();
        Step { program: self.program.clone(), leading, args, env, response }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Syntax;

    fn launcher(arguments: &[&str]) -> Launcher {
        Launcher::new(arguments[0].into(), arguments[1..].iter().map(Into::into).collect())
    }

    #[test]
    fn who_carries_a_precompiled_header() {
        for (arguments, gcc, cl) in [
            (&["/usr/bin/ccache"] as &[&str], true, false),
            (&["distcc"], false, false),
            (&["sccache"], false, false),
            (&["icecc"], false, false),
            (&["ccache", "distcc"], false, false),
            (&["nice", "-n", "5"], true, true),
        ] {
            assert_eq!(launcher(arguments).supports_pch(Family::Gcc), gcc, "{arguments:?}");
            assert_eq!(launcher(arguments).supports_pch(Family::Msvc), cl, "{arguments:?}");
        }
    }

    #[test]
    fn the_compiler_comes_behind_the_launchers_own_words() {
        let step = Step {
            program: "/usr/bin/gcc".into(),
            leading: vec!["-m32".into()],
            args: vec!["-c".into()],
            env: Vec::new(),
            response: Syntax::Gnu,
        };
        let nobody = UserSettings::default();
        let launched = launcher(&["nice", "-n", "5"]).before(step.clone(), Family::Gcc, &nobody);
        assert_eq!(launched.to_string(), "nice -n 5 /usr/bin/gcc -m32 -c");
        let user = UserSettings { sloppiness: Some("locale".into()), temp_dir: Some("/home/u/tmp".into()) };
        let launched = launcher(&["sccache"]).before(step.clone(), Family::Gcc, &user);
        assert_eq!(launched.env[0], ("TMPDIR".into(), "/home/u/tmp".into()));
        let launched = launcher(&["ccache"]).before(step, Family::Gcc, &user);
        assert_eq!(launched.to_string(), "ccache /usr/bin/gcc -m32 -c -fpch-preprocess");
        assert_eq!(launched.env[0], ("CCACHE_SLOPPINESS".into(), "locale,pch_defines,time_macros".into()));
    }
}
