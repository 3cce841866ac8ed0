//! Rust's tools, called as if nobody had called us with cargo.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What connectors are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// The profile that connectors are built with.
pub const PROFILE: &str = "connector";
/// What `cargo run` sets for its child and what must not reach another cargo.
const OF_THE_OUTER_CARGO: [&str; 6] =
    ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE"];

/// What cargo made of one package.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// The package.
    pub package: String,
    /// Its Cargo.toml.
    pub manifest: PathBuf,
    /// The component.
    pub wasm: PathBuf,
}

/// Why Rust's tools did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Rust's tools are not there.
    #[error("`{program}` cannot be started: {source}")]
    Missing { program: String, source: std::io::Error },
    /// The target is not installed.
    #[error("Rust's target {TARGET} is not installed")]
    NoTarget,
    /// The target cannot be installed.
    #[error("Rust's target {TARGET} is not installed, and `rustup target add {TARGET}` failed: {reason}")]
    Target { reason: String },
    /// The tools of another language are not there, or did not do it.
    #[error("{said}")]
    Language { said: String, cure: String },
    /// The build failed; cargo said why.
    #[error("cargo could not build it: its messages stand above")]
    Cargo,
}

impl ToolError {
    /// What helps.
    pub fn cure(&self) -> String {
        match self {
            Self::Missing { program, .. } if program == "rustup" => {
                format!("install your distribution's package for Rust's target {TARGET}")
            }
            Self::Missing { .. } => {
                "connectors are built with Rust: `curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh` installs it".to_owned()
            }
            Self::NoTarget | Self::Target { .. } => {
                format!("run `rustup target add {TARGET}` (or install your distribution's package for that target), then try again")
            }
            Self::Language { cure, .. } => cure.clone(),
            Self::Cargo => format!("`cargo build --profile {PROFILE} --target {TARGET}` repeats it"),
        }
    }
}

/// True when Rust can compile for WebAssembly in this folder.
pub fn has_target(folder: &Path) -> Result<bool, ToolError> {
    let mut rustc = command(folder, "rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let asked = rustc.output().map_err(|source| ToolError::Missing { program: "rustc".to_owned(), source })?;
    let libraries = String::from_utf8_lossy(&asked.stdout);
    Ok(asked.status.success() && Path::new(libraries.trim()).is_dir())
}

/// Has rustup install the target.
pub fn add_target(folder: &Path) -> Result<(), ToolError> {
    let added = command(folder, "rustup").args(["target", "add", TARGET]).stdin(Stdio::null()).output();
    match added {
        Ok(added) if added.status.success() => Ok(()),
        Ok(added) => Err(ToolError::Target { reason: String::from_utf8_lossy(&added.stderr).trim().to_owned() }),
        Err(error) => Err(ToolError::Target { reason: format!("rustup cannot be started: {error}") }),
    }
}

/// Builds packages (none: the one of the folder): what cargo made, or found made. It shows its progress on stderr.
pub fn build(folder: &Path, packages: &[&str], quiet: bool) -> Result<Vec<Made>, ToolError> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let missing = |source| ToolError::Missing { program: program.to_string_lossy().into_owned(), source };
    let mut cargo = command(folder, &program);
    cargo.args(["build", "--profile", PROFILE, "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if quiet {
        cargo.arg("--quiet");
    }
    for package in packages {
        cargo.args(["--package", package]);
    }
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(missing)?;
    let messages = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
    let made = messages.map_while(Result::ok).filter_map(|line| artifact(&line)).collect();
    if child.wait().map_err(missing)?.success() { Ok(made) } else { Err(ToolError::Cargo) }
}

/// A tool, run in a folder.
fn command(folder: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let is_inner = |it: &str| OF_THE_OUTER_CARGO.contains(&it) || it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_BIN_EXE_");
        if name.to_str().is_some_and(is_inner) {
            command.env_remove(&name);
        }
    }
    command
}

/// What one of cargo's messages says was made.
fn artifact(line: &str) -> Option<Made> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    // `path+file:///…/plugins/telegram#0.1.0`, or `…#name@0.1.0` where folder and package differ.
    let (place, version) = message["package_id"].as_str()?.rsplit_once('#')?;
    let package = version.split_once('@').map_or_else(|| place.rsplit('/').next().unwrap_or_default(), |(name, _)| name);
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    let wasm = files.into_iter().find(|it| it.extension().is_some_and(|it| it == "wasm"))?;
    Some(Made { package: package.to_owned(), manifest: message["manifest_path"].as_str().unwrap_or_default().into(), wasm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_name_package_and_file() {
        let line = |id: &str| {
            let files = ["/t/x.d", "/t/x.wasm"];
            serde_json::json!({ "reason": "compiler-artifact", "package_id": id, "manifest_path": "/c/Cargo.toml", "filenames": files })
                .to_string()
        };
        let made = Made { package: "telegram".to_owned(), manifest: "/c/Cargo.toml".into(), wasm: "/t/x.wasm".into() };
        assert_eq!(artifact(&line("path+file:///c/plugins/telegram#0.1.0")).as_ref(), Some(&made));
        assert_eq!(artifact(&line("path+file:///c/plugins/tg#telegram@0.1.0")), Some(made));
        assert_eq!(artifact("{\"reason\":\"build-finished\"}"), None);
        assert_eq!(artifact("Compiling"), None);
    }
}
