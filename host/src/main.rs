//! `patchbay`: the hub and its command line.
#![forbid(unsafe_code)]

mod builder;
mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
