//! Builds the bundled connectors from the sources of a checkout.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;

/// What connectors are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
/// What connectors are built with.
const PROFILE: &str = "connector";
/// What every connector is built from, beside its own folder.
const SHARED: [&str; 5] = ["sdk", "schemas", "Cargo.lock", "Cargo.toml", ".cargo"];
/// Folders that no build reads.
const UNREAD: [&str; 4] = ["fixtures", "tests", "examples", "target"];
/// What `cargo run` sets for its child and what must not reach another cargo.
const OF_THE_OUTER_CARGO: [&str; 6] =
    ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE"];

/// A checkout with the sources of connectors.
pub struct Workspace {
    root: PathBuf,
    bundled: Vec<Bundled>,
}

/// A connector whose sources are there.
#[derive(Debug, PartialEq, Eq)]
pub struct Bundled {
    /// Its id, and the name of its `.wasm`.
    pub id: String,
    /// Its package.
    package: String,
    folder: PathBuf,
}

/// Why the connectors were not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// A connector's Cargo.toml or connector.toml says not what it is.
    #[error("{}: there is no `{key}`", path.display())]
    Unnamed { path: PathBuf, key: &'static str },
    /// Rust's tools are not there.
    #[error("`{program}` cannot be started: {source}")]
    Missing { program: String, source: std::io::Error },
    /// The target cannot be installed.
    #[error("Rust's target {TARGET} is not installed, and `rustup target add {TARGET}` failed: {reason}")]
    Target { reason: String },
    /// The build failed; cargo said why.
    #[error("cargo could not build the connectors: its messages stand above")]
    Cargo,
    /// The build succeeded, but a connector is not among what it made.
    #[error("cargo built no .wasm for the package `{0}`")]
    Nothing(String),
}

impl BuildError {
    /// What helps.
    pub fn cure(&self) -> String {
        match self {
            Self::File { .. } | Self::Unnamed { .. } => "mend or remove it; --no-build starts without building".to_owned(),
            Self::Missing { .. } => {
                "connectors are built with Rust: https://rustup.rs; or put ready .wasm files into the connectors' folder and use --no-build"
                    .to_owned()
            }
            Self::Target { .. } => {
                format!("run `rustup target add {TARGET}` (or install your distribution's package for that target), then start again")
            }
            Self::Cargo | Self::Nothing(_) => {
                format!("`cargo build --profile {PROFILE} --target {TARGET} -p <connector>` repeats it; --no-build starts without building")
            }
        }
    }
}

impl Workspace {
    /// The checkout at `folder` or above it, if there is one.
    pub fn around(folder: &Path) -> Result<Option<Self>, BuildError> {
        for root in folder.ancestors().filter(|it| it.join("Cargo.toml").is_file()) {
            let mut bundled = Vec::new();
            for plugin in entries(&root.join("plugins"))?.into_iter().filter(|it| it.join("connector.toml").is_file()) {
                let id = named(&plugin.join("connector.toml"), "id", |it| it.get("id"))?;
                let package = named(&plugin.join("Cargo.toml"), "package.name", |it| it.get("package")?.get("name"))?;
                bundled.push(Bundled { id, package, folder: plugin });
            }
            if !bundled.is_empty() {
                return Ok(Some(Self { root: root.to_owned(), bundled }));
            }
        }
        Ok(None)
    }

    /// The connectors whose `.wasm` in `into` is missing or older than what it is built from.
    pub fn stale(&self, into: &Path) -> Result<Vec<&Bundled>, BuildError> {
        let mut shared = SystemTime::UNIX_EPOCH;
        for name in SHARED {
            shared = shared.max(newest(&self.root.join(name))?);
        }
        let mut stale = Vec::new();
        for connector in &self.bundled {
            let sources = shared.max(newest(&connector.folder)?);
            let built = std::fs::metadata(into.join(format!("{}.wasm", connector.id))).and_then(|it| it.modified());
            if built.is_ok_and(|it| it >= sources) {
                continue;
            }
            stale.push(connector);
        }
        Ok(stale)
    }

