//! A small virtual machine that lives on mjit-cc: it interprets, has what is hot compiled in the background, and goes on in machine
//! code. Each program is run by the interpreter alone, with the JIT from a cold start, and once more with the code there:
//!
//! ```text
//! cargo run --release --example vm -- examples/vm/programs/*.vm
//! ```
//!
//! For authors of VMs: `jit.rs` is what it takes to talk to the worker, `codegen.rs` how C is generated, `vm.h` what stands
//! before every unit, `native.rs` how code is called and calls back.

#![allow(clippy::disallowed_methods, reason = "the walls are the library's")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

mod arguments;
mod bytecode;
mod codegen;
mod compile;
mod heap;
mod interpret;
mod jit;
mod lexer;
mod native;
mod value;
mod vm;

use arguments::{Arguments, Mode};
use bytecode::Program;
use jit::Jit;
use vm::{Config, Trap, Vm};

/// For as many frames as the VM's own stack has room for, in interpreter and machine code by turns.
const MACHINE_STACK: usize = 512 << 20;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("vm: {why}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let vm = thread::Builder::new().name("vm".to_owned()).stack_size(MACHINE_STACK);
    let all = vm.spawn(move || run_all(&arguments)).map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".into())));
    match all.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("vm: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut code = ExitCode::SUCCESS;
    if arguments.mode == Mode::Table {
        println!("{:12} {:>24} {:>12} {:>10} {:>10} {:>9}", "program", "result", "interpreter", "JIT cold", "JIT warm", "speed-up");
    }
    for file in &arguments.files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let program = Arc::new(compile::compile(file, &text)?);
        match arguments.mode {
            Mode::Run => print!("{}", timed(&mut machine(&program, arguments, arguments.jit)?).0),
            Mode::Table => {
                if !compare(&program, arguments)? {
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    Ok(code)
}

fn machine<'p>(program: &'p Arc<Program>, arguments: &Arguments, with_jit: bool) -> Result<Vm<'p>, String> {
    let jit = with_jit.then(|| Jit::start(program, &arguments.jit_options)).transpose()?;
    Ok(Vm::new(program, Config { gc_stress: arguments.gc_stress, scale: arguments.scale, jit }))
}

/// Runs a program once: what it printed, and how long that took.
fn timed(vm: &mut Vm<'_>) -> (String, Duration) {
    let began = Instant::now();
    let result = vm.run();
    let took = began.elapsed();
    let mut output = std::mem::take(&mut vm.output);
    if let Err(Trap(why)) = result {
        output.push_str(&format!("error: {why}\n"));
    }
    (output, took)
}

/// Prints a program's row; false when the JIT made a difference in more than time.
fn compare(program: &Arc<Program>, arguments: &Arguments) -> Result<bool, String> {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let name = std::path::Path::new(&program.path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (output, interpreter) = timed(&mut machine(program, arguments, false)?);
    let result = output.lines().last().unwrap_or_default();
    print!("{name:12} {result:>24} {:>12}", ms(interpreter));
    if !arguments.jit {
        println!();
        return Ok(true);
    }
    let began = Instant::now();
    let mut vm = machine(program, arguments, true)?;
    let (cold_output, _) = timed(&mut vm);
    let cold = began.elapsed();
    if let Some(jit) = vm.jit() {
        jit.settle();
    }
    let (warm_output, warm) = timed(&mut vm);
    let speed_up = interpreter.as_secs_f64() / warm.as_secs_f64();
    println!(" {:>10} {:>10} {speed_up:>8.1}x", ms(cold), ms(warm));
    for (what, other) in [("cold", cold_output), ("warm", warm_output)] {
        if other != output {
            println!("{what}, it printed:\n{other}and not:\n{output}");
            return Ok(false);
        }
    }
    Ok(true)
}
