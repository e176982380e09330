//! Compilers that misbehave in each step: the run gives the right library or ends with a clear error, soon, and leaves nothing. Each is a script of
//! the shell that executes gcc where it behaves.

use std::fs;
use std::process::Command;

use crate::stage::Stage;
use crate::support::{need, run};
use crate::tally::{Tally, choose};

/// The name, and what is done instead of the step. `$out` is the file that the step writes, `$source` the C text if there is one, and `real`
/// does the step. Where the lines end, the script exits with what the last one gave.
const WAYS: &[(&str, &str)] = &[
    ("crash", "kill -SEGV $$"),
    ("abort-after-work", "real; kill -ABRT $$"),
    ("killed", "kill -KILL $$"),
    ("hang", "sleep 300"),
    ("hang-after-work", "real; sleep 300"),
    ("hang-deaf", "trap '' TERM INT HUP; while :; do sleep 1; done"),
    ("hang-stopped", "kill -STOP $$; real"),
    ("spin", "while :; do :; done"),
    ("half-output", "real; head -c 300 \"$out\" > \"$out.half\"; mv \"$out.half\" \"$out\"; exit 1"),
    ("half-output-and-0", "real; head -c 300 \"$out\" > \"$out.half\"; mv \"$out.half\" \"$out\"; exit 0"),
    ("output-and-1", "real; exit 1"),
    ("nothing-and-0", "exit 0"),
    ("nothing-and-1", "exit 1"),
    ("nothing-and-255", "exit 255"),
    ("words-and-1", "echo 'internal trouble' >&2; exit 1"),
    ("empty-output", ": > \"$out\"; exit 0"),
    ("garbage-output", "head -c 5000 /dev/zero | tr '\\0' 'x' > \"$out\"; exit 0"),
    ("text-output", "echo 'int x;' > \"$out\"; exit 0"),
    (
        "tail-missing",
        "real; size=$(wc -c < \"$out\"); head -c $((size - 64)) \"$out\" > \"$out.x\"; mv \"$out.x\" \"$out\"; exit 0",
    ),
    ("directory-output", "mkdir \"$out\"; exit 0"),
    ("fifo-output", "rm -f \"$out\"; mkfifo \"$out\"; exit 0"),
    ("link-output", "rm -f \"$out\"; ln -s /dev/full \"$out\"; exit 0"),
    ("dangling-output", "rm -f \"$out\"; ln -s /nonexistent/file \"$out\"; exit 0"),
    ("endless-link-output", "rm -f \"$out\"; ln -s /dev/zero \"$out\"; exit 0"),
    ("huge-output", "truncate -s 200G \"$out\"; exit 0"),
    ("unreadable-output", "real; chmod 000 \"$out\"; exit 0"),
    ("output-elsewhere", "real; mv \"$out\" \"$out.elsewhere\"; exit 0"),
    ("output-removed-later", "real; (sleep 0.05; rm -f \"$out\") > /dev/null 2>&1 & exit 0"),
    ("output-changed-later", "real; (sleep 0.02; echo x >> \"$out\") > /dev/null 2>&1 & exit 0"),
    ("flood-stdout", "head -c 300000000 /dev/zero | tr '\\0' 'o'; real"),
    ("flood-stderr", "head -c 300000000 /dev/zero | tr '\\0' 'e' >&2; real"),
    ("flood-lines", "yes 'x.c:1:1: warning: chatter' | head -c 60000000 >&2; real"),
    ("flood-for-ever", "yes 'x.c:1:1: warning: chatter' >&2"),
    ("trickle", "for i in 1 2 3 4 5 6 7 8 9 10; do printf . >&2; sleep 0.05; done; real"),
    ("trickle-for-ever", "while :; do printf . >&2; sleep 0.1; done"),
    ("grandchild-holds-output", "sleep 5 & real"),
    ("grandchild-writes-later", "(sleep 1; echo late >&2) & real"),
    ("grandchild-in-a-session", "setsid sleep 5 & real"),
    ("fork-bomb", "bomb() { [ $1 = 0 ] && exec sleep 20; for i in 1 2 3; do bomb $(($1 - 1)) & done; wait; }; bomb 3"),
    ("orphans", "for i in 1 2 3 4 5 6 7 8; do (sleep 5 &) ; done; real"),
    ("wrong-depfile", "real; echo 'other.o: /etc/passwd' > \"$dep\"; exit 0"),
    ("missing-depfile", "real; rm -f \"$dep\"; exit 0"),
    ("depfile-of-missing-names", "real; echo \"$out: /nonexistent/a.h \\\\\" > \"$dep\"; exit 0"),
    ("depfile-of-garbage", "real; head -c 20000 /dev/urandom > \"$dep\"; exit 0"),
    ("depfile-is-a-fifo", "real; rm -f \"$dep\"; mkfifo \"$dep\"; exit 0"),
    ("depfile-is-a-directory", "real; rm -f \"$dep\"; mkdir \"$dep\"; exit 0"),
    ("depfile-is-endless", "real; rm -f \"$dep\"; ln -s /dev/zero \"$dep\"; exit 0"),
    ("depfile-names-a-fifo", "real; mkfifo \"$out.fifo\"; echo \"$out: $out.fifo\" > \"$dep\"; exit 0"),
    ("control-characters", "printf '\\033]0;title\\007\\033[2J\\033[31mred\\033[0m \\000\\001\\177\\n' >&2; real"),
    ("invalid-utf-8", "printf '\\377\\376\\300\\200 x.c:1:1: warning: \\355\\240\\200\\n' >&2; real"),
    ("input-removed", "real; rm -f \"$source\"; exit 0"),
    ("input-emptied-before", ": > \"$source\"; real"),
    ("directory-removed", "real; rm -rf \"$(dirname \"$out\")\"; exit 0"),
    ("another-version", "case $* in *--version*|*dumpversion*) echo \"gcc (Debian $$) 12.2.$$\";; *) real;; esac"),
    ("reads-stdin", "cat > /dev/null; real"),
    ("kills-its-group", "real; kill -TERM 0"),
    ("kills-its-parent", "real; kill -TERM $PPID"),
];

