//! Another user plants names in a directory that both may write to, or owns what the tool is told to use. Files of the victim's stay as they
//! are, the run ends, and nothing of the other user's is run. The superuser is the victim; the attacker is the user with the
//! name `nobody`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::programs::program;
use crate::stage::{Ended, Stage};
use crate::support::{need, run};
use crate::tally::Tally;

const NOBODY: &str = "65534";

fn as_nobody(words: &[&OsStr]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).args(words);
    command
}

/// Runs a line of the shell in a directory, as the user with the name `nobody`.
fn plant(dir: &Path, line: &str) {
    run(as_nobody(&["sh", "-ec", line].map(OsStr::new)).current_dir(dir), 0);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A stage whose temporary directory is everybody's, as `/tmp` is, and a directory of the victim's with files that look like scratch.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.open_to_all();
    mode(&stage.path("tmp"), 0o1777);
    let victim = stage.path("others/victim");
    fs::create_dir(&victim).unwrap();
    for name in ["lock", "precious", "vm.pch.gch"] {
        fs::write(victim.join(name), "the victim's\n").unwrap();
    }
    for number in 0..200 {
        fs::write(victim.join(format!("many-{number}")), "the victim's\n").unwrap();
    }
    fs::create_dir(victim.join("folder")).unwrap();
    fs::write(victim.join("folder/precious"), "the victim's\n").unwrap();
    stage.others_changed();
    stage
}

/// What is wrong after a run beside planted names, which stay as they belong to another.
fn wrong(stage: &Stage, ended: &Ended, codes: &[i32]) -> Vec<String> {
    let mut wrongs = stage.unclear(ended, codes);
    let foreign = |line: &String| {
        !line.starts_with("left in TMPDIR: \"mjit-cc-x") && !line.starts_with("left in TMPDIR: \"mjit-cc-y")
    };
    wrongs.extend(stage.left_behind().into_iter().filter(foreign));
    wrongs
}

fn may_attack(tally: &mut Tally) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root || !as_nobody(&["true"].map(OsStr::new)).output().is_ok_and(|output| output.status.success()) {
        tally.skip("all", "wants the superuser and setpriv");
        return false;
    }
    true
}

#[test]
fn names_are_planted_in_the_temporary_directory() {
    need!("gcc");
    let mut tally = Tally::new("planted");
    if !may_attack(&mut tally) {
        return tally.finish();
    }
    let plants = [
        ("fifo", "mkdir mjit-cc-x; mkfifo mjit-cc-x/lock"),
        ("private-fifo", "mkdir -m 700 mjit-cc-x; mkfifo mjit-cc-x/lock"),
        ("link-to-directory", "ln -s ../others/victim mjit-cc-x"),
        ("link-as-lock", "mkdir mjit-cc-x; ln -s ../../others/victim/lock mjit-cc-x/lock"),
        ("link-inside", "mkdir mjit-cc-x; : > mjit-cc-x/lock; ln -s ../../others/victim mjit-cc-x/folder"),
        ("device-as-lock", "mkdir mjit-cc-x; ln -s /dev/tty mjit-cc-x/lock"),
        ("directory-as-lock", "mkdir -p mjit-cc-x/lock"),
        ("deep", "p=mjit-cc-x; mkdir $p; : > $p/lock; for i in $(seq 300); do p=$p/d; mkdir $p; done"),
        ("file", ": > mjit-cc-x"),
        ("without-lock", "mkdir mjit-cc-x; : > mjit-cc-x/locking"),
    ];
    for (name, line) in plants {
        let stage = stage();
        plant(&stage.path("tmp"), line);
        let ended = stage.run(&mut stage.compile());
        let mut wrongs = wrong(&stage, &ended, &[]);
        if name != "link-to-directory" && !stage.path("tmp/mjit-cc-x").exists() {
            wrongs.push("removed what belongs to another user".to_owned());
        }
        tally.note(name, wrongs);
    }
    tally.finish();
}

/// Ends the attacker with the test.
struct Attacker(Child);

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_directory_is_exchanged_for_a_link_while_it_is_swept() {
    need!("gcc");
    let mut tally = Tally::new("exchanged");
    if !may_attack(&mut tally) {
        return tally.finish();
    }
    // The attacker may run nothing in a target directory that is not open to all.
    let copied = tempfile::tempdir().unwrap();
    mode(copied.path(), 0o755);
    let exchange = copied.path().join("exchange");
    fs::copy(program("exchange"), &exchange).unwrap();
    for round in 0..if crate::tally::all() { 200 } else { 15 } {
        let stage = stage();
        let tmp = stage.path("tmp");
        plant(
            &tmp,
            "mkdir mjit-cc-x; : > mjit-cc-x/lock; mkdir mjit-cc-x/folder; cd mjit-cc-x; for i in $(seq 0 199); do : > many-$i; done; cd ..; ln -s ../others/victim mjit-cc-y",
        );
        let words = [exchange.as_os_str(), OsStr::new("mjit-cc-x"), OsStr::new("mjit-cc-y")];
        let attacker = Attacker(as_nobody(&words).current_dir(&tmp).stderr(Stdio::null()).spawn().unwrap());
        let ended = stage.run(&mut stage.compile());
        drop(attacker);
        tally.note(round.to_string(), wrong(&stage, &ended, &[]));
    }
    tally.finish();
}

