//! Waiting for another process's lock: programs and users who want to hear of nothing learn of it too.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::Value;

use crate::processes::{Place, until};
use crate::support::need;

#[test]
fn programs_and_quiet_users_learn_what_is_waited_for() {
    need!("gcc");
    let place = Place::new();
    place.units(&["one"]);
    fs::create_dir_all(place.out().join(".mjit-cc")).unwrap();
    let lock = File::create(place.out().join(".mjit-cc/lock")).unwrap();
    lock.lock().unwrap();
    let start = |words: &str, name: &str| {
        let (said, told) = (place.path(&format!("{name}.stderr")), place.path(&format!("{name}.stdout")));
        let mut command = place.compile(words);
        command.stdin(Stdio::null());
        command.stdout(File::create(&told).unwrap()).stderr(File::create(&said).unwrap());
        (command.spawn().unwrap(), said, told)
    };
    let (mut quiet, said, _) = start("one.c -q", "quiet");
    let (mut json, aloud, told) = start("one.c --message-format json", "json");
    until("the event", || {
        let messages = fs::read_to_string(&told).unwrap();
        let mut lines = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .any(|message| {
                message["event"] == "waiting" && message["file"].as_str().is_some_and(|file| file.ends_with("lock"))
            })
            .then_some(())
    });
    // It is said after five seconds, however busy the machine is; and not before.
    until("the line", || fs::read_to_string(&said).unwrap().contains("waiting for another mjit-cc").then_some(()));
    drop(lock);
    assert!(quiet.wait().unwrap().success() && json.wait().unwrap().success());
    let lines = |path| fs::read_to_string(path).unwrap().matches("waiting for another mjit-cc").count();
    assert_eq!(lines(&said), 1);
    // The other process may hold the lock for a while as well.
    assert!(lines(&aloud) >= 1);
}
