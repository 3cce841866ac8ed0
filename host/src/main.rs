//! `patchbay`: the hub and its command line.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    // The library has all of it: what a program polls of a library's futures is compiled once more for the program.
    patchbay_host::cli::main()
}