/// A step of the work, and the words which tell it from others.
const STEPS: [(&str, &str); 4] = [
    ("probe", "case $* in *--version*|*-dumpversion*|*-dumpmachine*) ;; *) false;; esac"),
    ("pch", "case $* in *c-header*) ;; *) false;; esac"),
    ("unit", "[ -n \"$source\" ] && grep -qs 'twice(n) + 5' \"$source\""),
    ("link", "case $* in *-shared*) ;; *) false;; esac"),
];

fn script(step: &str, lines: &str) -> String {
    format!(
        r#"#!/bin/sh
alias real='gcc "$@"'
out= dep= source= last=
for word; do
    case $last in -o) out=$word;; -MF) dep=$word;; esac
    case $word in *.c) source=$word;; esac
    last=$word
done
[ -n "$dep" ] || dep=${{out%.*}}.d
if {step}; then
    {lines}
    exit $?
fi
exec gcc "$@"
"#
    )
}

fn misbehave(step: &str, lines: &str) -> Vec<String> {
    let stage = Stage::new();
    let dir = stage.path("log");
    fs::create_dir(&dir).unwrap();
    let (text, compiler) = (dir.join("text"), dir.join("gcc"));
    fs::write(&text, script(step, lines)).unwrap();
    // By another process: no child of this one may have the file open for writing when it is executed.
    run(Command::new("install").arg("-m755").args([&text, &compiler]), 0);
    let mut command = stage.compile();
    command.arg("--cc").arg(&compiler).args(["--timeout", "3", "--linker", "driver"]);
    let ended = stage.run(&mut command);
    let mut wrongs = stage.unclear(&ended, &[1, 3, 4, 143]);
    if ended.stderr.chars().any(|c| c.is_control() && !"\n\r\t\u{1b}".contains(c)) {
        wrongs.push("control characters on standard error".to_owned());
    }
    wrongs.extend(stage.wrong_next());
    wrongs
}

#[test]
fn compilers_misbehave() {
    need!("gcc");
    let mut tally = Tally::new("misbehaving");
    let mut cases = Vec::new();
    for (way, lines) in WAYS {
        for (step, is_step) in STEPS {
            // A probe writes no file, and only compilations list what they read.
            let is_idle =
                step == "probe" && (lines.contains("$out") || lines.contains("$dep") || lines.contains("$source"));
            let has_no_list = step == "link" && (lines.contains("$dep") || lines.contains("$source"));
            if !is_idle && !has_no_list {
                cases.push((way, step, is_step, lines));
            }
        }
    }
    for (way, step, is_step, lines) in choose(cases, 45) {
        tally.note(format!("{way}/{step}"), misbehave(is_step, lines));
    }
    tally.finish();
}
