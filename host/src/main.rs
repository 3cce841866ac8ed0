//! `patchbay`: the hub and its command line.
#![forbid(unsafe_code)]

mod builder;
mod cli;
mod toolchain;

fn main() -> std::process::ExitCode {
    cli::main()
}
