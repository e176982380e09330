//! Every toolchain's plans, held against the files in `fixtures/golden`, and the rules that all of them keep. To accept
//! what the planners say now: `SNAPSHOTS=overwrite cargo test -p mjit-cc-platforms --test golden`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mjit_cc_platforms::*;
use snapbox::{Assert, Data};

/// One golden file each: family, target, program, and the words that always come first.
const COMPILERS: &[(Family, &str, &str, &[&str])] = &[
    (Family::Gcc, "x86_64-linux-gnu", "gcc", &[]),
    (Family::Gcc, "x86_64-linux-musl", "musl-gcc", &[]),
    (Family::Gcc, "x86_64-freebsd", "gcc13", &[]),
    (Family::Gcc, "x86_64-openbsd", "egcc", &[]),
    (Family::Gcc, "x86_64-netbsd", "gcc", &[]),
    (Family::Gcc, "aarch64-macos", "gcc-14", &[]),
    (Family::Gcc, "x86_64-windows-gnu", "x86_64-w64-mingw32-gcc", &[]),
    (Family::Gcc, "x86_64-cygwin", "gcc", &[]),
    (Family::Gcc, "powerpc64-aix", "gcc", &["-maix64"]),
    (Family::Clang, "x86_64-linux-gnu", "clang", &[]),
    (Family::Clang, "x86_64-linux-musl", "clang", &[]),
    (Family::Clang, "x86_64-freebsd", "clang", &[]),
    (Family::Clang, "x86_64-openbsd", "clang", &[]),
    (Family::Clang, "x86_64-netbsd", "clang", &[]),
    (Family::Clang, "aarch64-macos", "clang", &[]),
    (Family::Clang, "x86_64-windows-gnu", "clang", &["--target=x86_64-w64-windows-gnu"]),
    (Family::Clang, "x86_64-windows-msvc", "clang", &[]),
    (Family::Msvc, "x86_64-windows-msvc", "cl", &[]),
    (Family::ClangCl, "x86_64-windows-msvc", "clang-cl", &[]),
    (Family::Tcc, "x86_64-linux-gnu", "tcc", &[]),
    (Family::Tcc, "x86_64-windows-gnu", "tcc", &[]),
];

/// The same for a compiler on another system, which has nothing of its target's but what it brings.
const FOREIGN: &[(Family, &str, &str, &[&str])] = &[
    (Family::Clang, "x86_64-freebsd", "clang", &["--target=x86_64-freebsd"]),
    (Family::Clang, "x86_64-openbsd", "clang", &["--target=x86_64-openbsd"]),
    (Family::Clang, "x86_64-netbsd", "clang", &["--target=x86_64-netbsd"]),
    (Family::Clang, "aarch64-macos", "clang", &["--target=arm64-apple-macos"]),
    (Family::Clang, "aarch64-android", "clang", &["--target=aarch64-linux-android"]),
];

fn toolchains() -> impl Iterator<Item = Arc<dyn Toolchain>> {
    let at_home = COMPILERS.iter().map(|compiler| (compiler, false));
    at_home.chain(FOREIGN.iter().map(|compiler| (compiler, true))).map(
        |(&(family, target, program, leading), foreign)| {
            toolchain(Compiler {
                program: program.into(),
                leading: leading.iter().map(Into::into).collect(),
                env: Vec::new(),
                family,
                version: Version(1, 2, 3),
                version_text: "1.2.3".to_owned(),
                target: Target::parse(target).unwrap(),
                foreign,
            })
        },
    )
}

fn name(toolchain: &dyn Toolchain) -> String {
    let Compiler { family, target, foreign, .. } = toolchain.compiler();
    format!("{family}-{target}{}", if *foreign { "-foreign" } else { "" })
}

/// The files that jobs speak of.
struct Files {
    pch: Pch,
    source: PathBuf,
    object: PathBuf,
    objects: Vec<PathBuf>,
    library: PathBuf,
    quote_dir: Option<PathBuf>,
    depfile: PathBuf,
    exports: Vec<String>,
}

