//! Directories and files that another user may have put there: nothing of them is used, run, removed or overwritten, and nothing waits for them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::compile::{Place, fields, unit};
use crate::processes::until;
use crate::support::{self, need, skip, text};

/// A user who is not root.
const ANOTHER: u32 = 65534;

/// Runs a command that could wait for ever, and insists on its exit code.
#[track_caller]
fn soon(command: &mut Command, code: i32) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the tool's end", || child.try_wait().unwrap());
    }));
    if ended.is_err() {
        child.kill().unwrap();
        panic!("it waits for something: {command:?}");
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    output
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Whether this test may give files away; if not, says that it is skipped.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("only root can make files of another user's");
    }
    root
}

fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(ANOTHER), Some(ANOTHER)).unwrap();
}

fn place() -> Place {
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.write("v.h", "#define V 1\n");
    fs::create_dir(place.join("tmp")).unwrap();
    place
}

fn compile(place: &Place, words: &[&str]) -> Command {
    let mut command = place.tool(&["compile", "--cc", "gcc", "u.c"]);
    command.args(words).env("TMPDIR", place.join("tmp"));
    command
}

#[test]
fn a_planted_lock_is_not_waited_for_and_a_planted_directory_not_emptied() {
    need!("gcc", "mkfifo");
    let place = place();
    // As any user could make them in a shared directory: a FIFO as lock; a lock that is free in a directory that others may write to; links.
    place.write("victim/lock", "");
    place.write("victim/precious", "x");
    for (name, bits) in
        [("mjit-cc-a", 0o700), ("mjit-cc-b", 0o777), ("mjit-cc-c", 0o700), ("mjit-cc-0123456789abcdef", 0o777)]
    {
        fs::create_dir(place.join("tmp").join(name)).unwrap();
        set_mode(&place.join("tmp").join(name), bits);
    }
    make_fifo(&place.join("tmp/mjit-cc-a/lock"));
    place.write("tmp/mjit-cc-b/lock", "");
    place.write("tmp/mjit-cc-b/precious", "x");
    place.write("tmp/mjit-cc-c/lock", "");
    symlink(place.join("victim"), place.join("tmp/mjit-cc-c/link")).unwrap();
    symlink(place.join("victim"), place.join("tmp/mjit-cc-d")).unwrap();
    symlink(place.join("victim/precious"), place.join("tmp/mjit-cc-0123456789abcdee.lock")).unwrap();
    place.write("tmp/mjit-cc-0123456789abcdef/precious", "x");
    make_fifo(&place.join("tmp/mjit-cc-0123456789abcdef.lock"));
    soon(&mut compile(&place, &[]), 0);
    for kept in ["victim/precious", "victim/lock", "tmp/mjit-cc-b/precious", "tmp/mjit-cc-0123456789abcdef/precious"] {
        assert!(place.join(kept).exists(), "{kept}");
    }
    assert!(!place.join("tmp/mjit-cc-c").exists(), "this one is this user's, and its owner is dead");
}

#[test]
fn a_directory_of_another_user_is_not_swept() {
    need!("gcc");
    if !is_root() {
        return;
    }
    let place = place();
    place.write("tmp/mjit-cc-a/lock", "");
    place.write("tmp/mjit-cc-a/precious", "x");
    set_mode(&place.join("tmp/mjit-cc-a"), 0o700);
    give_away(&place.join("tmp/mjit-cc-a"));
    soon(&mut compile(&place, &[]), 0);
    assert!(place.join("tmp/mjit-cc-a/precious").exists());
}

/// The words of a warning or an error about a cache that is refused, which the tool does without.
#[track_caller]
fn refuses_cache(place: &Place, words: &str) {
    let output = soon(&mut compile(place, &["--cache", "c"]), 0);
    let said = text(&output.stderr);
    assert!(
        said.contains("warning: the object cache is not used: ") && said.contains(words) && said.contains("/c"),
        "{said}"
    );
    assert!(
        !fs::read_dir(place.join("c/v1"))
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().len() == 2))
    );
    for what in ["stats", "gc", "clear"] {
        let output = soon(&mut place.tool(&["cache", what, "--cache", "c"]), 4);
        assert!(text(&output.stderr).contains(words), "{what}: {}", text(&output.stderr));
    }
}

