//! The command line that gcc, clang and tcc share. What sets one of them apart is its [`Dialect`], in a file of its
//! own; what PE wants is in `mingw.rs`.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use crate::args::{Args, path_word};
use crate::cacheability::configuration_words;
use crate::cflags;
use crate::compiler::Compiler;
use crate::diagnostic::{self, Diagnostic};
use crate::job::{Flags, Header, Job, Pch};
use crate::link::{self, Linker};
use crate::link_line::{self, LinkLine};
use crate::plan::{Plan, PlanError, Step, TextFile};
use crate::response::Syntax;
use crate::search::SearchList;
use crate::target::{Env, Os, Target};
use crate::{Capabilities, Completion, Role, Toolchain, dependencies, depfile, mingw, runtime, search};

/// Where gcc, clang and tcc part ways.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// What a PCH's name ends with; none where there is no PCH.
    fn pch_suffix(&self) -> Option<&'static str>;
    /// How it reads response files.
    fn response(&self) -> Syntax;
    /// Words for every step that makes code, the PCH among them.
    fn code(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str>;
    /// Further words for making a PCH.
    fn pch_build(&self) -> &'static [&'static str];
    /// The words that make a unit use a PCH.
    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError>;
    /// Whether its PCH has files with macros in it (`-imacros`) only as if they were headers.
    fn includes_macro_files(&self) -> bool {
        false
    }
    /// The words that add a directory for `#include "…"`.
    fn quote_dir(&self, dir: &OsStr) -> Vec<OsString> {
        vec!["-iquote".into(), dir.into()]
    }
    /// The files that its depfile names.
    fn dependencies(&self, depfile: &[u8]) -> Vec<PathBuf> {
        depfile::parse(depfile)
    }
    /// C that every library has once, in the place of start-up files; nothing where it needs none or the compiler brings its own.
    fn entry(&self, Compiler { target, .. }: &Compiler) -> &'static str {
        if target.os == Os::Windows { mingw::ENTRY } else { "" }
    }
    /// Whether one process makes a library of a unit.
    fn at_once(&self, _target: &Target) -> bool {
        false
    }
    /// Words for the link, before the objects.
    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str>;
    /// Whether another linker than its own can link what it compiles.
    fn takes_linkers(&self) -> bool {
        true
    }
    /// Whether starting it and loading its PCH takes long enough to do it ahead.
    fn waits(&self) -> bool {
        true
    }
    /// True if `-###` makes its driver print the commands that it would run, and `-v` the directories for `#include`.
    fn tells_commands(&self) -> bool {
        true
    }
    /// What tells that its object is whole.
    fn completion(&self) -> Completion {
        Completion::AtExit
    }
    /// Whether it works in a copy of its PCH.
    fn copies_pch(&self) -> bool {
        false
    }
    /// Libraries for the link, after the objects and the user's.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str];
}

/// A compiler with gcc's command line.
#[derive(Debug)]
pub(crate) struct Gnu<D> {
    pub(crate) compiler: Compiler,
    pub(crate) dialect: D,
}

/// Whether this system's linker takes a library without the compiler's default libraries: there the loading program fills
/// in what is open. The list is the seed's (Ruby's `mjit_worker.c`): gcc everywhere but on PE, AIX and OpenBSD.
pub(crate) fn takes_nostdlib(target: &Target) -> bool {
    !target.is_pe() && !matches!(target.os, Os::Aix | Os::OpenBsd)
}

/// Whether libraries are linked as the compiler links them by itself: with its start-up files, which run what `atexit` was given when the library
/// is unloaded, and with the C library, since only there the linker learns which version of a symbol is the current one. What the host
/// defines still comes from the host, which the loader asks first.
///
/// musl, whose symbols have no versions, is left to the program that loads the library, unless code calls a run-time library that only the compiler
/// knows; so is a system that a compiler on another one has no files of.
pub(crate) fn links_plainly(compiler: &Compiler, flags: &Flags) -> bool {
    let Target { os, env, .. } = &compiler.target;
    match os {
        Os::Linux => *env == Env::Gnu || *env == Env::Musl && runtime::is_called(flags),
        Os::FreeBsd | Os::NetBsd => !compiler.is_bare(),
        _ => false,
    }
}

/// Position-independent code: a library may be mapped anywhere. PE code always is, and clang refuses the flag there.
pub(crate) fn pic(target: &Target) -> &'static [&'static str] {
    if target.is_pe() { &[] } else { &["-fPIC"] }
}

/// Whether a word of the user's says what the code is like, and no more than that.
fn is_about_code(word: &OsString) -> bool {
    const ABOUT_CODE: [&str; 8] = ["-O", "-D", "-U", "-I", "-std=", "-m", "-fno-", "-ffast-math"];
    word.to_str().is_some_and(|word| word == "-w" || ABOUT_CODE.iter().any(|prefix| word.starts_with(prefix)))
}

