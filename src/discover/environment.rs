//! The environment variables of the process: the only reader.

#![expect(clippy::disallowed_methods, reason = "the only reader of the environment")]

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use mjit_cc_platforms::PackageManager;

use crate::variables::Variables;

/// The variables that gcc (its manual, "Environment Variables"), clang, Apple's tools, cl and link read. Other values change the code.
const COMPILER_VARIABLES: [&str; 18] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "CCC_OVERRIDE_OPTIONS",
    "CLANG_NO_DEFAULT_CONFIG",
    "LD_RUN_PATH",
    "LDEMULATION",
    "SOURCE_DATE_EPOCH",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
    "INCLUDE",
    "LIB",
    "CL",
    "_CL_",
    "LINK",
    "_LINK_",
];

/// The environment of the process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// All variables, which the processes of a worker or an engine inherit.
    pub variables: Variables,
    /// `CC`.
    pub cc: Option<OsString>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// The working directory, the base of relative programs.
    pub dir: PathBuf,
    /// Directories for temporary files, best first.
    pub temp_dirs: Vec<PathBuf>,
    /// The variables with directories and options for compilers and linkers, as far as they are set.
    pub compiler_variables: Vec<(&'static str, OsString)>,
    /// `MJIT_CC_CACHE`: `on`, `off` or a directory.
    pub cache: Option<OsString>,
    /// `MJIT_CC_CACHE_SIZE`, such as `5G`.
    pub cache_size: Option<OsString>,
    /// The user's directory for caches, by the system's convention.
    pub cache_home: Option<PathBuf>,
    /// `MJIT_CC_LAUNCHER`; one element or empty.
    pub launcher: Option<OsString>,
    /// `CCACHE_SLOPPINESS`, to which this crate adds the settings for a PCH.
    pub ccache_sloppiness: Option<OsString>,
}

impl Environment {
    /// Reads the environment of this process, completely and on this thread: in a host, other threads may change it later.
    #[must_use]
    pub fn read() -> Self {
        let variables = env::vars_os().collect();
        let cache_home = etcetera::base_strategy::choose_native_strategy().ok().map(|places| places.cache_dir());
        Self { cache_home, ..Self::of(variables, &[env::temp_dir()], env::home_dir()) }
    }

    /// Uses these variables as the environment, and does not read the environment of this process.
    #[must_use]
    pub fn from_variables(variables: Variables) -> Self {
        let home = variables.get("HOME").map(PathBuf::from);
        let cache_home = variables.get("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let cache_home = cache_home.or_else(|| Some(home.as_ref()?.join(".cache")));
        Self { cache_home, ..Self::of(variables, &[], home) }
    }

    fn of(variables: Variables, usual: &[PathBuf], home: Option<PathBuf>) -> Self {
        let set = |name| variables.get(name).map(OsStr::to_owned).filter(|value| !value.is_empty());
        let mut temp_dirs: Vec<PathBuf> =
            ["TMPDIR", "TMP", "TEMP"].into_iter().filter_map(set).map(Into::into).collect();
        temp_dirs.extend_from_slice(usual);
        // Often usable if the configured directory is not, or is mounted noexec. Missing directories do no harm.
        temp_dirs.extend(["/tmp", "/var/tmp"].map(PathBuf::from));
        temp_dirs.extend(set("XDG_RUNTIME_DIR").map(PathBuf::from));
        temp_dirs.extend(set("XDG_CACHE_HOME").map(PathBuf::from));
        temp_dirs.extend(home.map(|home| home.join(".cache")));
        let mut seen = Vec::new();
        temp_dirs.retain(|dir| {
            !seen.contains(dir) && {
                seen.push(dir.clone());
                true
            }
        });
        Self {
            cc: set("CC"),
            path: set("PATH"),
            dir: env::current_dir().unwrap_or_default(),
            temp_dirs,
            compiler_variables: COMPILER_VARIABLES
                .into_iter()
                .filter_map(|name| set(name).map(|value| (name, value)))
                .collect(),
            cache: set("MJIT_CC_CACHE"),
            cache_size: set("MJIT_CC_CACHE_SIZE"),
            cache_home: None,
            launcher: set("MJIT_CC_LAUNCHER"),
            ccache_sloppiness: set("CCACHE_SLOPPINESS"),
            variables,
        }
    }

    /// Returns all programs of this name, in the order of `PATH`; a name with a separator is a path.
    pub fn programs(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        which::which_in_all(name, self.path.clone(), &self.dir).into_iter().flatten()
    }

    /// Returns the package manager of this machine.
    #[must_use]
    pub fn package_manager(&self) -> Option<PackageManager> {
        PackageManager::PROGRAMS
            .iter()
            .find(|(program, _)| self.programs(OsStr::new(program)).next().is_some())
            .map(|&(_, manager)| manager)
    }
}
