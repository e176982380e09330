//! gcc, and what it takes to run it, for benches that work below the worker.

use std::sync::Arc;

use mjitcc::discover::{CompilerSpec, Environment, Finder};
use mjitcc::exec::ProcessExecutor;
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::Flags;
use mjitcc::scratch::{Purpose, Scratch};

pub fn pipeline() -> Pipeline {
    let environment = Environment::read();
    let scratch = Scratch::create(&environment.temp_dirs, Purpose::Files).expect("a temporary directory");
    let executor = Arc::new(ProcessExecutor::default());
    let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
    let spec = CompilerSpec { cc: Some("gcc".into()), ..CompilerSpec::default() };
    let compiler = finder.find(&spec).expect("gcc is there");
    Pipeline::new(compiler, Flags::default(), executor, scratch)
}