impl Files {
    fn plain(toolchain: &dyn Toolchain) -> Self {
        let target = &toolchain.compiler().target;
        let (object, library) = (target.object_suffix(), target.library_suffix());
        let pch = toolchain.capabilities().pch_suffix.unwrap_or("pch");
        Self {
            pch: Pch { header: "include/vm.h".into(), file: format!("out/vm.h.{pch}").into() },
            source: "units/u1.c".into(),
            object: format!("out/u1.{object}").into(),
            objects: ["u1", "u2", "u3"].map(|unit| format!("out/{unit}.{object}").into()).into(),
            library: format!("out/u1.{library}").into(),
            quote_dir: Some("units".into()),
            depfile: "out/u1.d".into(),
            exports: vec!["u1_entry".to_owned()],
        }
    }

    /// Names that a compiler, its driver or a response file could take for something else. `-dash` and `@at` are what
    /// [`odd_paths_stay_paths`] looks for.
    fn odd(toolchain: &dyn Toolchain) -> Self {
        let target = &toolchain.compiler().target;
        let (object, library) = (target.object_suffix(), target.library_suffix());
        let pch = toolchain.capabilities().pch_suffix.unwrap_or("pch");
        Self {
            pch: Pch { header: "@at/vm \"1\".h".into(), file: format!("-dash/vm é.h.{pch}").into() },
            source: r"-dash\it's $1 #2.c".into(),
            object: format!("@at 100%.{object}").into(),
            objects: ["-dash é", "@at", "a 'b' \"c\" #$%\\"].map(|unit| format!("{unit}.{object}").into()).into(),
            library: format!("-dash lib.{library}").into(),
            quote_dir: Some("@at dir".into()),
            depfile: "-dash $d.d".into(),
            exports: Vec::new(),
        }
    }

    fn build_pch(&self) -> Job<'_> {
        Job::BuildPch { pch: &self.pch, depfile: &self.depfile }
    }

    fn compile<'a>(&'a self, header: Header<'a>) -> Job<'a> {
        Job::Compile {
            source: &self.source,
            object: &self.object,
            header,
            quote_dir: self.quote_dir.as_deref(),
            depfile: Some(&self.depfile),
        }
    }

    fn link<'a>(&'a self, header: Header<'a>) -> Job<'a> {
        Job::Link { objects: &self.objects, library: &self.library, header, exports: &self.exports }
    }

    fn compile_and_link<'a>(&'a self, header: Header<'a>) -> Job<'a> {
        Job::CompileAndLink {
            source: &self.source,
            library: &self.library,
            header,
            quote_dir: self.quote_dir.as_deref(),
            exports: &self.exports,
            depfile: Some(&self.depfile),
        }
    }

    fn preprocess<'a>(&'a self, header: Header<'a>) -> Job<'a> {
        let quote_dir = self.quote_dir.as_deref();
        Job::Preprocess { source: &self.source, header, quote_dir, text: &self.object }
    }

    fn text(&self) -> Header<'_> {
        Header::Text(&self.pch.header)
    }

    fn pch(&self) -> Header<'_> {
        Header::Pch(&self.pch)
    }
}

fn debugging() -> Flags {
    Flags { optimize: OptLevel::O0, debug: true, ..Flags::default() }
}

fn users() -> Flags {
    Flags {
        includes: vec!["inc".into(), "other inc".into()],
        defines: vec!["NDEBUG".into(), "NAME=\"a b\"".into()],
        cflags: vec!["-UX".into(), "-DY=1".into()],
        ldflags: vec!["lib/libhost.a".into(), "lib/libmath.a".into()],
        ..Flags::default()
    }
}

fn hosted() -> Flags {
    Flags { host_library: Some("@lib/host.lib".into()), ..users() }
}

fn odd_flags() -> Flags {
    Flags { includes: ["-dash", "@at", "=eq", "a b"].map(Into::into).into(), ..Flags::default() }
}

