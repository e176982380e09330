//! The object cache: what it gives back in which output directory, process and compiler; that nothing damaged comes out of it, and that
//! nothing fails because of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compile::{Fake, Place, Runs, fields};
use crate::support::{self, need, run, text};

/// Two units; the fake compiler before gcc; and a cache.
struct Project {
    place: Place,
    fake: Fake,
    cache: TempDir,
}

impl Project {
    fn new() -> Self {
        Self { place: Place::with_two_units(), fake: Fake::of("gcc"), cache: tempfile::tempdir().unwrap() }
    }

    fn tool(&self, words: &[&str]) -> Command {
        let mut command = self.place.tool(&["compile", "--compact"]);
        command.arg("--cache").arg(self.cache.path()).args(words);
        command.arg("--header").arg(self.place.join("h.h")).args(["a.c", "b.c"].map(|unit| self.place.join(unit)));
        command
    }

    /// Runs the tool and says which compilers it started.
    #[track_caller]
    fn again(&self, words: &[&str]) -> Runs {
        run(self.fake.behind(&mut self.tool(words)), 0);
        self.fake.runs()
    }

    /// The same without what the output directory remembers.
    #[track_caller]
    fn anew(&self, words: &[&str]) -> Runs {
        let _ = fs::remove_dir_all(self.place.join("out"));
        self.again(words)
    }

    fn fields(&self, name: &str) -> Vec<Value> {
        fields(&self.place.join("out"), name)
    }

    fn stats(&self) -> Value {
        let mut command = self.place.tool(&["cache", "stats", "--message-format", "json", "--cache"]);
        serde_json::from_slice(&run(command.arg(self.cache.path()), 0).stdout).unwrap()
    }

    /// Every object that is kept.
    fn entries(&self) -> Vec<PathBuf> {
        let pattern = self.cache.path().join("v1/??/*");
        glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).collect()
    }
}

/// What the tool says, with `-v`.
fn said(command: &mut Command) -> String {
    text(&run(command.arg("-v"), 0).stderr)
}

#[test]
fn an_output_directory_that_is_gone_is_filled_from_the_cache() {
    need!("gcc");
    let project = Project::new();
    assert_eq!(project.anew(&[]).counts(), (1, 2, 1));
    assert_eq!(project.fields("cached"), [false, false]);
    let symbols = project.fields("symbols");
    assert_eq!(project.anew(&[]).counts(), (1, 0, 1));
    assert_eq!((project.fields("status"), project.fields("cached")), (vec![json!("reused"); 2], vec![json!(true); 2]));
    assert_eq!(project.fields("symbols"), symbols);
    // What the output directory has needs no cache.
    assert_eq!(project.again(&[]).counts(), (0, 0, 0));
    assert_eq!(project.fields("cached"), [false, false]);
    let said = said(&mut project.tool(&["--out-dir", "third"]));
    assert!(said.contains("a.c: built in"), "another compiler: {said}");
    let said = self::said(project.fake.behind(&mut project.tool(&["--out-dir", "fourth"])));
    assert!(said.contains("a.c: taken from the cache in") && said.contains("2 reused (2 from the cache)"), "{said}");
}

#[test]
fn without_being_asked_for_there_is_no_cache() {
    need!("gcc");
    let project = Project::new();
    project.anew(&["--cache", "off"]);
    assert!(project.entries().is_empty());
    let mut command = project.tool(&["--cache", "off"]);
    run(project.fake.behind(&mut command).env("MJIT_CC_CACHE", project.cache.path()), 0);
    assert!(project.entries().is_empty());
    let mut command = project.place.tool(&["compile", "b.c", "-DONE=1", "--out-dir", "other"]);
    run(command.env("MJIT_CC_CACHE", project.cache.path()), 0);
    assert_eq!(project.entries().len(), 1);
}

