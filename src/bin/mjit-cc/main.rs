//! The program `mjit-cc`. `args` parses the command line, `setup` turns it into settings of the library; each command has a file.

mod args;
mod build_pch;
mod cache;
mod compile;
mod doctor;
mod exit;
mod gcc_flags;
mod human;
mod jobserver;
mod json;
mod setup;
mod shown;
mod signals;

fn main() -> std::process::ExitCode {
    let inherited = jobserver::inherit();
    signals::let_writes_fail();
    let (cli, variables) = args::parse();
    let talk = human::Human::new(cli.quiet, cli.verbose);
    variables.iter().for_each(|(name, value)| talk.detail(&format!("{name} from the environment: {value}")));
    let result = match cli.command {
        args::Command::BuildPch(args) => build_pch::run(&args, &talk),
        args::Command::Compile(args) => compile::run(&args, inherited, &talk),
        args::Command::Cache(args) => cache::run(&args),
        args::Command::Doctor(args) => doctor::run(&args, &talk),
        args::Command::Completions { shell } => args::print_completions(shell),
        args::Command::Man { command } => args::print_manual(command.as_deref()),
    };
    result.unwrap_or_else(|error| talk.end_with(&error)).into()
}
