//! The command line.

use std::num::NonZero;
use std::str::FromStr;

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
  --max-cache N    how many functions may be compiled at once (10000)
  --wait           wait for each function that is compiled
  --verbose N      what the worker tells: 0 to 3 (0)
  --save-temps     keep the C files
  --gc-stress      collect garbage at each allocation
  --fork           fork after the first run with the JIT; both go on (not on Windows)";

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
    pub(crate) fork: bool,
    pub(crate) jit_options: JitOptions,
}

fn number<T: FromStr>(word: String) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no such number"))
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let one = NonZero::<usize>::MIN;
        let jit_options = JitOptions {
            cc: None,
            threads: one,
            max_cache_size: 10_000,
            min_calls: 1000,
            wait: false,
            verbose: 0,
            save_temps: false,
        };
        let mut arguments = Self {
            files: Vec::new(),
            mode: Mode::Table,
            jit: true,
            gc_stress: false,
            scale: 20,
            fork: false,
            jit_options,
        };
        while let Some(word) = words.next() {
            let options = &mut arguments.jit_options;
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--run" => arguments.mode = Mode::Run,
                "--scale" => arguments.scale = number(value()?)?,
                "--no-jit" => arguments.jit = false,
                "--fork" if cfg!(unix) => arguments.fork = true,
                "--gc-stress" => arguments.gc_stress = true,
                "--wait" => options.wait = true,
                "--save-temps" => options.save_temps = true,
                "--max-cache" => options.max_cache_size = number(value()?)?,
                "--cc" => options.cc = Some(value()?),
                "--threads" => options.threads = number(value()?)?,
                "--verbose" => options.verbose = number(value()?)?,
                "--min-calls" => options.min_calls = number(value()?)?,
                option if option.starts_with('-') => return Err(format!("what is {option}?")),
                _ => arguments.files.push(word),
            }
        }
        if arguments.files.is_empty() { Err("which program?".to_owned()) } else { Ok(arguments) }
    }
}
