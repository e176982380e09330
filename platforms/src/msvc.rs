//! Microsoft's `cl`, and clang-cl, which shares cl's command line except for its [`ClFlavor`]. Flags:
//! <https://learn.microsoft.com/cpp/build/reference/compiler-options-listed-by-category>.

use std::path::{Path, PathBuf};

use crate::args::{Args, path_argument};
use crate::clflags;
use crate::compiler::Compiler;
use crate::diagnostic::{self, Diagnostic};
use crate::job::{Flags, Header, Job, OptLevel, Pch};
use crate::plan::{Plan, PlanError, Step, TextFile};
use crate::response::Syntax;
use crate::{Capabilities, Role, Toolchain, depfile};

mod flavor;

use flavor::{ClFlavor, PchSource};

/// Replaces the C runtime's entry point in every library, so that the library starts no runtime.
const ENTRY: &str = "\
int __stdcall DllMainCRTStartup(void *instance, unsigned reason, void *reserved)
{
    (void)instance, (void)reason, (void)reserved;
    return 1;
}
";

/// A compiler with cl's command line.
#[derive(Debug)]
pub(crate) struct Msvc {
    pub(crate) compiler: Compiler,
}

/// Returns the object that building a PCH creates. Every library whose units use the PCH links the object.
fn pch_object(pch: &Pch) -> PathBuf {
    pch.file.with_extension("obj")
}

impl Msvc {
    fn flavor(&self) -> ClFlavor {
        ClFlavor::of(&self.compiler)
    }

    fn step(&self, args: Args) -> Step {
        Step {
            program: self.compiler.program.clone(),
            leading: self.compiler.leading.clone(),
            args: args.0,
            // English on every machine: localised messages broke a parser once (pytorch #157673).
            env: self.compiler.env.iter().cloned().chain([("VSLANG".into(), "1033".into())]).collect(),
            response: Syntax::Msvc,
        }
    }

    /// Flags that must be the same for a PCH and its units.
    fn code(&self, flags: &Flags) -> Args {
        let mut args = Args::default();
        // -utf-8: otherwise cl reads sources in the machine's code page, including #line names and string literals.
        args.push_all(["-nologo", "-utf-8"]);
        args.push_all([match flags.optimize {
            OptLevel::O0 => "-Od",
            OptLevel::O1 | OptLevel::Os => "-O1",
            OptLevel::O2 | OptLevel::O3 => "-O2",
        }]);
        // -MD: the DLL of the C runtime, the same as the host's. -GS-: the check's cookie is initialised by the runtime's entry
        // point, which the library does not have.
        args.push_all(["-MD", "-GS-"]);
        if !flags.warnings {
            args.push_all(["-w"]);
        }
        for dir in &flags.includes {
            args.joined("-I", dir);
        }
        for define in &flags.defines {
            args.joined("-D", define);
        }
        args.push_all(clflags::step_flags(&flags.cflags));
        args.push_all(Self::debug(flags));
        args
    }

    /// These flags come last, so that no flag of the user's restores -Zi: its .pdb is shared by PCH and units, and concurrent compilers
    /// corrupt the .pdb (C1041; Ruby e6f4a39a). -Z7 writes the debug information into the object.
    fn debug(flags: &Flags) -> &'static [&'static str] {
        let users =
            || flags.cflags.iter().any(|argument| ["-Zi", "-ZI", "/Zi", "/ZI"].iter().any(|own| argument == own));
        if flags.debug || users() { &["-Z7"] } else { &[] }
    }

    fn build_pch(&self, flags: &Flags, pch: &Pch) -> Plan {
        let object = pch_object(pch);
        let database = pch.file.with_extension("pdb");
        let PchSource { arguments, write } = self.flavor().pch_source(flags, pch);
        let writes: Vec<TextFile> = write.into_iter().collect();
        let mut args = self.code(flags);
        args.push_all(arguments);
        args.joined("-Fp", &pch.file)
            .joined("-Fo", path_argument(&object))
            .joined("-Fd", &database)
            .push_all(["-showIncludes", "-c"]);
        Plan {
            steps: vec![self.step(args)],
            outputs: vec![pch.file.clone()],
            companions: vec![object, database],
            leftovers: writes.iter().map(|file| file.path.clone()).collect(),
            writes,
        }
    }

    /// Arguments that give a unit its header and its directory, and name its object.
    fn unit(&self, flags: &Flags, source: &Path, object: &Path, header: Header<'_>, quote_dir: Option<&Path>) -> Args {
        let mut args = Args::default();
        if let Some(dir) = quote_dir {
            // cl has no -iquote. First, since the unit's directory precedes the user's directories.
            args.joined("-I", dir);
        }
        args.push_all(self.code(flags));
        match header {
            Header::None => {}
            Header::Text(path) => {
                args.joined("-FI", path);
            }
            Header::Pch(pch) => {
                args.joined("-Yu", &pch.header).joined("-FI", &pch.header).joined("-Fp", &pch.file);
            }
        }
        // A separate -Fd for each unit: concurrent compilers never share a .pdb.
        args.push_all(["-showIncludes"])
            .joined("-Fo", path_argument(object))
            .joined("-Fd", object.with_extension("pdb"))
            .joined("-Tc", path_argument(source));
        args
    }

    /// The arguments after `-link`, for the linker. Objects too, since clang-cl refuses them before `-link` beside a `-Fo`.
    fn linker(
        &self,
        flags: &Flags,
        objects: &[PathBuf],
        library: &Path,
        header: Header<'_>,
        exports: &[String],
    ) -> Args {
        let mut args = Args::default();
        args.push_all(["-link"]).push_all(objects.iter().map(|object| path_argument(object)));
        if let Header::Pch(pch) = header {
            args.push_all([path_argument(&pch_object(pch))]);
        }
        args.push_all(["-ENTRY:DllMainCRTStartup"]);
        args.joined("-IMPLIB:", library.with_extension("lib"));
        if flags.debug {
            // -DEBUG links incrementally by default, and leaves an .ilk.
            args.push_all(["-DEBUG", "-INCREMENTAL:NO"]).joined("-PDB:", library.with_extension("pdb"));
        }
        for symbol in exports {
            args.joined("-EXPORT:", symbol);
        }
        if let Some(host) = &flags.host_library {
            args.path(host);
        }
        args.push_all(&flags.ldflags);
        args
    }

    /// Adds a link's further files: the import library, which no step links, and the debug database, which is kept with the library.
    fn linked(&self, flags: &Flags, step: Step, library: &Path, mut leftovers: Vec<PathBuf>) -> Plan {
        leftovers.extend(["lib", "exp"].map(|suffix| library.with_extension(suffix)));
        let database = library.with_extension("pdb");
        let companions = if flags.debug {
            vec![database]
        } else {
            leftovers.push(database);
            Vec::new()
        };
        Plan { writes: Vec::new(), steps: vec![step], outputs: vec![library.to_owned()], companions, leftovers }
    }
}

