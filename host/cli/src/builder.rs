//! Builds the bundled connectors from the sources of a checkout.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::toolchain::{self, PROFILE, TARGET, ToolError};

/// What every connector is built from, beside its own folder.
const SHARED: [&str; 5] = ["sdk", "schemas", "Cargo.lock", "Cargo.toml", ".cargo"];
/// Folders that no build reads.
const UNREAD: [&str; 4] = ["fixtures", "tests", "examples", "target"];
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
    /// Rust's tools did not do it.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The build succeeded, but a connector is not among what it made.
    #[error("cargo built no .wasm for the package `{0}`")]
    Nothing(String),
}

impl BuildError {
    /// What helps.
    pub fn cure(&self) -> String {
        match self {
            Self::File { .. } | Self::Unnamed { .. } => "mend or remove it; --no-build starts without building".to_owned(),
            Self::Tool(error @ ToolError::Missing { .. }) => {
                format!("{}; or put ready .wasm files into the connectors' folder and use --no-build", error.cure())
            }
            Self::Tool(error @ (ToolError::NoTarget | ToolError::Target { .. } | ToolError::Language { .. })) => error.cure(),
            Self::Tool(ToolError::Cargo) | Self::Nothing(_) => {
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
        if toolchain::has_target(&self.root)? {
            return Ok(());
        }
        say(&format!("adding Rust's target {TARGET}"));
        Ok(toolchain::add_target(&self.root)?)
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
        let packages: Vec<&str> = connectors.iter().map(|it| it.package.as_str()).collect();
        let made = toolchain::build(&self.root, &packages, quiet)?;
        for connector in connectors {
            let wasm = made.iter().find(|it| it.package == connector.package).map(|it| &it.wasm);
            let wasm = wasm.ok_or_else(|| BuildError::Nothing(connector.package.clone()))?;
            let aside = into.join(format!(".{}-{}", connector.id, std::process::id()));
            let place = into.join(format!("{}.wasm", connector.id));
            std::fs::copy(wasm, &aside).map_err(file(&aside))?;
            let copied = std::fs::File::options().write(true).open(&aside).map_err(file(&aside))?;
            copied.set_modified(begun).and_then(|()| copied.sync_all()).map_err(file(&aside))?;
            std::fs::rename(&aside, &place).map_err(file(&place))?;
        }
        Ok(())
    }
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
}