    /// Makes sure that Rust can compile for WebAssembly.
    pub fn prepare_target(&self, say: impl Fn(&str)) -> Result<(), BuildError> {
        let mut rustc = self.command("rustc");
        rustc.args(["--print", "target-libdir", "--target", TARGET]);
        let asked = rustc.output().map_err(|source| BuildError::Missing { program: "rustc".to_owned(), source })?;
        let folder = String::from_utf8_lossy(&asked.stdout);
        if asked.status.success() && Path::new(folder.trim()).is_dir() {
            return Ok(());
        }
        say(&format!("adding Rust's target {TARGET}"));
        let added = self.command("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()).output();
        match added {
            Ok(added) if added.status.success() => Ok(()),
            Ok(added) => Err(BuildError::Target { reason: String::from_utf8_lossy(&added.stderr).trim().to_owned() }),
            Err(error) => Err(BuildError::Target { reason: format!("rustup cannot be started: {error}") }),
        }
    }

    /// Builds connectors and puts each into its place at once. Cargo shows its progress on stderr.
    pub fn build(&self, connectors: &[&Bundled], into: &Path, quiet: bool) -> Result<(), BuildError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::File { path, source }
        };
        std::fs::create_dir_all(into).map_err(file(into))?;
        // Whatever changes in the sources from now on is newer than what is built.
        let mark = into.join(format!(".building-{}", std::process::id()));
        std::fs::write(&mark, "").map_err(file(&mark))?;
        let begun = std::fs::metadata(&mark).and_then(|it| it.modified()).map_err(file(&mark));
        std::fs::remove_file(&mark).map_err(file(&mark))?;
        let begun = begun?;
        let made = self.cargo(connectors, quiet)?;
        for connector in connectors {
            let (_, wasm) = made
                .iter()
                .find(|(package, _)| *package == connector.package)
                .ok_or_else(|| BuildError::Nothing(connector.package.clone()))?;
            let aside = into.join(format!(".{}-{}", connector.id, std::process::id()));
            let place = into.join(format!("{}.wasm", connector.id));
            std::fs::copy(wasm, &aside).map_err(file(&aside))?;
            let copied = std::fs::File::options().write(true).open(&aside).map_err(file(&aside))?;
            copied.set_modified(begun).and_then(|()| copied.sync_all()).map_err(file(&aside))?;
            std::fs::rename(&aside, &place).map_err(file(&place))?;
        }
        Ok(())
    }

    /// Runs cargo; the packages that it built (or found built) with their `.wasm`.
    fn cargo(&self, connectors: &[&Bundled], quiet: bool) -> Result<Vec<(String, PathBuf)>, BuildError> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let missing = |source| BuildError::Missing { program: program.to_string_lossy().into_owned(), source };
        let mut cargo = self.command(&program);
        cargo.args(["build", "--profile", PROFILE, "--target", TARGET, "--message-format", "json-render-diagnostics"]);
        if quiet {
            cargo.arg("--quiet");
        }
        for connector in connectors {
            cargo.args(["--package", &connector.package]);
        }
        let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(missing)?;
        let messages = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
        let made = messages.map_while(Result::ok).filter_map(|line| artifact(&line)).collect();
        if child.wait().map_err(missing)?.success() { Ok(made) } else { Err(BuildError::Cargo) }
    }

    /// A tool of Rust, run in the checkout as if nobody had run us with cargo.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|it| OF_THE_OUTER_CARGO.contains(&it) || it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_BIN_EXE_"))
            {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Package and `.wasm` out of one of cargo's messages.
fn artifact(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    // `path+file:///…/plugins/telegram#0.1.0`, or `…#name@0.1.0` where folder and package differ.
    let (place, version) = message["package_id"].as_str()?.rsplit_once('#')?;
    let package = version.split_once('@').map_or_else(|| place.rsplit('/').next().unwrap_or_default(), |(name, _)| name);
    let wasm = message["filenames"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|it| it.extension().is_some_and(|it| it == "wasm"))?;
    Some((package.to_owned(), wasm))
}

/// When the newest file in a folder (or the file itself) was changed. What is not there was never changed.
fn newest(path: &Path) -> Result<SystemTime, BuildError> {
    let failed = |source| BuildError::File { path: path.to_owned(), source };
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SystemTime::UNIX_EPOCH),
        Err(error) => return Err(failed(error)),
    };
    if !meta.is_dir() {
        return meta.modified().map_err(failed);
    }
    let mut latest = SystemTime::UNIX_EPOCH;
    for entry in entries(path)? {
        let is_read = entry.file_name().and_then(|it| it.to_str()).is_some_and(|it| !UNREAD.contains(&it));
        if is_read {
            latest = latest.max(newest(&entry)?);
        }
    }
    Ok(latest)
}

