//! `patchbay`: the hub and its command line.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    // The library has all of it, since it is compiled while the hub still is: a program waits for all that it is linked of.
    patchbay_cli::main()
}