#[test]
fn links_are_planted_where_the_tool_writes() {
    need!("gcc");
    let mut tally = Tally::new("links");
    if !may_attack(&mut tally) {
        return tally.finish();
    }
    // A name below `work` that the other user plants, and the directories above it that are open to all.
    let file = |name: &str| (name.to_owned(), PathBuf::from("others/victim/precious"));
    let dir = |name: &str| (name.to_owned(), PathBuf::from("others/victim"));
    let missing = |name: &str| (name.to_owned(), PathBuf::from("others/made-through-a-link"));
    let mut plants = Vec::new();
    for name in ["pch/vm.pch.gch.json", "pch/vm.pch.gch", "lock"] {
        plants.push(file(&format!("out/.mjit-cc/{name}")));
        plants.push(missing(&format!("out/.mjit-cc/{name}")));
    }
    plants.extend(["units.so", "units.json", "first.so"].map(|name| file(&format!("out/{name}"))));
    plants.extend(["tmp", "src", "objects", "libraries", "pch"].map(|name| dir(&format!("out/.mjit-cc/{name}"))));
    plants.extend([file("timings.html"), file("trace.json")]);
    for (name, target) in plants {
        let stage = stage();
        let path = stage.path("work").join(&name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        for part in ["out", "out/.mjit-cc", "out/.mjit-cc/pch"] {
            if stage.path("work").join(part).is_dir() {
                mode(&stage.path("work").join(part), 0o777);
            }
        }
        mode(parent, 0o777);
        let target = stage.path("").join(&target);
        run(&mut as_nobody(&[OsStr::new("ln"), OsStr::new("-s"), target.as_os_str(), path.as_os_str()]), 0);
        let mut command = stage.compile();
        match name.as_str() {
            "timings.html" => drop(command.arg("--timings=timings.html")),
            "trace.json" => drop(command.args(["--trace", "trace.json"])),
            _ => {}
        }
        let ended = stage.run(&mut command);
        let mut wrongs = stage.unclear(&ended, &[4]);
        for victim in ["lock", "precious", "vm.pch.gch", "folder/precious"] {
            if fs::read(stage.path("others/victim").join(victim)).ok().as_deref() != Some(b"the victim's\n") {
                wrongs.push(format!("the victim's {victim} was touched"));
            }
        }
        if stage.path("others/made-through-a-link").exists() {
            wrongs.push("a file was made through a link".to_owned());
        }
        if fs::read_dir(stage.path("others/victim")).unwrap().count() != 204 {
            wrongs.push("a file was made in the victim's directory".to_owned());
        }
        wrongs.extend(stage.living());
        let kind = target.strip_prefix(stage.path("")).unwrap().display().to_string();
        tally.note(format!("{name}/{kind}"), wrongs);
    }
    tally.finish();
}

#[test]
fn a_cache_that_others_may_write_to_is_refused() {
    need!("gcc");
    let mut tally = Tally::new("caches");
    if !may_attack(&mut tally) {
        return tally.finish();
    }
    type Change = fn(&Path);
    let owner: Change = |path| drop(run(Command::new("chown").arg(NOBODY).arg(path), 0));
    let world: Change = |path| mode(path, 0o777);
    let sticky: Change = |path| mode(path, 0o1777);
    let group: Change = |path| {
        run(Command::new("chgrp").arg(NOBODY).arg(path), 0);
        mode(path, 0o770);
    };
    let link: Change = |path| {
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).unwrap();
        run(&mut as_nobody(&["true"].map(OsStr::new)), 0);
        symlink(&moved, path).unwrap();
        run(Command::new("chown").arg("-h").arg(NOBODY).arg(path), 0);
        run(Command::new("chown").arg(NOBODY).arg(moved), 0);
    };
    for (name, change) in [
        ("another-owner", owner),
        ("world", world),
        ("sticky", sticky),
        ("group", group),
        ("link-to-another-owner", link),
    ] {
        for part in ["cache", "cache/v1", "cache/v1/compilers"] {
            let stage = stage();
            assert_eq!(stage.run(&mut stage.compile()).code, Some(0));
            fs::remove_dir_all(stage.out()).unwrap();
            change(&stage.path(part));
            let ended = stage.run(stage.compile().args(["--message-format", "json"]));
            let mut wrongs = stage.unclear(&ended, &[2, 4]);
            let said = format!("{}{}", ended.stdout, ended.stderr);
            if !said.contains("/cache") {
                wrongs.push("no word about the cache".to_owned());
            }
            if ended.stdout.contains("\"cached\":true") {
                wrongs.push("an object was taken out of the cache".to_owned());
            }
            tally.note(format!("{name}/{part}"), wrongs);
        }
    }
    tally.finish();
}

/// Whatever the process's mask is, what will be run is written by its owner alone.
#[test]
fn a_mask_that_forbids_nothing_opens_nothing() {
    need!("gcc");
    let mut tally = Tally::new("masks");
    for mask in ["000", "002", "022", "077"] {
        let stage = Stage::new();
        let line = format!("umask {mask}; exec \"$@\"");
        let words = ["sh", "-c", &line, "sh"].map(OsStr::new);
        let ended = stage.run(&mut stage.below(&words, &stage.compile()));
        let mut wrongs = stage.unclear(&ended, &[]);
        let pattern = format!("{}/**/*", stage.path("cache").display());
        let found = glob::glob(&pattern).unwrap().flatten().chain([stage.path("cache")]);
        for path in found {
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            // Files are as private as their directories.
            if path.is_dir() && mode & 0o077 != 0 {
                wrongs.push(format!("{}: {mode:o}", path.strip_prefix(stage.path("")).unwrap().display()));
            }
        }
        wrongs.extend(stage.wrong_next());
        tally.note(mask, wrongs);
    }
    tally.finish();
}
