//! The disk is full: file systems of each size, so that each write meets the end once, for the output directory, the cache and the temporary
//! directory; and a limit of a file's size. Where nothing can be mounted, only the limit is tried.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::stage::Stage;
use crate::support::{need, run, text};
use crate::tally::{Tally, choose};

/// Set in a process that may mount what it likes.
const INSIDE: &str = "MJIT_CC_ATTACK_MOUNTS";

/// The arguments in front of a command that give the command mounts of its own, as the superuser or in a user namespace; `None` if the system
/// allows neither.
fn own_mounts() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-rm"]];
    let dir = tempfile::tempdir().unwrap();
    ways.into_iter().find(|way| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["mount", "-t", "tmpfs", "none"]).arg(dir.path());
        command.output().is_ok_and(|output| output.status.success())
    })
}

fn mount(dir: &Path, size: &str) {
    fs::create_dir_all(dir).unwrap();
    let mut command = Command::new("mount");
    run(command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "none"]).arg(dir), 0);
}

fn grow(dir: &Path) {
    let mut command = Command::new("mount");
    run(command.args(["-o", "remount,size=256m"]).arg(dir), 0);
}

fn unmount(dir: &Path) {
    run(Command::new("umount").arg(dir), 0);
}

/// How much of a file system one run takes, in pages.
fn pages(part: &str) -> usize {
    let stage = Stage::new();
    let dir = stage.path(part);
    mount(&dir, "256m");
    assert_eq!(stage.run(&mut stage.compile()).code, Some(0));
    let output = run(Command::new("df").args(["--output=used", "-k"]).arg(&dir), 0);
    let used: usize = text(&output.stdout).lines().nth(1).unwrap().trim().parse().unwrap();
    unmount(&dir);
    // Files that are renamed into place are there only once; a temporary directory is empty in the end.
    used / 4 + if part == "tmp" { 600 } else { 60 }
}

fn full(part: &str, pages: usize) -> Vec<String> {
    let stage = Stage::new();
    let dir = stage.path(part);
    mount(&dir, &format!("{}k", pages * 4));
    let ended = stage.run(&mut stage.compile());
    let mut wrongs = stage.unclear(&ended, &[4]);
    wrongs.extend(stage.misleads(&ended));
    let names = stage.path("").display().to_string();
    if ended.code == Some(4) && !ended.stderr.contains(&names) && !ended.stderr.contains("out/") {
        wrongs.push(format!("names no file: {:?}", ended.stderr));
    }
    grow(&dir);
    wrongs.extend(stage.wrong_next());
    unmount(&dir);
    wrongs
}

#[test]
fn each_write_meets_a_full_disk() {
    need!("gcc", "unshare", "mount");
    let name = "disks::each_write_meets_a_full_disk";
    if std::env::var_os(INSIDE).is_some() {
        let mut tally = Tally::new("full-disks");
        for part in ["work/out", "cache", "tmp"] {
            for size in choose((1..=pages(part)).collect(), 10) {
                tally.note(format!("{part}/{size}"), full(part, size));
            }
        }
        return tally.finish();
    }
    let Some(way) = own_mounts() else {
        let mut tally = Tally::new("full-disks");
        tally.skip("all", "nothing can be mounted here; only the limit of a file's size is tried");
        return tally.finish();
    };
    let mut command = Command::new(way[0]);
    command
        .args(&way[1..])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1");
    let output = command.output().unwrap();
    let _ = std::io::stderr().write_all(&output.stderr);
    assert!(output.status.success(), "{}", text(&output.stdout));
}

/// No file may be longer: the system sends SIGXFSZ to a process that does not ignore it.
#[test]
fn each_file_meets_the_limit_of_its_size() {
    need!("gcc", "prlimit");
    let mut tally = Tally::new("file-sizes");
    // What is said on standard error goes to a file as well.
    let sizes = [512, 1024, 2048, 3072]
        .into_iter()
        .chain((1..64).map(|step| 4096 * step))
        .chain((1..40).map(|step| (1 << 18) + (step << 16)));
    for size in choose(sizes.collect(), 16) {
        let stage = Stage::new();
        let limit = format!("--fsize={size}");
        let words = ["prlimit", &limit].map(OsStr::new);
        let ended = stage.run(&mut stage.below(&words, &stage.compile()));
        let mut wrongs = stage.unclear(&ended, &[4]);
        wrongs.extend(stage.misleads(&ended));
        wrongs.extend(stage.wrong_next());
        tally.note(size.to_string(), wrongs);
    }
    tally.finish();
}