impl Toolchain for Msvc {
    fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { pch_suffix: Some("pch"), one_step: true, at_once: false }
    }

    fn prelude(&self, role: Role) -> &'static str {
        match role {
            Role::Library => ENTRY,
            Role::Object => "",
        }
    }

    fn plan(&self, flags: &Flags, job: &Job<'_>) -> Result<Plan, PlanError> {
        if matches!(job, Job::Link { .. } | Job::CompileAndLink { .. }) && !self.flavor().supports_linker(flags.linker)
        {
            return Err(PlanError::Unsupported {
                toolchain: format!("{} for {}", self.compiler.family, self.compiler.target),
                what: "use the chosen linker",
                instead: "remove --linker",
            });
        }
        if let Some((flag, why)) = clflags::refused(&flags.cflags) {
            return Err(PlanError::Flag { flag, why });
        }
        Ok(match *job {
            Job::BuildPch { pch, .. } => self.build_pch(flags, pch),
            Job::Compile { source, object, header, quote_dir, .. } => {
                let mut args = self.unit(flags, source, object, header, quote_dir);
                args.push_all(["-c"]);
                Plan {
                    steps: vec![self.step(args)],
                    outputs: vec![object.to_owned()],
                    leftovers: vec![object.with_extension("pdb")],
                    ..Plan::default()
                }
            }
            Job::Preprocess { .. } => {
                let Compiler { family, target, .. } = &self.compiler;
                return Err(PlanError::Unsupported {
                    toolchain: format!("{family} for {target}"),
                    what: "preprocess a header and keep its macros",
                    instead: "compile units one by one",
                });
            }
            Job::Link { objects, library, header, exports } => {
                // One entry point per library, not per object: several would collide.
                let source = library.with_extension("entry.c");
                let object = library.with_extension("entry.obj");
                let mut args = Args::default();
                args.push_all(["-nologo", "-LD", "-MD", "-GS-"])
                    .push_all(clflags::step_flags(&flags.cflags))
                    .push_all(Self::debug(flags))
                    .push_all(self.flavor().link())
                    .joined("-Fe", library)
                    .joined("-Fo", path_argument(&object))
                    .joined("-Tc", path_argument(&source))
                    .push_all(self.linker(flags, objects, library, header, exports));
                let mut plan = self.linked(flags, self.step(args), library, vec![source.clone(), object]);
                plan.writes = vec![TextFile { path: source, text: ENTRY.to_owned() }];
                plan
            }
            Job::CompileAndLink { source, library, header, quote_dir, exports, .. } => {
                let object = library.with_extension("obj");
                let mut args = self.unit(flags, source, &object, header, quote_dir);
                args.push_all(["-LD"]).push_all(self.flavor().link()).joined("-Fe", library).push_all(self.linker(
                    flags,
                    &[],
                    library,
                    header,
                    exports,
                ));
                self.linked(flags, self.step(args), library, vec![object])
            }
        })
    }

    fn response(&self) -> Syntax {
        Syntax::Msvc
    }

    fn diagnostics(&self, output: &[u8]) -> Vec<Diagnostic> {
        diagnostic::msvc(output)
    }

    fn dependencies(&self, _depfile: &[u8], output: &[u8]) -> Vec<PathBuf> {
        depfile::show_includes(output)
    }

    fn readable(&self, output: &[u8]) -> String {
        depfile::without_includes(output)
    }
}