#[test]
fn the_cache_serves_other_working_and_output_directories() {
    need!("gcc");
    let project = Project::new();
    project.anew(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    run(project.fake.behind(project.tool(&[]).current_dir(elsewhere.path())), 0);
    assert_eq!(project.fake.runs().counts(), (1, 0, 1));
    assert_eq!(fields(&elsewhere.path().join("out"), "cached"), [true, true]);
    // The working directory is in debug information.
    project.anew(&["-g"]);
    fs::remove_dir_all(elsewhere.path().join("out")).unwrap();
    run(project.fake.behind(project.tool(&["-g"]).current_dir(elsewhere.path())), 0);
    assert_eq!(project.fake.runs().counts(), (1, 2, 1));
}

#[test]
fn whatever_goes_into_an_object_makes_another_one_and_the_first_one_stays() {
    need!("gcc");
    let project = Project::new();
    assert_eq!(project.anew(&[]).compile.len(), 2);
    for (file, other, compiled) in [
        ("own.h", "#define OWN 2\n", 1),
        ("below.h", "#define ONE 2\n", 2),
        ("h.h", "#define ONE 3\n", 2),
        ("b.c", "int b(void) { return 4; }\n", 1),
    ] {
        let first = fs::read_to_string(project.place.join(file)).unwrap();
        project.place.write(file, other);
        assert_eq!(project.anew(&[]).compile.len(), compiled, "another {file}");
        assert_eq!(project.anew(&[]).compile.len(), 0, "another {file}, again");
        project.place.write(file, first);
        assert_eq!(project.anew(&[]).compile.len(), 0, "{file} as it was");
    }
    for flag in ["-DX", "-O1", "-g", "--cflag=-fwrapv", "-Isome"] {
        assert_eq!(project.anew(&[flag]).compile.len(), 2, "{flag}");
        assert_eq!(project.anew(&[flag]).compile.len(), 0, "{flag}, again");
    }
    assert_eq!(project.anew(&[]).compile.len(), 0);
}

#[test]
fn files_that_flags_name_are_looked_into() {
    need!("gcc");
    let project = Project::new();
    let flag = format!("--cflag=@{}", project.place.join("flags").display());
    for (flags, compiled) in [("-DX=1", 2), ("-DX=2", 2), ("-DX=1", 0)] {
        project.place.write("flags", flags);
        assert_eq!(project.anew(&[&flag]).compile.len(), compiled, "{flags}");
    }
}

#[test]
fn what_is_good_for_one_build_only_is_not_kept() {
    need!("gcc");
    let project = Project::new();
    project.place.write("b.c", "const char *b(void) { return __TIME__; }\n");
    assert_eq!(project.anew(&[]).compile.len(), 2);
    assert_eq!(project.anew(&[]).compile.len(), 1);
    // MinGW's has other libraries behind it.
    if cfg!(unix) {
        assert_eq!(project.anew(&["--cflag=-fprofile-arcs", "--ldflag=-lgcov", "--ldflag=-lc"]).compile.len(), 2);
    }
    assert_eq!(project.entries().len(), 1);
}

#[test]
fn an_entry_that_is_damaged_is_made_again() {
    need!("gcc");
    let project = Project::new();
    project.anew(&[]);
    let whole: Vec<Vec<u8>> = project.entries().iter().map(|path| fs::read(path).unwrap()).collect();
    let last_bit = |bytes: &[u8]| [&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat();
    for damage in [&last_bit as &dyn Fn(&[u8]) -> Vec<u8>, &|bytes| bytes[..bytes.len() / 2].to_vec(), &|_| Vec::new()]
    {
        project.entries().iter().zip(&whole).for_each(|(path, bytes)| fs::write(path, damage(bytes)).unwrap());
        assert_eq!(project.anew(&[]).compile.len(), 2);
        assert_eq!(project.entries().len(), 2);
        assert_eq!(project.anew(&[]).compile.len(), 0);
    }
}

#[test]
fn two_processes_fill_one_cache_at_once() {
    need!("gcc");
    let project = Project::new();
    let tool = |out: &str| {
        let mut command = project.place.tool(&["compile", "-j2", "--out-dir", out, "--cache"]);
        command.arg(project.cache.path()).arg("--header").arg(support::fixture("vm.h")).args(support::fixture_units());
        command
    };
    let running = ["one", "two"].map(|out| tool(out).stderr(std::process::Stdio::null()).spawn().unwrap());
    running.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    assert_eq!(project.stats()["entries"], 24);
    run(&mut tool("three"), 0);
    assert_eq!(fields(&project.place.join("three"), "cached"), vec![json!(true); 24]);
}

#[test]
fn a_cache_that_cannot_be_used_is_no_failure() {
    need!("gcc");
    let project = Project::new();
    project.place.write("file", "");
    let path = project.place.join("file");
    let mut tool = project.tool(&["--cache", path.to_str().unwrap()]);
    assert_eq!(text(&run(&mut tool, 0).stderr).matches("cache").count(), 0);
    fs::remove_dir_all(project.place.join("out")).unwrap();
    let said = said(&mut project.tool(&["--cache", path.to_str().unwrap()]));
    assert_eq!(said.matches("object cache").count(), 1, "{said}");
}

/// A file system of few bytes on a directory; gone with this. None where it cannot be, for want of root.
#[cfg(target_os = "linux")]
struct Tiny<'a>(&'a Path);

#[cfg(target_os = "linux")]
impl<'a> Tiny<'a> {
    fn on(dir: &'a Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k,mode=700", "tmpfs"]).arg(dir).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        support::skip("cannot mount a file system");
        None
    }

    fn make_read_only(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.0), 0);
    }
}

