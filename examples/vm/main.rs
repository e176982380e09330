//! A small virtual machine with mjit-cc as its JIT: it interprets programs, compiles hot functions in the background, and continues in
//! machine code. Each program runs in the interpreter alone, with the JIT from a cold start, and again with loaded code:
//!
//! ```text
//! cargo run --release --example vm -- examples/vm/programs/*.vm
//! ```
//!
//! For authors of VMs: `jit.rs` is the interface to the worker, `codegen.rs` generates C, `vm.h` is the header of every unit, `native.rs`
//! calls machine code and is called by it.

#![allow(clippy::disallowed_methods, reason = "the walls are the library's")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

mod arguments;
mod bytecode;
mod codegen;
mod compile;
mod fork;
mod heap;
mod interpret;
mod jit;
mod lexer;
mod native;
mod value;
mod vm;

use arguments::{Arguments, Mode};
use bytecode::Program;
use fork::Side;
use jit::Jit;
use vm::{Config, Vm};

/// The size of the thread's stack: enough for all frames of the VM's stack, in the interpreter and machine code alternately.
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
    let all =
        vm.spawn(move || run_all(&arguments)).map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".into())));
    match all.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("vm: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut good = true;
    if arguments.mode == Mode::Table {
        row("program", "result", ["interpreter", "JIT cold", "JIT warm", "speed-up"]);
    }
    for file in &arguments.files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let program = Arc::new(compile::compile(file, &text)?);
        match arguments.mode {
            Mode::Run => print!("{}", timed(&mut machine(&program, arguments, arguments.jit)).0),
            Mode::Table => good &= compare(&program, arguments)?,
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn machine<'p>(program: &'p Arc<Program>, arguments: &Arguments, with_jit: bool) -> Vm<'p> {
    let jit = with_jit.then(|| Jit::start(program, &arguments.jit_options));
    Vm::new(program, Config { gc_stress: arguments.gc_stress, scale: arguments.scale, jit })
}

/// Runs a program once; returns its output and its time.
fn timed(vm: &mut Vm<'_>) -> (String, Duration) {
    let began = Instant::now();
    let output = vm.run();
    (output, began.elapsed())
}

fn row(program: &str, result: &str, times: [&str; 4]) {
    let [interpreter, cold, warm, speed_up] = times;
    println!("{program:12} {result:>22.22} {interpreter:>12} {cold:>12} {warm:>12} {speed_up:>9}");
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Runs a program in each way and prints its row; false if the output with the JIT differs.
fn compare(program: &Arc<Program>, arguments: &Arguments) -> Result<bool, String> {
    let name = Path::new(&program.path).file_stem().unwrap_or_default().to_string_lossy();
    let (output, interpreter) = timed(&mut machine(program, arguments, false));
    let result = output.lines().last().unwrap_or_default();
    if !arguments.jit {
        row(&name, result, [&ms(interpreter), "", "", ""]);
        return Ok(true);
    }
    // The time includes the start of the worker, which is part of a cold start.
    let began = Instant::now();
    let mut vm = machine(program, arguments, true);
    let (cold_output, _) = timed(&mut vm);
    let cold = began.elapsed();
    let side = if arguments.fork {
        fork::fork(vm.jit()).map_err(|error| format!("cannot fork: {error}"))?
    } else {
        Side::Alone
    };
    if let Some(jit) = vm.jit() {
        jit.settle();
    }
    let (warm_output, warm) = timed(&mut vm);
    if arguments.jit_options.verbose > 0 {
        eprintln!("{}", vm.statistics);
    }
    drop(vm);
    let good = agree("cold", &cold_output, &output) & agree("warm", &warm_output, &output);
    let speed_up = format!("{:.1}x", interpreter.as_secs_f64() / warm.as_secs_f64());
    match side {
        Side::Child => {
            row("  (forked)", warm_output.lines().last().unwrap_or_default(), ["", "", &ms(warm), &speed_up]);
            // The parent does the rest.
            process::exit(i32::from(!good));
        }
        Side::Parent(child) => {
            let child_good = child.join().map_err(|error| format!("cannot wait: {error}"))?;
            row(&name, result, [&ms(interpreter), &ms(cold), &ms(warm), &speed_up]);
            Ok(good && child_good)
        }
        Side::Alone => {
            row(&name, result, [&ms(interpreter), &ms(cold), &ms(warm), &speed_up]);
            Ok(good)
        }
    }
}

fn agree(when: &str, output: &str, expected: &str) -> bool {
    if output != expected {
        println!("{when}, it printed:\n{output}and not:\n{expected}");
    }
    output == expected
}
