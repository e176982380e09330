//! The command line that gcc, clang and tcc share. Each compiler's differences are its [`Dialect`], in a separate file;
//! requirements of PE are in `mingw.rs`.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use crate::args::{Args, path_argument};
use crate::cacheability::configuration_arguments;
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

/// The differences between gcc, clang and tcc.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// The suffix of a PCH's name, or `None` if the compiler has no PCH.
    fn pch_suffix(&self) -> Option<&'static str>;
    /// The syntax of response files.
    fn response(&self) -> Syntax;
    /// Flags for every step that generates code, including the PCH.
    fn code(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str>;
    /// Further flags for building a PCH.
    fn pch_build(&self) -> &'static [&'static str];
    /// The flags that make a unit use a PCH.
    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError>;
    /// True if the compiler's PCH can contain `-imacros` files only as included headers.
    fn includes_macro_files(&self) -> bool {
        false
    }
    /// The flags that add a directory for `#include "…"`.
    fn quote_dir(&self, dir: &OsStr) -> Vec<OsString> {
        vec!["-iquote".into(), dir.into()]
    }
    /// Returns the files that the compiler's depfile names.
    fn dependencies(&self, depfile: &[u8]) -> Vec<PathBuf> {
        depfile::parse(depfile)
    }
    /// C source that every library contains once instead of start-up files; empty if the library needs none or the compiler links its own.
    fn entry(&self, Compiler { target, .. }: &Compiler) -> &'static str {
        if target.os == Os::Windows { mingw::ENTRY } else { "" }
    }
    /// True if one process makes a library from a unit.
    fn at_once(&self, _target: &Target) -> bool {
        false
    }
    /// Flags for the link, before the objects.
    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str>;
    /// True if another linker than the compiler's own can link its objects.
    fn supports_linkers(&self) -> bool {
        true
    }
    /// True if starting the compiler and loading its PCH takes long enough to do both in advance.
    fn is_worth_prestarting(&self) -> bool {
        true
    }
    /// True if `-###` makes its driver print the commands that it would run, and `-v` the directories for `#include`.
    fn has_dry_run(&self) -> bool {
        true
    }
    /// The sign that the compiler's object is complete.
    fn completion(&self) -> Completion {
        Completion::AtExit
    }
    /// True if the compiler works in a private copy of its PCH.
    fn copies_pch(&self) -> bool {
        false
    }
    /// Libraries for the link, after the objects and the user's libraries.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str];
}

/// A compiler with gcc's command line.
#[derive(Debug)]
pub(crate) struct Gnu<D> {
    pub(crate) compiler: Compiler,
    pub(crate) dialect: D,
}

/// True if the target's linker makes a library without the compiler's default libraries: then the loading program defines the open
/// symbols. The list is that of Ruby's MJIT (`mjit_worker.c`): gcc everywhere except on PE, AIX and OpenBSD.
pub(crate) fn supports_nostdlib(target: &Target) -> bool {
    !target.is_pe() && !matches!(target.os, Os::Aix | Os::OpenBsd)
}

/// True if libraries are linked with the compiler's default files: with its start-up files, which run `atexit` functions when the
/// library is unloaded, and with the C library, because the linker finds the current versions of symbols only there. Symbols that
/// the host defines still come from the host, which the loader searches first.
///
/// False for musl, whose symbols have no versions, unless the code calls a run-time library that only the compiler knows; and for a
/// cross compiler that has no files of its target's system.
pub(crate) fn links_default_files(compiler: &Compiler, flags: &Flags) -> bool {
    let Target { os, env, .. } = &compiler.target;
    match os {
        Os::Linux => *env == Env::Gnu || *env == Env::Musl && runtime::is_called(flags),
        Os::FreeBsd | Os::NetBsd => !compiler.lacks_target_system(),
        _ => false,
    }
}

/// Flags for position-independent code: a library may be mapped anywhere. PE code always is, and clang refuses the flag there.
pub(crate) fn pic(target: &Target) -> &'static [&'static str] {
    if target.is_pe() { &[] } else { &["-fPIC"] }
}

/// True if a flag of the user's affects code generation only.
fn is_about_code(argument: &OsString) -> bool {
    const ABOUT_CODE: [&str; 8] = ["-O", "-D", "-U", "-I", "-std=", "-m", "-fno-", "-ffast-math"];
    argument
        .to_str()
        .is_some_and(|argument| argument == "-w" || ABOUT_CODE.iter().any(|prefix| argument.starts_with(prefix)))
}