#[test]
fn a_cache_that_others_may_write_to_is_refused() {
    need!("gcc");
    for part in ["c", "c/v1", "c/v1/compilers"] {
        for bits in [0o777, 0o770, 0o707] {
            let place = place();
            place.good(&["compile", "--cc", "gcc", "--cache", "c", "u.c"]);
            fs::remove_dir_all(place.join("out")).unwrap();
            place.good(&["cache", "clear", "--cache", "c"]);
            fs::create_dir_all(place.join("c/v1/compilers")).unwrap();
            ["c", "c/v1", "c/v1/compilers"].iter().for_each(|part| set_mode(&place.join(part), 0o700));
            set_mode(&place.join(part), bits);
            refuses_cache(&place, "is writable by other users");
        }
    }
}

#[test]
fn a_cache_of_another_user_is_refused_to_root_too() {
    need!("gcc");
    if !is_root() {
        return;
    }
    let place = place();
    place.good(&["compile", "--cc", "gcc", "--cache", "c", "u.c"]);
    fs::remove_dir_all(place.join("out")).unwrap();
    place.good(&["cache", "clear", "--cache", "c"]);
    give_away(&place.join("c"));
    refuses_cache(&place, "belongs to another user");
}

/// The tool where the umask hides nothing.
fn without_umask(place: &Place, words: &[&str]) -> Command {
    let tool = support::mjit_cc();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(tool.get_program()).args(words);
    shell.current_dir(place.path()).env("TMPDIR", place.join("tmp"));
    shell
}

#[test]
fn what_is_used_again_is_the_users_alone_whatever_the_umask_says() {
    need!("gcc");
    let place = place();
    soon(&mut without_umask(&place, &["compile", "--cc", "gcc", "--cache", "c", "--header", "v.h", "u.c"]), 0);
    for dir in ["c", "c/v1", "c/v1/compilers"] {
        assert_eq!(mode(&place.join(dir)), 0o700, "{dir}");
    }
    assert_eq!(mode(&place.join("out")) & 0o777, 0o777);
    assert_eq!(mode(&place.join("out/.mjit-cc")) & 0o777, 0o700);
    // Users with a common group build in one directory, where its owner lets them.
    for (bits, own) in [(0o755, 0o700), (0o775, 0o770)] {
        let place = self::place();
        fs::create_dir(place.join("out")).unwrap();
        set_mode(&place.join("out"), bits);
        soon(&mut without_umask(&place, &["compile", "--cc", "gcc", "u.c"]), 0);
        assert_eq!(mode(&place.join("out/.mjit-cc")) & 0o777, own, "{bits:o}");
    }
}

#[test]
fn an_output_directory_whose_records_others_may_write_is_refused() {
    need!("gcc");
    let refused = |place: &Place, words: &str| {
        let said = text(&soon(&mut compile(place, &[]), 4).stderr);
        assert!(said.contains("cannot use") && said.contains(".mjit-cc") && said.contains(words), "{said}");
    };
    for bits in [0o777, 0o772, 0o770] {
        let place = place();
        place.good(&["compile", "--cc", "gcc", "u.c"]);
        set_mode(&place.join("out"), 0o755);
        set_mode(&place.join("out/.mjit-cc"), bits);
        refused(&place, "is writable by other users");
    }
    let place = place();
    fs::create_dir_all(place.join("victim/tmp")).unwrap();
    place.write("victim/tmp/precious", "x");
    fs::create_dir(place.join("out")).unwrap();
    symlink(place.join("victim"), place.join("out/.mjit-cc")).unwrap();
    refused(&place, "symbolic link");
    assert!(place.join("victim/tmp/precious").exists());
    if is_root() {
        let place = self::place();
        place.good(&["compile", "--cc", "gcc", "u.c"]);
        give_away(&place.join("out/.mjit-cc"));
        refused(&place, "belongs to another user");
        // Whose the whole directory is may exchange everything in it anyway.
        give_away(&place.join("out"));
        soon(&mut compile(&place, &[]), 0);
    }
}

