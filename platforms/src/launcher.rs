//! Programs that stand before a compiler and start it, or another machine's: `ccache`, `distcc` and their like, as CMake's
//! `<LANG>_COMPILER_LAUNCHER` has them. Knows what each can do with a precompiled header.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::compiler::Family;
use crate::plan::Step;

/// What is known of a launcher by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Keeps objects; takes a PCH for one of its inputs if it is told to be sloppy about what a PCH hides.
    Ccache,
    /// Preprocesses here, and compiles here or elsewhere: a PCH does not go through a preprocessor.
    Preprocessing,
    /// Does so in a server that it starts where none runs, and that outlives the unit.
    Server,
    /// Starts the compiler: `nice`, `taskset`.
    Other,
}

/// A launcher's words, the first of which is a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    program: PathBuf,
    leading: Vec<OsString>,
}

/// What launchers take from the environment of their user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// What ccache may be sloppy about already.
    pub sloppiness: Option<OsString>,
    /// Where temporary files go that are not this crate's.
    pub temp_dir: Option<PathBuf>,
}

/// What makes ccache take a PCH (its manual, "Precompiled headers").
const SLOPPINESS: &str = "pch_defines,time_macros";

impl Launcher {
    /// The names of those that stand before compilers and are none.
    pub const NAMES: [&'static str; 6] = ["ccache", "sccache", "distcc", "icecc", "icerun", "buildcache"];

    /// A launcher and the words between it and the compiler.
    #[must_use]
    pub fn new(program: PathBuf, leading: Vec<OsString>) -> Self {
        Self { program, leading }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        // Launchers launch launchers: `ccache distcc`.
        let words = [self.program.as_os_str()].into_iter().chain(self.leading.iter().map(OsString::as_os_str));
        words.map(|word| match Path::new(word).file_stem().and_then(OsStr::to_str) {
            Some("ccache") => Kind::Ccache,
            Some("distcc" | "icecc" | "buildcache") => Kind::Preprocessing,
            Some("sccache") => Kind::Server,
            _ => Kind::Other,
        })
    }

    /// Whether what it starts can be given a precompiled header; where not, units take the header as text.
    #[must_use]
    pub fn carries_pch(&self, family: Family) -> bool {
        let familiar = matches!(family, Family::Gcc | Family::Clang);
        self.kinds().all(|kind| match kind {
            Kind::Ccache => familiar,
            Kind::Preprocessing | Kind::Server => false,
            Kind::Other => true,
        })
    }

    /// Whether it keeps what it has seen, by the paths that it was given among others: then these are to be the same in each run.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.kinds().any(|kind| kind != Kind::Other)
    }

    /// A step that compiles a unit, started by the launcher, for a user who has this.
    #[must_use]
    pub fn before(&self, step: Step, family: Family, user: &UserSettings) -> Step {
        let Step { program, leading, mut args, mut env, response } = step;
        if self.kinds().any(|kind| kind == Kind::Ccache) {
            if family == Family::Gcc {
                args.push("-fpch-preprocess".into());
            }
            let mut words = user.sloppiness.clone().unwrap_or_default();
            if !words.is_empty() {
                words.push(",");
            }
            words.push(SLOPPINESS);
            env.push(("CCACHE_SLOPPINESS".into(), words));
            // A PCH that was built again is another file, and its sum says whether it is the same header.
            env.push(("CCACHE_PCH_EXTSUM".into(), "1".into()));
        }
        if let Some(dir) = user.temp_dir.as_ref().filter(|_| self.kinds().any(|kind| kind == Kind::Server)) {
            // The server keeps them, and needs a directory that is still there when this one's is not.
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

    fn launcher(words: &[&str]) -> Launcher {
        Launcher::new(words[0].into(), words[1..].iter().map(Into::into).collect())
    }

    #[test]
    fn who_carries_a_precompiled_header() {
        for (words, gcc, cl) in [
            (&["/usr/bin/ccache"] as &[&str], true, false),
            (&["distcc"], false, false),
            (&["sccache"], false, false),
            (&["icecc"], false, false),
            (&["ccache", "distcc"], false, false),
            (&["nice", "-n", "5"], true, true),
        ] {
            assert_eq!(launcher(words).carries_pch(Family::Gcc), gcc, "{words:?}");
            assert_eq!(launcher(words).carries_pch(Family::Msvc), cl, "{words:?}");
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
