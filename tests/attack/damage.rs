//! Each file that a finished output directory and cache hold is damaged, or something that is no file stands in its place. The next run heals it,
//! or says what to remove; it never takes a damaged file for a good one, never waits for a FIFO and never writes through a link.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::Stage;
use crate::support::{need, run};
use crate::tally::{Tally, choose};

/// What becomes of a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One byte differs, so many thousandths into the file.
    Flip(usize),
    /// The file ends there.
    Cut(usize),
    Longer,
    Empty,
    Gone,
    Directory,
    FullDirectory,
    Fifo,
    Socket,
    Dangling,
    Circle,
    Unreadable,
}

use Damage::{Circle, Cut, Dangling, Directory, Empty, Fifo, Flip, FullDirectory, Gone, Longer, Socket, Unreadable};

/// Where a link leads that has nothing at its end.
const THROUGH_A_LINK: &str = "others/made-through-a-link";

const REPLACED: [Damage; 8] = [Directory, FullDirectory, Fifo, Socket, Dangling, Circle, Gone, Unreadable];

fn kinds() -> Vec<Damage> {
    // Beginning, end, and places between.
    let places = [0, 1, 20, 100, 250, 333, 500, 666, 750, 900, 980, 999];
    let mut kinds: Vec<Damage> = places.map(Flip).into();
    kinds.extend([1, 100, 500, 900, 999].map(Cut));
    kinds.extend([Longer, Empty]);
    kinds.extend(REPLACED);
    kinds
}

fn apply(damage: Damage, path: &Path, stage: &Stage) {
    let bytes = fs::read(path).unwrap_or_default();
    let at = |thousandth: usize| (bytes.len() * thousandth / 1000).min(bytes.len().saturating_sub(1));
    match damage {
        Flip(place) if !bytes.is_empty() => {
            let mut bytes = bytes.clone();
            bytes[at(place)] ^= 0x41;
            fs::write(path, bytes).unwrap();
        }
        Cut(place) => fs::write(path, &bytes[..at(place)]).unwrap(),
        Longer => fs::write(path, [bytes.as_slice(), b"\0\0\0more"].concat()).unwrap(),
        Flip(_) | Empty => fs::write(path, "").unwrap(),
        Unreadable => {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        _ => {
            fs::remove_file(path).unwrap();
            match damage {
                Directory => fs::create_dir(path).unwrap(),
                FullDirectory => {
                    fs::create_dir(path).unwrap();
                    fs::write(path.join("file"), "x").unwrap();
                }
                Fifo => drop(run(Command::new("mkfifo").arg(path), 0)),
                Socket => {
                    // A path in a socket's address has at most 108 bytes.
                    let short = stage.path("tmp/s");
                    drop(UnixListener::bind(&short).unwrap());
                    fs::rename(short, path).unwrap();
                }
                Dangling => symlink(stage.path(THROUGH_A_LINK), path).unwrap(),
                Circle => symlink(path, path).unwrap(),
                _ => {}
            }
        }
    }
}

/// All files below a directory, relative to the stage.
fn files(stage: &Stage, part: &str) -> Vec<String> {
    let pattern = format!("{}/**/*", stage.path(part).display());
    let options = glob::MatchOptions { require_literal_leading_dot: false, ..Default::default() };
    let found = glob::glob_with(&pattern, options).unwrap().flatten();
    let mut files: Vec<String> = found
        .filter(|path| path.is_file())
        .map(|path| path.strip_prefix(stage.path("")).unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// A file's name without what differs from run to run.
fn kind_of(file: &str) -> String {
    let is_digest = |word: &str| word.len() >= 16 && word.chars().all(|c| c.is_ascii_hexdigit());
    let parts = file.split('/').map(|part| {
        let words: Vec<&str> =
            part.split('.').map(|word| if is_digest(word) || word.len() > 40 { "HASH" } else { word }).collect();
        words.join(".")
    });
    let kind = parts.collect::<PathBuf>();
    kind.display().to_string()
}

fn damage(stage: &Stage, saved: &tempfile::TempDir, file: &str, damage: Damage) -> Vec<String> {
    stage.restore(saved);
    if file.starts_with("cache") {
        // As long as OUT is whole, the tool does not look into the cache.
        fs::remove_dir_all(stage.out()).unwrap();
    }
    let path = stage.path(file);
    apply(damage, &path, stage);
    let ended = stage.run(&mut stage.compile());
    let mut wrongs = stage.unclear(&ended, &[4]);
    let said = path.file_name().unwrap().to_str().unwrap();
    if ended.code == Some(4) {
        if !ended.stderr.contains(said) {
            wrongs.push(format!("does not name {said}: {:?}", ended.stderr));
        }
        // As the words say.
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    wrongs.extend(stage.wrong_next());
    // The next case must not be blamed for it.
    let _ = fs::remove_file(stage.path(THROUGH_A_LINK));
    wrongs
}

#[test]
fn each_file_is_damaged() {
    need!("gcc");
    let mut tally = Tally::new("damage");
    let finished = Stage::new();
    assert_eq!(finished.run(&mut finished.compile()).code, Some(0));
    let saved = finished.save();
    let mut cases = Vec::new();
    for file in files(&finished, "work/out").into_iter().chain(files(&finished, "cache")) {
        cases.extend(kinds().into_iter().map(|kind| (file.clone(), kind)));
    }
    for (file, kind) in choose(cases, 90) {
        let wrongs = damage(&finished, &saved, &file, kind);
        tally.note(format!("{}/{kind:?}", kind_of(&file)), wrongs);
    }
    tally.finish();
}

/// What the user names: the header, a unit, the file of timings.
#[test]
fn what_is_no_file_is_refused_as_input() {
    need!("gcc");
    let mut tally = Tally::new("inputs");
    for file in ["vm.h", "second.c", "timings.html", "trace.json", "response"] {
        for kind in REPLACED {
            let mut stage = Stage::new();
            let path = stage.path("work").join(file);
            fs::write(&path, fs::read(&path).unwrap_or_else(|_| b"-DNUMBER=1\n".into())).unwrap();
            let before = fs::read(&path).unwrap();
            apply(kind, &path, &stage);
            stage.others_changed();
            let mut command = stage.compile();
            match file {
                "timings.html" => drop(command.arg("--timings=timings.html")),
                "trace.json" => drop(command.args(["--trace", "trace.json"])),
                "response" => drop(command.arg("--cflag=@response")),
                _ => {}
            }
            let ended = stage.run(&mut command);
            let mut wrongs = stage.unclear(&ended, &[1, 2, 4]);
            // gcc says itself what is wrong with a file of flags.
            let names = ended.stderr.contains(file) || (file == "response" && ended.stderr.contains("@-file"));
            if ended.code.is_some_and(|code| code != 0) && !names {
                wrongs.push(format!("does not name {file}: {:?}", ended.stderr));
            }
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            fs::write(&path, before).unwrap();
            stage.others_changed();
            wrongs.extend(stage.wrong_next());
            tally.note(format!("{file}/{kind:?}"), wrongs);
        }
    }
    tally.finish();
}