#[test]
fn a_file_that_is_in_the_place_of_one_to_write_is_not_written_through() {
    need!("gcc");
    let words = ["--header", "v.h", "--cache", "c", "--timings=t.html", "--trace=t.json", "-O1"];
    for (number, link) in [|from: &Path, to: &Path| symlink(from, to), |from: &Path, to: &Path| fs::hard_link(from, to)]
        .iter()
        .enumerate()
    {
        let place = place();
        soon(&mut compile(&place, &words), 0);
        let notes = fs::read_dir(place.join("c/v1/compilers")).unwrap().map(|entry| entry.unwrap().path());
        let records = fs::read_dir(place.join("out/.mjit-cc/libraries")).unwrap().map(|entry| entry.unwrap().path());
        let objects = fs::read_dir(place.join("out/.mjit-cc/objects")).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = notes.chain(records).chain(objects).collect();
        all.extend(
            ["t.html", "t.json", "out/units.json", "out/u.so", "c/CACHEDIR.TAG", "c/v1/lock"]
                .map(|name| place.join(name)),
        );
        all.extend(["out/.mjit-cc/pch/v.pch.gch", "out/.mjit-cc/pch/v.pch.gch.json"].map(|name| place.join(name)));
        let mut victims = Vec::new();
        for (number, path) in all.iter().enumerate() {
            let _ = fs::remove_file(path);
            let victim = place.join(&format!("victim{number}"));
            fs::write(&victim, "precious").unwrap();
            link(&victim, path).unwrap();
            victims.push((victim, path.clone()));
        }
        let output = compile(&place, &words).output().unwrap();
        // A link as a lock, which the record of a PCH is too, is an error; everything else is made anew.
        let expected = if number == 0 { 4 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{}", text(&output.stderr));
        if number == 0 {
            assert!(text(&output.stderr).contains("v.pch.gch.json: is a symbolic link"), "{}", text(&output.stderr));
            fs::remove_file(place.join("out/.mjit-cc/pch/v.pch.gch.json")).unwrap();
            soon(&mut compile(&place, &words), 0);
        }
        for (victim, path) in victims {
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{}", path.display());
        }
    }
}

type Puts = fn(&Path);

/// Puts something that is no regular file in a place, in three ways.
fn no_files() -> [(&'static str, Puts); 3] {
    fn socket(path: &Path) {
        // The names of sockets are short.
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(dir.path().join("socket")).unwrap());
        fs::rename(dir.path().join("socket"), path).unwrap();
    }
    fn device(path: &Path) {
        symlink("/dev/zero", path).unwrap();
    }
    [("a FIFO", make_fifo), ("a socket", socket), ("a device", device)]
}

#[test]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    need!("gcc", "mkfifo");
    for (what, put) in no_files() {
        let refused = |name: &str, words: &[&str], code: i32| {
            let place = place();
            put(&place.join(name));
            let said = text(&soon(&mut compile(&place, words), code).stderr);
            assert!(said.contains(name), "{what} as {name}: {said}");
            said
        };
        assert!(refused("f.h", &["--header", "f.h"], 1).contains(what));
        refused("f.c", &["f.c"], 1);
        refused("f.args", &["--cflag=@f.args"], 1);
        refused("f.dat", &["--hash-file", "f.dat"], 1);
        refused("f.gch", &["--pch", "f.gch"], 2);
        let place = place();
        place.write("outer", "-DA @inner\n");
        put(&place.join("inner"));
        let said = text(&soon(&mut compile(&place, &["--cflag=@outer"]), 1).stderr);
        assert!(said.contains("inner") && said.contains(what), "{said}");
    }
}