fn odd_jobs(odd: &Files) -> Vec<(&'static str, Flags, Job<'_>)> {
    vec![
        ("odd paths: build a PCH", odd_flags(), odd.build_pch()),
        ("odd paths: compile behind a header as text", odd_flags(), odd.compile(odd.text())),
        ("odd paths: compile behind a PCH", odd_flags(), odd.compile(odd.pch())),
        ("odd paths: preprocess a text behind a header as text", odd_flags(), odd.preprocess(odd.text())),
        ("odd paths: link three objects behind a PCH", odd_flags(), odd.link(odd.pch())),
        ("odd paths: compile and link behind a header as text", odd_flags(), odd.compile_and_link(odd.text())),
    ]
}

/// A golden file's sections.
fn jobs<'a>(plain: &'a Files, odd: &'a Files) -> Vec<(&'static str, Flags, Job<'a>)> {
    let warnings = Flags { warnings: true, ..Flags::default() };
    let mut jobs = vec![
        ("build a PCH", Flags::default(), plain.build_pch()),
        ("compile", Flags::default(), plain.compile(Header::None)),
        ("compile behind a header as text", Flags::default(), plain.compile(plain.text())),
        ("compile behind a PCH", Flags::default(), plain.compile(plain.pch())),
        ("preprocess a text", Flags::default(), plain.preprocess(Header::None)),
        ("preprocess a text behind a PCH", Flags::default(), plain.preprocess(plain.pch())),
        ("link three objects", Flags::default(), plain.link(Header::None)),
        ("link three objects behind a PCH", Flags::default(), plain.link(plain.pch())),
        ("compile and link", Flags::default(), plain.compile_and_link(Header::None)),
        ("compile and link behind a PCH", Flags::default(), plain.compile_and_link(plain.pch())),
        ("compile with -O0 and debug information", debugging(), plain.compile(Header::None)),
        ("link with -O0 and debug information", debugging(), plain.link(Header::None)),
        ("compile with warnings", warnings, plain.compile(Header::None)),
        ("compile with the user's flags", users(), plain.compile(Header::None)),
        ("link with the user's flags", users(), plain.link(Header::None)),
        ("link with the host's import library", hosted(), plain.link(plain.pch())),
        ("compile and link with the host's import library", hosted(), plain.compile_and_link(plain.pch())),
    ];
    jobs.extend(odd_jobs(odd));
    jobs
}

fn write_list<'a>(out: &mut String, title: &str, lines: impl IntoIterator<Item = &'a str>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_some() {
        writeln!(out, "{title}").unwrap();
        lines.for_each(|line| writeln!(out, "    {line}").unwrap());
    }
}

fn write_plan(out: &mut String, plan: &Plan) {
    for file in &plan.writes {
        write_list(out, &format!("write {}", file.path.display()), file.text.lines());
    }
    for Step { program, leading, args, env, response } in &plan.steps {
        write_list(
            out,
            &format!("run {}", program.display()),
            leading.iter().chain(args).map(|arg| arg.to_str().unwrap()),
        );
        for (name, value) in env {
            writeln!(out, "env {}={}", name.display(), value.display()).unwrap();
        }
        writeln!(out, "response {response:?}").unwrap();
    }
    for (title, paths) in [("outputs", &plan.outputs), ("companions", &plan.companions), ("leftovers", &plan.leftovers)]
    {
        write_list(out, title, paths.iter().map(|path| path.to_str().unwrap()));
    }
}

fn render(toolchain: &dyn Toolchain) -> String {
    let Capabilities { pch_suffix, one_step, at_once: _ } = toolchain.capabilities();
    let mut out = format!("PCH suffix: {}\none step: {one_step}\n", pch_suffix.unwrap_or("none"));
    for role in [Role::Object, Role::Library] {
        write_list(&mut out, &format!("\n== prelude of {role:?}"), toolchain.prelude(role).lines());
    }
    let (plain, odd) = (Files::plain(toolchain), Files::odd(toolchain));
    for (title, flags, job) in jobs(&plain, &odd) {
        writeln!(out, "\n== {title}").unwrap();
        match toolchain.plan(&flags, &job) {
            Ok(plan) => write_plan(&mut out, &plan),
            Err(error) => writeln!(out, "error: {error}").unwrap(),
        }
    }
    out
}

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden")
}