/// The words that make a library rather than a program.
pub(crate) fn shared(target: &Target) -> &'static [&'static str] {
    match target.os {
        // A bundle may leave symbols to the program; -undefined dynamic_lookup says that it does (ld(1) on macOS).
        Os::MacOs => &["-dynamic", "-bundle", "-undefined", "dynamic_lookup"],
        // -G is ld's word for a library that may leave symbols open (AIX's ld command).
        Os::Aix => &["-shared", "-Wl,-G"],
        _ => &["-shared"],
    }
}

impl<D: Dialect> Gnu<D> {
    fn step(&self, args: Args) -> Step {
        Step {
            program: self.compiler.program.clone(),
            leading: dependencies::without(&self.compiler.leading),
            args: args.0,
            // English diagnostics, which is what the parser reads.
            env: self.compiler.env.iter().cloned().chain([("LC_ALL".into(), "C".into())]).collect(),
            response: self.dialect.response(),
        }
    }

    /// Optimisation, debugging and the user's own words: the same in every step, as far as they mean something there.
    fn common(&self, flags: &Flags, step: cflags::Step) -> Args {
        let mut args = Args::default();
        args.push_all([flags.optimize.flag()]);
        if flags.debug {
            args.push_all(["-g"]);
        }
        args.push_all(cflags::given(&dependencies::without(&flags.cflags), step));
        args
    }

    /// Says no where the user's words keep the compiler from making an object.
    fn check_flags(&self, flags: &Flags) -> Result<(), PlanError> {
        let words = [&self.compiler.leading, &flags.cflags];
        match words.into_iter().find_map(|words| dependencies::refused(words)) {
            Some(instead) => Err(self.unsupported("make code with a flag that only lists or prints", instead)),
            None => Ok(()),
        }
    }

    /// What a PCH and the units behind it must have alike.
    fn code(&self, flags: &Flags, step: cflags::Step) -> Args {
        let mut args = self.common(flags, step);
        if !flags.warnings {
            args.push_all(["-w"]);
        }
        args.push_all(self.dialect.code(&self.compiler, flags));
        for dir in &flags.includes {
            args.joined("-I", path_word(dir));
        }
        for define in &flags.defines {
            args.joined("-D", define);
        }
        args
    }

    fn build_pch(&self, flags: &Flags, pch: &Pch, depfile: &Path) -> Result<Plan, PlanError> {
        if self.dialect.pch_suffix().is_none() {
            return Err(self.unsupported("precompile a header", "compile the header with each unit as text"));
        }
        let macros_as_includes = self.dialect.includes_macro_files();
        let mut args = self.code(flags, cflags::Step::Pch { macros_as_includes });
        args.push_all(self.dialect.pch_build()).push_all(["-MD"]).flag("-MF", depfile);
        // -x c-header and not -emit-pch, which clang 19's driver refuses.
        args.push_all(["-x", "c-header"]).path(&pch.header).flag("-o", &pch.file);
        Ok(Plan { steps: vec![self.step(args)], outputs: vec![pch.file.clone()], ..Plan::default() })
    }

    fn compile(
        &self,
        flags: &Flags,
        source: &Path,
        object: &Path,
        header: Header<'_>,
        quote_dir: Option<&Path>,
        depfile: Option<&Path>,
    ) -> Result<Step, PlanError> {
        let mut args = self.unit(flags, header, quote_dir, depfile)?;
        args.push_all(["-c"]).path(source).flag("-o", object);
        Ok(self.step(args))
    }

    /// What is said of a unit before its name.
    fn unit(
        &self,
        flags: &Flags,
        header: Header<'_>,
        quote_dir: Option<&Path>,
        depfile: Option<&Path>,
    ) -> Result<Args, PlanError> {
        let mut args = Args::default();
        // First: a unit's own folder comes before the user's, also where that is said with -I.
        if let Some(dir) = quote_dir {
            args.push_all(self.dialect.quote_dir(&path_word(dir)));
        }
        let step = match header {
            Header::Pch(_) => cflags::Step::BehindPch,
            Header::None | Header::Text(_) => cflags::Step::Code,
        };
        args.push_all(self.code(flags, step));
        match header {
            Header::None => {}
            Header::Text(path) => {
                args.flag("-include", path);
            }
            Header::Pch(pch) => {
                args.push_all(self.dialect.pch_use(pch)?);
            }
        }
        if let Some(depfile) = depfile {
            args.push_all(["-MD"]).flag("-MF", depfile);
        }
        Ok(args)
    }