#[test]
fn what_is_no_regular_file_in_the_place_of_one_of_the_tools_own_is_no_trap() {
    need!("gcc", "mkfifo");
    let words = ["--header", "v.h", "--cache", "c"];
    for (what, put) in no_files() {
        let place = place();
        soon(&mut compile(&place, &words), 0);
        let in_dir = |dir: &str| -> Vec<_> {
            fs::read_dir(place.join(dir)).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let mut all =
            [in_dir("out/.mjit-cc/objects"), in_dir("out/.mjit-cc/libraries"), in_dir("c/v1/compilers")].concat();
        all.extend(["out/.mjit-cc/pch/v.pch.gch", "out/units.json", "out/u.so"].map(|name| place.join(name)));
        for path in all {
            fs::remove_file(&path).unwrap();
            put(&path);
            let output = soon(&mut compile(&place, &words), 0);
            assert!(
                fields(&place.join("out"), "library")[0] == "u.so",
                "{what} as {}: {}",
                path.display(),
                text(&output.stderr)
            );
        }
        for name in ["out/.mjit-cc/lock", "out/.mjit-cc/pch/v.pch.gch.json"] {
            fs::remove_file(place.join(name)).unwrap();
            put(&place.join(name));
            let said = text(&soon(&mut compile(&place, &words), 4).stderr);
            assert!(said.contains(name), "{what} as {name}: {said}");
            fs::remove_file(place.join(name)).unwrap();
            soon(&mut compile(&place, &words), 0);
        }
    }
}

#[test]
fn timings_go_into_a_fifo_that_a_process_reads_and_wait_for_none() {
    need!("gcc", "mkfifo", "cat");
    let place = place();
    make_fifo(&place.join("t.html"));
    let said = text(&soon(&mut compile(&place, &["--timings=t.html"]), 4).stderr);
    assert!(said.contains("t.html") && said.contains("no process reads"), "{said}");
    let reader = Command::new("cat").arg(place.join("t.html")).stdout(Stdio::piped()).spawn().unwrap();
    // It opens the FIFO some time.
    until("a page", || {
        let output = compile(&place, &["--timings=t.html"]).output().unwrap();
        output.status.success().then_some(())
    });
    assert!(text(&reader.wait_with_output().unwrap().stdout).contains("<html"));
}

/// What a terminal of the tool's would be sent. Other systems' `script` takes its words in another way.
#[cfg(target_os = "linux")]
fn on_terminal(command: &Command, place: &Place) -> String {
    let words = command.get_args().map(|word| word.to_str().unwrap());
    let line = shlex::try_join(std::iter::once(command.get_program().to_str().unwrap()).chain(words)).unwrap();
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(place.path()).env("TERM", "xterm");
    text(&script.stdin(Stdio::null()).output().unwrap().stdout)
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_is_sent_no_sequences_but_colours() {
    need!("gcc", "script");
    let place = Place::new();
    let name = "a\x1b]0;evil\x07\u{9b}2J.c";
    place.write(name, "int broken(void) { return }\n");
    place.write("cc", "#!/bin/sh\ncase \"$*\" in *' -c '*) printf '\\033[31mred\\033[m \\033]0;evil\\007 \\033[2J\\033[6n\\n'; exit 1 ;; esac\nexec gcc \"$@\"\n");
    set_mode(&place.join("cc"), 0o755);
    for (verbose, cc) in [("-vv", "./cc"), ("-q", "gcc"), ("-vv", "gcc")] {
        let said = on_terminal(&place.tool(&["compile", verbose, "--cc", cc, name]), &place);
        for evil in ["\x1b]0;evil", "\x07", "\u{9b}", "\x1b[6n"] {
            assert!(!said.contains(evil), "{evil:?}: {said:?}");
        }
        assert!(said.contains("^[]0;evil^G"), "{said:?}");
        if cc == "./cc" {
            assert!(said.contains("\x1b[31mred\x1b[m") && said.contains("^[[2J"), "{said:?}");
        }
    }
    // Also where it is no terminal, since a log is read on one; standard output is for programs.
    let output = soon(&mut place.tool(&["compile", "-k", "--cc", "gcc", name]), 1);
    assert!(
        !text(&output.stderr).contains('\x07') && text(&output.stderr).contains("^[]0;evil^G"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_a_killed_writer_left_in_a_cache_goes_at_once_and_what_is_written_stays() {
    need!("gcc");
    let place = place();
    place.good(&["compile", "--cc", "gcc", "--cache", "c", "u.c"]);
    let shard = fs::read_dir(place.join("c/v1")).unwrap().map(|entry| entry.unwrap().path());
    let shard = shard.into_iter().find(|path| path.file_name().unwrap().len() == 2).unwrap();
    for name in [".new-dead", ".new-alive"] {
        fs::write(shard.join(name), "half").unwrap();
    }
    fs::write(place.join("c/v1/compilers/.new-dead"), "half").unwrap();
    let alive = fs::File::open(shard.join(".new-alive")).unwrap();
    alive.lock().unwrap();
    place.good(&["cache", "gc", "--cache", "c"]);
    assert!(!shard.join(".new-dead").exists() && !place.join("c/v1/compilers/.new-dead").exists());
    assert!(shard.join(".new-alive").exists());
    assert_eq!(fs::metadata(shard.join(".new-alive")).unwrap().nlink(), 1);
}