#[test]
fn plans_are_as_the_golden_files_say() {
    let assert = Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV);
    // All of them before the verdict: a change to one planner shows on several platforms.
    let differences: Vec<String> = toolchains()
        .filter_map(|toolchain| {
            let path = golden_dir().join(format!("{}.txt", name(&*toolchain)));
            // Raw: backslashes and `[..]` mean themselves.
            let expected = Data::read_from(&path, None).raw();
            assert.try_eq(None, Data::text(render(&*toolchain)), expected).err().map(|error| error.to_string())
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn every_golden_file_has_its_toolchain() {
    let names: BTreeSet<String> = toolchains().map(|toolchain| format!("{}.txt", name(&*toolchain))).collect();
    assert_eq!(names.len(), COMPILERS.len() + FOREIGN.len(), "two toolchains share a file");
    for entry in golden_dir().read_dir().unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file), "no toolchain makes {file}");
    }
}

#[test]
fn linker_flags_go_to_the_link_alone() {
    for toolchain in toolchains() {
        let (plain, odd) = (Files::plain(&*toolchain), Files::odd(&*toolchain));
        let flags = if toolchain.compiler().target.is_pe() { hosted() } else { users() };
        for (title, _, job) in jobs(&plain, &odd) {
            let Ok(plan) = toolchain.plan(&flags, &job) else { continue };
            let links = matches!(job, Job::Link { .. } | Job::CompileAndLink { .. });
            for (index, step) in plan.steps.iter().enumerate() {
                let wanted = links && index + 1 == plan.steps.len();
                let host = flags.host_library.iter().map(|_| "./@lib/host.lib".into());
                for word in flags.ldflags.iter().cloned().chain(host) {
                    let word: &std::ffi::OsString = &word;
                    assert_eq!(step.args.contains(word), wanted, "{}, {title}: {word:?}", name(&*toolchain));
                }
            }
        }
    }
}

/// What is left of a step's words without those that only name files or only say what to do with the PCH.
fn code_words(plan: &Plan) -> Vec<&str> {
    const PCH_ALONE: &[&str] = &["-x", "c-header", "-Yc", "-Xclang", "-fno-pch-timestamp"];
    const UNIT_ALONE: &[&str] = &["-c", "-include", "-include-pch", "-Winvalid-pch", "-Werror=invalid-pch"];
    plan.steps[0]
        .args
        .iter()
        .map(|arg| arg.to_str().unwrap())
        .filter(|arg| !PCH_ALONE.contains(arg) && !UNIT_ALONE.contains(arg))
        .filter(|arg| !["vm.", "u1."].iter().any(|file| arg.contains(file)))
        .collect()
}

#[test]
fn a_pch_and_its_units_hear_the_same_words() {
    for toolchain in toolchains() {
        let files = Files { quote_dir: None, ..Files::plain(&*toolchain) };
        for flags in [Flags::default(), debugging(), users()] {
            let Ok(pch) = toolchain.plan(&flags, &files.build_pch()) else { continue };
            let unit = toolchain.plan(&flags, &files.compile(files.pch())).unwrap();
            assert_eq!(code_words(&pch), code_words(&unit), "{}", name(&*toolchain));
        }
    }
}

#[test]
fn odd_paths_stay_paths() {
    let mut mistaken = String::new();
    for toolchain in toolchains() {
        let odd = Files::odd(&*toolchain);
        for (title, flags, job) in odd_jobs(&odd) {
            let Ok(plan) = toolchain.plan(&flags, &job) else { continue };
            for arg in plan.steps.iter().flat_map(|step| &step.args) {
                let word = arg.to_str().unwrap();
                if word.starts_with('@') || word.starts_with("-dash") {
                    writeln!(mistaken, "{}, {title}: {word}", name(&*toolchain)).unwrap();
                }
            }
        }
    }
    assert!(mistaken.is_empty(), "taken for response files or options:\n{mistaken}");
}