    fn preprocess(
        &self,
        flags: &Flags,
        source: &Path,
        header: Header<'_>,
        quote_dir: Option<&Path>,
        text: &Path,
    ) -> Plan {
        let mut args = Args::default();
        // First, as for a unit.
        if let Some(dir) = quote_dir {
            args.push_all(self.dialect.quote_dir(&path_word(dir)));
        }
        // GCC manual, "Preprocessor Options": -dD keeps the definitions, the predefined ones too.
        args.push_all(self.code(flags, cflags::Step::Code)).push_all(["-E", "-dD"]);
        let header = match header {
            Header::None => None,
            Header::Text(path) => Some(path),
            Header::Pch(pch) => Some(pch.header.as_path()),
        };
        if let Some(path) = header {
            args.flag("-include", path);
        }
        args.path(source).flag("-o", text);
        Plan { steps: vec![self.step(args)], outputs: vec![text.to_owned()], ..Plan::default() }
    }

    fn link(&self, flags: &Flags, inputs: &[PathBuf], library: &Path) -> Step {
        self.linked(self.common(flags, cflags::Step::Link), flags, inputs, library)
    }

    fn linked(&self, mut args: Args, flags: &Flags, inputs: &[PathBuf], library: &Path) -> Step {
        // The last of its kind is the one that counts.
        args.push_all(self.dialect.link(&self.compiler, flags)).push_all(flags.linker.flag()).flag("-o", library);
        for input in inputs {
            args.path(input);
        }
        // Before the user's libraries: what the host has comes from the host.
        if let Some(host) = &flags.host_library {
            args.path(host);
        }
        args.push_all(&flags.ldflags).push_all(self.dialect.link_libraries(&self.compiler, flags));
        self.step(args)
    }

    /// Says no where the wished linker is none of this compiler's.
    fn check_linker(&self, flags: &Flags) -> Result<(), PlanError> {
        match flags.linker {
            Linker::Auto | Linker::Driver => Ok(()),
            Linker::Wild => {
                self.link_in_process(flags).map(drop).map_err(|why| self.unsupported("link with wild", why))
            }
            Linker::Lld | Linker::Mold | Linker::Gold | Linker::Bfd if self.dialect.takes_linkers() => Ok(()),
            Linker::Lld | Linker::Mold | Linker::Gold | Linker::Bfd => {
                Err(self.unsupported("link with another linker than its own", "leave the choice to it"))
            }
        }
    }

    fn unsupported(&self, what: &'static str, instead: &'static str) -> PlanError {
        let Compiler { family, target, .. } = &self.compiler;
        PlanError::Unsupported { toolchain: format!("{family} for {target}"), what, instead }
    }
}

