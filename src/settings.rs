//! The directory and the size of a cache, parsed from the user's settings. Touches no file.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::discover::Environment;

/// The default maximum size of a cache in bytes: 5 GiB, as in ccache.
pub const DEFAULT_MAX_SIZE: u64 = 5 << 30;

/// A cache's directory and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachePlace {
    /// The directory. Created with the first entry.
    pub dir: PathBuf,
    /// The maximum size; exceeded for a moment before the oldest entries are removed.
    pub max_size: Size,
}

/// Why a user's setting of a cache is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheSettingError {
    /// No default directory is known.
    #[error("no cache directory is known, because this user has no home directory: name a cache directory")]
    Nowhere,
    /// The text is not a size.
    #[error("'{0}' is not a size: expected a number with k, M, G or T, such as 5G, or with Ki, Mi, Gi or Ti")]
    Size(String),
}

impl CachePlace {
    /// Chooses by `spec` and `size`, or else by the environment: `on` is the system's usual directory, `off` and an
    /// empty setting disable the
    /// cache, any other value is a directory. Returns `None` if the cache is disabled.
    ///
    /// # Errors
    /// [`CacheSettingError`] if a setting is invalid.
    pub fn choose(
        spec: Option<&OsStr>,
        size: Option<Size>,
        environment: &Environment,
    ) -> Result<Option<Self>, CacheSettingError> {
        let Some(spec) = spec.or(environment.cache.as_deref()).filter(|spec| *spec != "off") else { return Ok(None) };
        let dir = match spec {
            spec if spec == "on" => usual_dir(environment)?,
            // Relative to the current directory, which may change later.
            dir => std::path::absolute(dir).unwrap_or_else(|_| dir.into()),
        };
        let set = || environment.cache_size.as_deref().map(|text| text.to_string_lossy().parse()).transpose();
        let max_size = size.map_or_else(set, |size| Ok(Some(size)))?.unwrap_or_default();
        Ok(Some(Self { dir, max_size }))
    }
}

/// Returns `~/.cache/mjit-cc`, `~/Library/Caches/mjit-cc`, or `%LOCALAPPDATA%\mjit-cc`.
fn usual_dir(environment: &Environment) -> Result<PathBuf, CacheSettingError> {
    environment.cache_home.as_ref().map(|home| home.join("mjit-cc")).ok_or(CacheSettingError::Nowhere)
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Default for Size {
    fn default() -> Self {
        Self(DEFAULT_MAX_SIZE)
    }
}

const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl FromStr for Size {
    type Err = CacheSettingError;

    fn from_str(text: &str) -> Result<Self, CacheSettingError> {
        let wrong = || CacheSettingError::Size(text.to_owned());
        let lower = text.trim().to_lowercase();
        let plain = lower.strip_suffix('b').unwrap_or(&lower);
        let unit = UNITS.iter().find_map(|(name, bytes)| Some((plain.strip_suffix(&name.to_lowercase())?, *bytes)));
        let (number, unit) = unit.unwrap_or((plain, 1));
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = number * unit as f64;
        // Excludes NaN too.
        if !(1.0..1e18).contains(&bytes) {
            return Err(wrong());
        }
        Ok(Self(bytes as u64))
    }
}

/// Formats the size as `du -h` does.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS[..4].iter().rev().find(|(_, unit)| self.0 >= *unit).unwrap_or(&("", 1));
        if *unit == 1 { write!(f, "{} B", self.0) } else { write!(f, "{:.1} {name}B", self.0 as f64 / *unit as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("1", 1),
            ("5G", 5_000_000_000),
            ("5GiB", 5 << 30),
            ("1.5 k", 1500),
            ("10mb", 10_000_000),
            ("2Ti", 2 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "G", "0", "-1", "5X", "nan", "1e30"] {
            assert_eq!(text.parse::<Size>(), Err(CacheSettingError::Size(text.into())), "{text}");
        }
        assert_eq!([Size(5 << 30), Size(1536), Size(3)].map(|size| size.to_string()), ["5.0 GiB", "1.5 KiB", "3 B"]);
    }

    #[test]
    fn a_cache_is_asked_for() {
        let silent = Environment { cache_home: Some("/home/u/.cache".into()), ..Environment::default() };
        let choose = |spec: Option<&str>, environment: &Environment| {
            CachePlace::choose(spec.map(OsStr::new), None, environment).map(|place| place.map(|place| place.dir))
        };
        assert_eq!(choose(None, &silent), Ok(None));
        assert_eq!(choose(Some("on"), &silent), Ok(Some("/home/u/.cache/mjit-cc".into())));
        let set = Environment { cache: Some("on".into()), cache_size: Some("1M".into()), ..silent.clone() };
        let place = CachePlace::choose(None, None, &set).unwrap().unwrap();
        assert_eq!(place.max_size, Size(1_000_000));
        assert_eq!(choose(Some("off"), &set), Ok(None));
        assert_eq!(choose(Some("on"), &Environment::default()), Err(CacheSettingError::Nowhere));
    }
}