/// What lies in a folder, in order; nothing where there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let failed = |source| BuildError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry.map_err(failed)?.path());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    found.sort();
    Ok(found)
}

fn named(path: &Path, key: &'static str, find: impl Fn(&toml::Table) -> Option<&toml::Value>) -> Result<String, BuildError> {
    let text = std::fs::read_to_string(path).map_err(|source| BuildError::File { path: path.to_owned(), source })?;
    let table: Option<toml::Table> = text.parse().ok();
    let name = table.as_ref().and_then(find).and_then(toml::Value::as_str).map(str::to_owned);
    name.ok_or_else(|| BuildError::Unnamed { path: path.to_owned(), key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A checkout in a folder of its own, which goes with it.
    struct Checkout(PathBuf);

    impl Checkout {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("patchbay-builder-{name}-{}", std::process::id()));
            let this = Self(root);
            this.write("Cargo.toml", "");
            this.write("plugins/one/Cargo.toml", "[package]\nname = 'package-one'");
            this.write("plugins/one/connector.toml", "id = 'one'");
            this.write("plugins/one/src/lib.rs", "");
            this.write("sdk/src/lib.rs", "");
            this
        }

        fn write(&self, path: &str, text: &str) -> PathBuf {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        }

        fn age(&self, path: &str, seconds: u64) {
            let file = std::fs::File::options().write(true).open(self.0.join(path)).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified + Duration::from_secs(1_000) - Duration::from_secs(seconds)).unwrap();
        }
    }

    impl Drop for Checkout {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_checkout_is_found_from_any_folder_in_it() {
        let checkout = Checkout::new("found");
        let found = Workspace::around(&checkout.0.join("sdk/src")).unwrap().unwrap();
        assert_eq!(found.root, checkout.0);
        assert_eq!((found.bundled[0].id.as_str(), found.bundled[0].package.as_str()), ("one", "package-one"));
        assert!(Workspace::around(Path::new("/")).unwrap().is_none());
    }

    #[test]
    fn a_connector_is_stale_when_it_is_missing_or_older_than_its_sources() {
        let checkout = Checkout::new("stale");
        let into = checkout.0.join("data");
        let is_stale = || !Workspace::around(&checkout.0).unwrap().unwrap().stale(&into).unwrap().is_empty();
        assert!(is_stale());
        checkout.write("data/one.wasm", "");
        checkout.age("data/one.wasm", 500);
        assert!(!is_stale());
        checkout.write("plugins/one/fixtures/new.json", "");
        checkout.age("plugins/one/fixtures/new.json", 0);
        assert!(!is_stale());
        checkout.age("sdk/src/lib.rs", 0);
        assert!(is_stale());
    }

    #[test]
    fn cargos_messages_name_package_and_file() {
        let line = |id: &str| {
            serde_json::json!({ "reason": "compiler-artifact", "package_id": id, "filenames": ["/t/x.d", "/t/x.wasm"] }).to_string()
        };
        assert_eq!(artifact(&line("path+file:///c/plugins/telegram#0.1.0")), Some(("telegram".to_owned(), "/t/x.wasm".into())));
        assert_eq!(artifact(&line("path+file:///c/plugins/tg#telegram@0.1.0")), Some(("telegram".to_owned(), "/t/x.wasm".into())));
        assert_eq!(artifact("{\"reason\":\"build-finished\"}"), None);
        assert_eq!(artifact("Compiling"), None);
    }
}
