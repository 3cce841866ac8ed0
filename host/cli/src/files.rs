//! The hub's files as a command finds them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::{Exit, Failure};
use super::logging;
use super::output::Out;
use patchbay_host::catalogue::Catalogue;
use patchbay_host::clock::Clock;
use patchbay_host::config::{COMMENTED, Config};
use patchbay_host::hub::Hub;
use patchbay_host::plugin::{CompileCache, Runtime};
use patchbay_host::secrets::MasterKey;

/// Where a command runs.
pub struct Here {
    /// How it speaks.
    pub out: Out,
    /// The configuration's file.
    pub file: PathBuf,
    /// Set when the file was named on the command line.
    named: bool,
}

impl Here {
    /// The configuration that was named, else `patchbay.toml` in the current folder.
    pub fn new(out: Out, named: Option<&Path>) -> Result<Self, Failure> {
        // The doctor and people compare paths, so they are absolute.
        let file = named.unwrap_or(Path::new("patchbay.toml"));
        let file = std::path::absolute(file).map_err(|error| Failure::io(file.display(), &error))?;
        Ok(Self { out, file, named: named.is_some() })
    }

    /// The same for a command that works in a folder of its own: the configuration that was named, else the one of the current folder, else
    /// the nearest one above `folder`.
    pub fn near(&self, folder: &Path) -> Result<Self, Failure> {
        let above = folder.ancestors().map(|it| it.join("patchbay.toml")).find(|it| it.is_file());
        match above.filter(|_| !self.named && !self.file.exists()) {
            Some(file) => Self::new(self.out, Some(&file)),
            None => Ok(Self { out: self.out, file: self.file.clone(), named: self.named }),
        }
    }

    /// The hub's configuration. A file that was named must be there.
    pub fn config(&self) -> Result<Config, Failure> {
        if self.named && !self.file.exists() {
            return Err(Failure::new(Exit::Invalid, format!("there is no {}", self.file.display()))
                .help(format!("`patchbay up --config {}` writes one", self.file.display())));
        }
        Ok(Config::load(&self.file)?)
    }

    /// Writes the commented configuration where there is none. True: it did.
    pub fn write_config(&self) -> Result<bool, Failure> {
        use std::io::Write as _;
        let failed = |error: std::io::Error| Failure::io(format!("{} cannot be written", self.file.display()), &error);
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&self.file) {
            Ok(mut file) => file.write_all(COMMENTED.as_bytes()).map(|()| true).map_err(failed),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens the hub. A folder where nobody ever set one up stays as it is.
    pub async fn open(&self) -> Result<Hub, Failure> {
        let config = self.config()?;
        let database = config.database.strip_prefix("sqlite:").map(Path::new);
        if !self.file.exists() && database.is_some_and(|it| !it.exists()) {
            return Err(Failure::new(
                Exit::Invalid,
                format!("there is no hub here: neither {} nor its database exists", self.file.display()),
            )
            .help("`patchbay up` sets one up in the current folder; --config names the configuration of another one"));
        }
        Ok(Hub::open(config, Clock::System).await?)
    }

    /// Opens the hub for one command and closes its database after it.
    pub async fn with_hub(&self, command: impl AsyncFnOnce(&Hub) -> Result<(), Failure>) -> Result<(), Failure> {
        logging::start_for_command();
        let hub = self.open().await?;
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        let hub = hub.by(format_args!("cli:{}", if user.is_empty() { "unknown" } else { &user }));
        let ended = command(&hub).await;
        hub.registry.finish().await;
        hub.store.close().await;
        ended
    }

    /// The connectors that are installed, without a database. Nothing is written but the compile cache.
    pub fn catalogue(config: &Config, cache: CompileCache) -> Result<Arc<Catalogue>, Failure> {
        let runtime =
            Runtime::new(cache).map_err(|error| Failure::new(Exit::Unexpected, format!("the plugin host cannot start: {error:#}")))?;
        Ok(Arc::new(Catalogue::new(config.connectors.clone(), runtime)))
    }
}

/// Compiled code for a command that opens no hub: the hub's own where its key is there, else in `target` of a checkout, else for this run only.
pub struct ScratchCache {
    /// The cache itself.
    pub cache: CompileCache,
    passing: Option<PathBuf>,
}

impl ScratchCache {
    /// The best cache that there is.
    pub fn find(config: &Config) -> Self {
        let hubs = std::env::var("PATCHBAY_KEY")
            .map_or_else(|_| config.secrets.key.read().ok(), |text| MasterKey::from_text(&text, "PATCHBAY_KEY").ok());
        if let Some(key) = hubs.filter(|_| config.cache.is_dir()) {
            return Self { cache: CompileCache::new(config.cache.clone(), key.cache_key()), passing: None };
        }
        let target = Path::new("target");
        if target.join("CACHEDIR.TAG").is_file() {
            let folder = target.join("patchbay-map");
            if let Ok(key) = MasterKey::from_file_or_new(&folder.join("key")) {
                return Self { cache: CompileCache::new(folder, key.cache_key()), passing: None };
            }
        }
        let folder = std::env::temp_dir().join(format!("patchbay-map-{}", std::process::id()));
        Self { cache: CompileCache::new(folder.clone(), MasterKey::random().cache_key()), passing: Some(folder) }
    }
}

impl Drop for ScratchCache {
    fn drop(&mut self) {
        if let Some(folder) = &self.passing {
            // What could not be written need not be removed.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
