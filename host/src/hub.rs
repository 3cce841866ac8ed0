//! The hub's parts, opened and joined. Commands use them as they are; `serve` also starts the workers.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::{CompileCache, Runtime};
use crate::registry::Registry;
use crate::secrets::{MasterKey, SecretError};
use crate::store::workspaces::Workspace;
use crate::store::{Store, StoreError};

/// The hub's parts.
#[derive(Clone)]
pub struct Hub {
    /// Its own configuration.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The connectors that are installed.
    pub catalogue: Arc<Catalogue>,
    /// The connections that run in this process.
    pub registry: Arc<Registry>,
    /// Every secret is sealed with it.
    pub key: MasterKey,
    /// The first workspace: the one that commands work in.
    pub workspace: Workspace,
}

/// Why the hub cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No master key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// No plugin host.
    #[error("the plugin host cannot start: {0:#}")]
    Plugin(wasmtime::Error),
    /// No database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Opens database, key and catalogue. No connection runs yet.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, OpenError> {
        // One TLS provider for everything; a second call finds it there already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let key = config.master_key()?;
        let runtime = Runtime::new(CompileCache::new(config.cache.clone(), key.cache_key())).map_err(OpenError::Plugin)?;
        let catalogue = Arc::new(Catalogue::new(config.connectors.clone(), runtime));
        let store = Store::open(&config.database, clock).await?;
        let workspace = store.first_workspace(&config.workspace.name, &config.workspace.region, &config.settings()).await?;
        let workspace = follow_config(&store, &config, workspace).await?;
        let registry = Arc::new(Registry::new(store.clone(), Arc::clone(&catalogue), key.clone()));
        Ok(Self { config: Arc::new(config), store, catalogue, registry, key, workspace })
    }
}

/// The file decides about the first workspace: what was changed there holds from the next start.
async fn follow_config(store: &Store, config: &Config, mut workspace: Workspace) -> Result<Workspace, StoreError> {
    let settings = config.settings();
    if workspace.region != config.workspace.region || workspace.settings != settings {
        store.set_workspace(workspace.id, &config.workspace.region, &settings).await?;
        workspace.region.clone_from(&config.workspace.region);
        workspace.settings = settings;
    }
    Ok(workspace)
}