#[cfg(target_os = "linux")]
impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.0), 0);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_cache_that_is_full_or_read_only_gives_what_it_has() {
    need!("gcc");
    let project = Project::new();
    let Some(tiny) = Tiny::on(project.cache.path()) else { return };
    project.anew(&[]);
    let kept = project.entries().len();
    assert_eq!(kept, 2);
    fs::write(project.cache.path().join("fill"), vec![0; 32 << 10]).unwrap_err();
    fs::remove_dir_all(project.place.join("out")).unwrap();
    let said = said(project.fake.behind(&mut project.tool(&["-DX"])));
    assert_eq!(said.matches("object cache").count(), 1, "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert_eq!(project.entries().len(), kept);
    project.fake.runs();
    assert_eq!(project.anew(&[]).compile.len(), 0);
    tiny.make_read_only();
    assert_eq!(project.anew(&[]).compile.len(), 0);
    fs::remove_dir_all(project.place.join("out")).unwrap();
    let said = self::said(project.fake.behind(&mut project.tool(&["-DX"])));
    assert!(said.contains("Read-only"), "{said}");
}

#[test]
fn what_was_not_used_for_longest_goes() {
    need!("gcc");
    let project = Project::new();
    project.anew(&[]);
    let entries = project.entries();
    let of = |unit: &str| entries.iter().find(|path| text(&fs::read(path).unwrap()).contains(unit)).unwrap();
    let ago = |path: &Path, days: u64| {
        let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let (a, b) = (of("\"symbols\":[\"a\"]"), of("\"symbols\":[\"b\"]"));
    ago(a, 3);
    ago(b, 2);
    let manage = |words: &[&str]| {
        text(&run(project.place.tool(&["cache"]).args(words).arg("--cache").arg(project.cache.path()), 0).stdout)
    };
    assert_eq!(manage(&["gc"]), "removed 0 objects, 0 B\n");
    // Using them makes the older one the younger one.
    project.anew(&[]);
    ago(b, 2);
    assert_eq!(manage(&["gc", "--max-size", "8191"]), "removed 1 object, 4.0 KiB\n");
    assert!(a.exists() && !b.exists());
    assert_eq!(project.stats()["entries"], 1);
    assert_eq!(manage(&["clear"]), "removed 1 object, 4.0 KiB\n");
    assert_eq!(manage(&["clear"]), "removed 0 objects, 0 B\n");
    assert_eq!(project.anew(&[]).compile.len(), 2);
}

#[test]
fn a_cache_stays_below_its_size() {
    need!("gcc");
    let project = Project::new();
    let mut command = project.place.tool(&["compile", "--max-size", "20k", "--cache"]);
    command.arg(project.cache.path()).arg("--header").arg(support::fixture("vm.h")).args(support::fixture_units());
    run(&mut command, 0);
    let stats = project.stats();
    assert!((4096..=20 * 1024).contains(&stats["bytes"].as_u64().unwrap()), "{stats}");
    assert_eq!(stats["dir"], project.cache.path().to_str().unwrap());
    let mut command = project.place.tool(&["compile", "b.c", "--max-size", "big"]);
    assert!(text(&run(&mut command, 2).stderr).contains("'big' is not a size"));
}

/// A compiler that is a script before gcc, and answers for itself what its processor is: `CPU`.
#[cfg(unix)]
fn script(place: &Place, name: &str, more: &str) {
    use std::os::unix::fs::PermissionsExt;
    let answer = "case \"$*\" in *-###*) echo \" cc1 -march=$CPU\"; exit 0;; esac";
    place.write(name, format!("#!/bin/sh\n{answer}\n{more}\nexec gcc \"$@\"\n"));
    fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
impl Project {
    fn status_with(&self, cc: &str, words: &[&str], cpu: &str) -> Value {
        run(self.tool(words).arg("--cc").arg(self.place.join(cc)).env("CPU", cpu), 0);
        match self.fields("cached")[0] {
            Value::Bool(true) => json!("cached"),
            _ => self.fields("status")[0].clone(),
        }
    }
}

#[test]
#[cfg(unix)]
fn a_compiler_is_what_it_contains_and_not_where_it_lies() {
    need!("gcc");
    let project = Project::new();
    let status = |cc: &str| {
        let _ = fs::remove_dir_all(project.place.join("out"));
        project.status_with(cc, &[], "")
    };
    script(&project.place, "cc1/gcc", "");
    script(&project.place, "cc2/gcc", "");
    assert_eq!([status("cc1/gcc"), status("cc1/gcc"), status("cc2/gcc")], ["built", "cached", "cached"]);
    script(&project.place, "cc1/gcc", "# updated");
    assert_eq!([status("cc1/gcc"), status("cc1/gcc"), status("cc2/gcc")], ["built", "cached", "cached"]);
}

#[test]
#[cfg(unix)]
fn native_means_the_processor_that_it_is() {
    need!("gcc");
    let project = Project::new();
    script(&project.place, "gcc", "");
    let status = |cpu: &str| project.status_with("gcc", &["--cflag=-march=native"], cpu);
    // In one output directory, as on a file server.
    assert_eq!([status("old"), status("old"), status("new")], ["built", "reused", "built"]);
    fs::remove_dir_all(project.place.join("out")).unwrap();
    assert_eq!([status("new"), status("old")], ["cached", "cached"]);
}
