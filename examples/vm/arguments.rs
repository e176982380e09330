//! The command line.

use std::num::NonZero;

use crate::jit::JitOptions;

pub(crate) const USAGE: &str = "\
usage: vm [OPTION]... PROGRAM...

Runs each program by the interpreter alone, with the JIT from a cold start, and once more with the code there.

  --run            only run the programs, once, and print what they print
  --scale N        how much the programs do (20)
  --no-jit         no JIT
  --cc NAME        the C compiler
  --threads N      how many compile at once (1)
  --min-calls N    how hot a function must be to be compiled (1000)
  --wait           wait for each function that is compiled
  --verbose N      what the worker tells: 0 to 3 (0)
  --gc-stress      collect garbage at each allocation";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Table,
    Run,
}

#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) files: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) jit: bool,
    pub(crate) gc_stress: bool,
    pub(crate) scale: u32,
    pub(crate) jit_options: JitOptions,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let one = NonZero::<usize>::MIN;
        let jit_options = JitOptions { cc: None, threads: one, wait: false, verbose: 0, min_calls: 1000 };
        let mut arguments = Self { files: Vec::new(), mode: Mode::Table, jit: true, gc_stress: false, scale: 20, jit_options };
        while let Some(word) = words.next() {
            let options = &mut arguments.jit_options;
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--run" => arguments.mode = Mode::Run,
                "--scale" => arguments.scale = value()?.parse().map_err(|_| format!("{word} wants a number"))?,
                "--no-jit" => arguments.jit = false,
                "--gc-stress" => arguments.gc_stress = true,
                "--wait" => options.wait = true,
                "--cc" => options.cc = Some(value()?),
                "--threads" => options.threads = value()?.parse().map_err(|_| format!("{word} wants a number"))?,
                "--verbose" => options.verbose = value()?.parse().map_err(|_| format!("{word} wants 0 to 3"))?,
                "--min-calls" => options.min_calls = value()?.parse().map_err(|_| format!("{word} wants a number"))?,
                option if option.starts_with('-') => return Err(format!("what is {option}?")),
                _ => arguments.files.push(word),
            }
        }
        if arguments.files.is_empty() { Err("which program?".to_owned()) } else { Ok(arguments) }
    }
}
