//! What the figures were measured on.

use std::process::Command;

pub fn describe() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let compilers = ["gcc", "clang-19", "tcc", "ld.bfd", "ld.gold", "ld.lld-19", "mold", "ccache"];
    let versions: Vec<String> = compilers.into_iter().filter_map(|name| first_line(name, &["--version"])).collect();
    let commit = first_line("git", &["describe", "--always", "--dirty"]).unwrap_or_default();
    let kernel = first_line("uname", &["-sr"]).unwrap_or_default();
    format!(
        "# Results\n\nMade by `just bench` ({}), commit {commit}; {kernel}, {cores} × {model}; {}.\n\nMedians; each row alternates in one run. \
         *The seed's pipeline* is what Ruby's MJIT did: one unit at a time, `gcc … -c` behind the PCH, `gcc -shared`, `dlopen`.\n",
        env!("CARGO_PKG_VERSION"),
        versions.join("; ")
    )
}

fn first_line(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}
