//! One run of the tool over a batch, and everything that can be seen of what it made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSymbol};
use serde_json::Value;

use crate::host::Host;
use crate::outcome::Outcome;
use crate::program::Batch;
use crate::support::text;

/// How a batch is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A library each.
    Alone,
    /// One library, an object for each unit.
    Compact,
    /// One library, an object for several units.
    Merged,
}

impl Way {
    fn words(self, unity: &'static str) -> Vec<&'static str> {
        match self {
            Self::Alone => vec!["--unity", "off"],
            Self::Compact => vec!["--compact", "--unity", "off"],
            Self::Merged => vec!["--compact", "--unity", unity],
        }
    }
}

/// What compiles, and what calls.
pub struct Bench {
    pub tool: PathBuf,
    pub host: Host,
}

impl Bench {
    /// Compiles a batch, which stands in `dir`, and calls it.
    pub fn try_out(&self, batch: &Batch, dir: &Path, way: Way) -> Outcome {
        let out = dir.join(format!("{way:?}").to_lowercase());
        let _ = fs::remove_dir_all(&out);
        let output = self.compile(batch, dir, &out, way);
        let mut outcome = Outcome::default();
        outcome.see("exit", "tool", output.status.code().map_or("killed".to_owned(), |code| code.to_string()));
        let mut libraries = report(&out, &mut outcome);
        diagnostics(&output.stdout, &mut outcome);
        for library in &libraries {
            undefined(&out.join(library), &mut outcome);
        }
        libraries.retain(|library| out.join(library).exists());
        let paths: Vec<PathBuf> = libraries.iter().map(|library| out.join(library)).collect();
        let entries: Vec<&str> = batch.entries().collect();
        outcome.hear(&self.host.call(&paths, &entries, dir));
        outcome.merged = merged(&out, batch);
        if output.status.code().is_none_or(|code| code > 1) {
            outcome.see("words", "tool", text(&output.stderr));
        }
        outcome
    }

    fn compile(&self, batch: &Batch, dir: &Path, out: &Path, way: Way) -> std::process::Output {
        let mut tool = Command::new(&self.tool);
        for name in ["CC", "CPATH", "C_INCLUDE_PATH", "MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "MJIT_CC_LAUNCHER"] {
            tool.env_remove(name);
        }
        tool.current_dir(dir).args(["compile", "-k", "-j1", "--message-format", "json", "--header", "header.h"]);
        tool.args(["--cc", batch.cc, "--timeout", "60", "--out-dir"])
            .arg(out)
            .args(way.words(batch.unity))
            .args(&batch.flags);
        // What is compiled for `Alone` is there for `Compact`; nothing that was compiled alone is there for `Merged`.
        if way == Way::Merged {
            tool.args(["--cache", "off"]);
        } else {
            tool.arg("--cache").arg(dir.join("cache"));
        }
        tool.args(batch.units().map(|unit| &unit.path));
        tool.stdin(Stdio::null()).output().unwrap()
    }
}

/// Reads `units.json`; gives the libraries in the order of their units.
fn report(out: &Path, outcome: &mut Outcome) -> Vec<String> {
    let mut libraries: Vec<String> = Vec::new();
    let report: Value = match fs::read(out.join("units.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(error) => {
            outcome.see("report", "units.json", error.to_string());
            return libraries;
        }
    };
    for unit in report["units"].as_array().unwrap() {
        let path = unit["unit"].as_str().unwrap();
        outcome.see("status", path, unit["status"].to_string());
        let mut symbols: Vec<&str> = unit["symbols"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        outcome.see("symbol-order", path, symbols.join(" "));
        symbols.sort_unstable();
        outcome.see("symbols", path, symbols.join(" "));
        if let Some(library) = unit["library"].as_str().map(str::to_owned)
            && !libraries.contains(&library)
        {
            libraries.push(library);
        }
    }
    libraries
}

fn diagnostics(stdout: &[u8], outcome: &mut Outcome) {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text(stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            outcome.see("messages", "tool", line.to_owned());
            continue;
        };
        if message["event"] == "diagnostic" {
            let [file, line, severity, text] = ["file", "line", "severity", "text"].map(|name| &message[name]);
            let unit = message["unit"].as_str().unwrap_or("none").to_owned();
            found.entry(unit).or_default().push(format!("{file}:{line}: {severity}: {text}"));
        }
    }
    for (unit, mut lines) in found {
        lines.sort();
        outcome.see("diagnostics", &unit, lines.join("\n"));
    }
}

fn undefined(library: &Path, outcome: &mut Outcome) {
    let Ok(bytes) = fs::read(library) else { return };
    let file = object::File::parse(&*bytes).unwrap();
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_undefined) {
        if let Ok(name) = symbol.name()
            && !name.is_empty()
        {
            outcome.see("undefined", name, if symbol.is_weak() { "weak" } else { "strong" }.to_owned());
        }
    }
}

/// The units whose entries stand in an object with those of another unit.
fn merged(out: &Path, batch: &Batch) -> BTreeSet<String> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for unit in batch.units() {
        for entry in unit.items.iter().flat_map(|item| &item.entries) {
            owners.insert(entry, &unit.path);
        }
    }
    let mut merged = BTreeSet::new();
    let Ok(objects) = fs::read_dir(out.join(".mjit-cc/objects")) else { return merged };
    for object in objects.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "o")) {
        let bytes = fs::read(object).unwrap();
        let Ok(file) = object::File::parse(&*bytes) else { continue };
        let names = file.symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
        let units: BTreeSet<&str> = names.filter_map(|symbol| owners.get(symbol.name().ok()?).copied()).collect();
        if units.len() > 1 {
            merged.extend(units.into_iter().map(str::to_owned));
        }
    }
    merged
}