/// The flags that make a library instead of a program.
pub(crate) fn shared(target: &Target) -> &'static [&'static str] {
    match target.os {
        // A bundle may leave symbols to the program if -undefined dynamic_lookup says so (ld(1) on macOS).
        Os::MacOs => &["-dynamic", "-bundle", "-undefined", "dynamic_lookup"],
        // -G makes ld accept open symbols in a library (AIX's ld command).
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
            // The parser reads English diagnostics.
            env: self.compiler.env.iter().cloned().chain([("LC_ALL".into(), "C".into())]).collect(),
            response: self.dialect.response(),
        }
    }

    /// Optimisation, debug and user flags: the same in every step, without flags that have no meaning in the step.
    fn common(&self, flags: &Flags, step: cflags::StepKind) -> Args {
        let mut args = Args::default();
        args.push_all([flags.optimize.flag()]);
        if flags.debug {
            args.push_all(["-g"]);
        }
        args.push_all(cflags::step_flags(&dependencies::without(&flags.cflags), step));
        args
    }

    /// Fails if the user's flags keep the compiler from making an object.
    fn check_flags(&self, flags: &Flags) -> Result<(), PlanError> {
        let arguments = [&self.compiler.leading, &flags.cflags];
        match arguments.into_iter().find_map(|arguments| dependencies::refused(arguments)) {
            Some(instead) => Err(self.unsupported("compile with a flag that only lists or prints", instead)),
            None => Ok(()),
        }
    }

    /// Flags that must be the same for a PCH and its units.
    fn code(&self, flags: &Flags, step: cflags::StepKind) -> Args {
        let mut args = self.common(flags, step);
        if !flags.warnings {
            args.push_all(["-w"]);
        }
        args.push_all(self.dialect.code(&self.compiler, flags));
        for dir in &flags.includes {
            args.joined("-I", path_argument(dir));
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
        let mut args = self.code(flags, cflags::StepKind::Pch { macros_as_includes });
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

    /// The arguments for a unit before its file name.
    fn unit(
        &self,
        flags: &Flags,
        header: Header<'_>,
        quote_dir: Option<&Path>,
        depfile: Option<&Path>,
    ) -> Result<Args, PlanError> {
        let mut args = Args::default();
        // First: the unit's directory precedes the user's directories, also if it is passed as -I.
        if let Some(dir) = quote_dir {
            args.push_all(self.dialect.quote_dir(&path_argument(dir)));
        }
        let step = match header {
            Header::Pch(_) => cflags::StepKind::BehindPch,
            Header::None | Header::Text(_) => cflags::StepKind::Code,
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
            args.push_all(self.dialect.quote_dir(&path_argument(dir)));
        }
        // GCC manual, "Preprocessor Options": -dD keeps the definitions, the predefined ones too.
        args.push_all(self.code(flags, cflags::StepKind::Code)).push_all(["-E", "-dD"]);
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
        self.linked(self.common(flags, cflags::StepKind::Link), flags, inputs, library)
    }

    fn linked(&self, mut args: Args, flags: &Flags, inputs: &[PathBuf], library: &Path) -> Step {
        // If several flags choose a linker, the last flag counts.
        args.push_all(self.dialect.link(&self.compiler, flags)).push_all(flags.linker.flag()).flag("-o", library);
        for input in inputs {
            args.path(input);
        }
        // Before the user's libraries: the host's symbols take precedence.
        if let Some(host) = &flags.host_library {
            args.path(host);
        }
        args.push_all(&flags.ldflags).push_all(self.dialect.link_libraries(&self.compiler, flags));
        self.step(args)
    }

    /// Fails if this compiler cannot use the requested linker.
    fn check_linker(&self, flags: &Flags) -> Result<(), PlanError> {
        match flags.linker {
            Linker::Auto | Linker::Driver => Ok(()),
            Linker::Wild => {
                self.link_in_process(flags).map(drop).map_err(|why| self.unsupported("link with wild", why))
            }
            Linker::Lld | Linker::Mold | Linker::Gold | Linker::Bfd if self.dialect.supports_linkers() => Ok(()),
            Linker::Lld | Linker::Mold | Linker::Gold | Linker::Bfd => {
                Err(self.unsupported("use another linker than its own", "remove --linker"))
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
                "remove the option, because the program that loads a library defines the library's open symbols",
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
                    // One entry point per library, not per object: several would collide. The driver compiles the file during the link.
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
            // Two steps: in one step macOS leaves a .dSYM and MinGW adds its default libraries (Ruby 9aa5fe1b, a8d39a05).
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

    /// The unit is an include, because compilers open the source itself before the PCH.
    fn standby_source(&self) -> Option<&'static str> {
        let waits = self.dialect.is_worth_prestarting() && !self.compiler.target.is_pe();
        waits.then_some("#include \"/dev/stdin\"\n")
    }

    fn completion(&self, flags: &Flags) -> Completion {
        // Other flags may change the object after the sign of completion: -gsplit-dwarf moves parts out of it, -Werror may delete it.
        let plain = flags.cflags.iter().all(is_about_code);
        if plain { self.dialect.completion() } else { Completion::AtExit }
    }

    fn copies_pch(&self) -> bool {
        self.dialect.copies_pch()
    }

    fn link_in_process(&self, flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
        if !self.dialect.supports_linkers() {
            return Err("the compiler has its own linker");
        }
        link::in_process(&self.compiler.target, flags)
    }

    fn ask_link(&self, flags: &Flags) -> Option<Step> {
        (self.compiler.target.os == Os::Linux && self.dialect.supports_linkers()).then(|| {
            let mut args = Args::default();
            // The user's flags may choose among several systems.
            args.push_all(cflags::step_flags(&dependencies::without(&flags.cflags), cflags::StepKind::Link));
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

    /// Both drivers print the commands that they would run, including everything that configuration files and variables add.
    fn ask_configuration(&self, flags: &Flags) -> Option<Step> {
        self.dialect.has_dry_run().then(|| self.step(Args(configuration_arguments(flags))))
    }

    fn ask_search_list(&self, flags: &Flags) -> Option<Step> {
        self.dialect.has_dry_run().then(|| {
            let mut args = self.code(flags, cflags::StepKind::Code);
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

    /// GNU ld since 2.35, gold, lld and mold write a list of the files that they read. Apple's and AIX's linkers have other flags.
    fn link_depfile(&self, depfile: &Path) -> Option<Vec<OsString>> {
        let serves = self.dialect.supports_linkers() && !matches!(self.compiler.target.os, Os::MacOs | Os::Aix);
        serves.then(|| {
            // Not -Wl, which splits the path at a comma.
            ["-Xlinker".into(), "--dependency-file".into(), "-Xlinker".into(), path_argument(depfile)].into()
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