impl<D: Dialect> Toolchain for Gnu<D> {
    fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            pch_suffix: self.dialect.pch_suffix(),
            one_step: false,
            at_once: self.dialect.at_once(&self.compiler.target),
        }
    }

    fn prelude(&self, role: Role) -> &'static str {
        match role {
            Role::Library => self.dialect.entry(&self.compiler),
            Role::Object => "",
        }
    }

    fn plan(&self, flags: &Flags, job: &Job<'_>) -> Result<Plan, PlanError> {
        let target = &self.compiler.target;
        if target.env == Env::Msvc {
            return Err(self.unsupported("compile for Microsoft's C runtime", "use clang-cl or cl"));
        }
        if let Some((flag, why)) = cflags::refused(&flags.cflags).or_else(|| cflags::refused(&flags.ldflags)) {
            return Err(PlanError::Flag { flag, why });
        }
        if flags.host_library.is_some() && !target.is_pe() {
            return Err(self.unsupported(
                "link with an import library of the host",
                "leave it out, the program that loads a library defines what it leaves open",
            ));
        }
        if matches!(job, Job::Link { .. } | Job::CompileAndLink { .. }) {
            self.check_linker(flags)?;
        }
        self.check_flags(flags)?;
        match *job {
            Job::BuildPch { pch, depfile } => self.build_pch(flags, pch, depfile),
            Job::Compile { source, object, header, quote_dir, depfile } => Ok(Plan {
                steps: vec![self.compile(flags, source, object, header, quote_dir, depfile)?],
                outputs: vec![object.to_owned()],
                ..Plan::default()
            }),
            Job::Preprocess { source, header, quote_dir, text } => {
                Ok(self.preprocess(flags, source, header, quote_dir, text))
            }
            Job::Link { objects, library, .. } => {
                let mut inputs = objects.to_vec();
                let mut writes = Vec::new();
                let entry = self.dialect.entry(&self.compiler);
                if !entry.is_empty() {
                    // Once a library, not once an object: several would collide. The driver compiles it on the way.
                    let path = library.with_extension("entry.c");
                    inputs.push(path.clone());
                    writes.push(TextFile { path, text: entry.to_owned() });
                }
                Ok(Plan {
                    steps: vec![self.link(flags, &inputs, library)],
                    outputs: vec![library.to_owned()],
                    leftovers: writes.iter().map(|file| file.path.clone()).collect(),
                    writes,
                    companions: Vec::new(),
                })
            }
            Job::CompileAndLink { source, library, header, quote_dir, depfile, .. } if self.dialect.at_once(target) => {
                let args = self.unit(flags, header, quote_dir, depfile)?;
                let step = self.linked(args, flags, &[source.to_owned()], library);
                Ok(Plan { steps: vec![step], outputs: vec![library.to_owned()], ..Plan::default() })
            }
            // Two steps all the same: in one, macOS leaves a .dSYM and MinGW mixes its libraries in (Ruby 9aa5fe1b, a8d39a05).
            Job::CompileAndLink { source, library, header, quote_dir, depfile, .. } => {
                let object = library.with_extension(target.object_suffix());
                let compile = self.compile(flags, source, &object, header, quote_dir, depfile)?;
                let link = self.link(flags, std::slice::from_ref(&object), library);
                Ok(Plan {
                    steps: vec![compile, link],
                    outputs: vec![library.to_owned()],
                    leftovers: vec![object],
                    ..Plan::default()
                })
            }
        }
    }

    fn macro_files<'a>(&self, flags: &'a Flags) -> Vec<&'a Path> {
        let files = cflags::macro_files(&flags.cflags);
        if self.dialect.includes_macro_files() { files.into_iter().map(Path::new).collect() } else { Vec::new() }
    }

    /// As an include: the source itself is read before the PCH.
    fn standby_source(&self) -> Option<&'static str> {
        let waits = self.dialect.waits() && !self.compiler.target.is_pe();
        waits.then_some("#include \"/dev/stdin\"\n")
    }

    fn completion(&self, flags: &Flags) -> Completion {
        // What a word means for the object's last moments only the compiler knows: -gsplit-dwarf takes parts out of it, -Werror may take it back.
        let plain = flags.cflags.iter().all(is_about_code);
        if plain { self.dialect.completion() } else { Completion::AtExit }
    }

    fn copies_pch(&self) -> bool {
        self.dialect.copies_pch()
    }

    fn link_in_process(&self, flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
        if !self.dialect.takes_linkers() {
            return Err("the compiler has a linker of its own");
        }
        link::in_process(&self.compiler.target, flags)
    }

    fn ask_link(&self, flags: &Flags) -> Option<Step> {
        (self.compiler.target.os == Os::Linux && self.dialect.takes_linkers()).then(|| {
            let mut args = Args::default();
            // The user's words may choose among several systems.
            args.push_all(cflags::given(&dependencies::without(&flags.cflags), cflags::Step::Link));
            args.push_all(["-shared", "-fPIC", "-###", link_line::OBJECTS]);
            self.step(args)
        })
    }

    fn link_line(&self, output: &[u8]) -> Option<LinkLine> {
        link_line::read(output)
    }

    fn calls_runtime(&self, flags: &Flags) -> bool {
        // PE leaves no symbol open.
        !self.compiler.target.is_pe() && runtime::is_called(flags)
    }

    fn response(&self) -> Syntax {
        self.dialect.response()
    }

    /// Both drivers print the commands that they would run, with everything that files and variables have added to the words.
    fn ask_configuration(&self, flags: &Flags) -> Option<Step> {
        self.dialect.tells_commands().then(|| self.step(Args(configuration_words(flags))))
    }

    fn ask_search_list(&self, flags: &Flags) -> Option<Step> {
        self.dialect.tells_commands().then(|| {
            let mut args = self.code(flags, cflags::Step::Code);
            args.push_all(["-v", "-E", "-x", "c", "-"]);
            self.step(args)
        })
    }

    fn search_list(&self, answer: &[u8]) -> Option<SearchList> {
        search::read(answer)
    }

    fn writes_depfile(&self) -> bool {
        true
    }

    /// GNU ld since 2.35, gold, lld and mold write a list of what they read. The linkers of Apple and AIX have other words.
    fn link_depfile(&self, depfile: &Path) -> Option<Vec<OsString>> {
        let serves = self.dialect.takes_linkers() && !matches!(self.compiler.target.os, Os::MacOs | Os::Aix);
        serves.then(|| {
            // Not behind -Wl, where a comma would end the path.
            ["-Xlinker".into(), "--dependency-file".into(), "-Xlinker".into(), path_word(depfile)].into()
        })
    }

    fn link_dependencies(&self, depfile: &[u8]) -> Vec<PathBuf> {
        depfile::parse(depfile)
    }

    fn diagnostics(&self, output: &[u8]) -> Vec<Diagnostic> {
        diagnostic::gnu(output)
    }

    fn dependencies(&self, depfile: &[u8], _output: &[u8]) -> Vec<PathBuf> {
        self.dialect.dependencies(depfile)
    }

    fn readable(&self, output: &[u8]) -> String {
        String::from_utf8_lossy(output).into_owned()
    }
}
