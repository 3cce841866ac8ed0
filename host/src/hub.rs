//! The hub's parts, opened and joined. Commands use them as they are; `serve` also starts the workers.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::{KeyError, Keyring};
use crate::plugin::{CompileCache, Runtime};
use crate::registry::Registry;
use crate::secrets::SecretError;
use crate::store::connections::{Asking, Connection};
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
    /// What secrets are sealed with.
    pub keys: Arc<Keyring>,
    /// The first workspace: the one that commands work in.
    pub workspace: Workspace,
    /// Who asks: `cli:<user>`, an API token's id, or `hub`. It signs what changes.
    pub author: Arc<str>,
}

/// Why the hub cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No master key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The master key is another one.
    #[error(transparent)]
    Keys(#[from] KeyError),
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
        let masters = std::iter::once(key.clone()).chain(config.former_keys()?).collect();
        let runtime = Runtime::new(CompileCache::new(config.cache.clone(), key.cache_key())).map_err(OpenError::Plugin)?;
        let catalogue = Arc::new(Catalogue::new(config.connectors.clone(), runtime));
        let store = Store::open(&config.database, clock).await?;
        let keys = Arc::new(Keyring::open(store.clone(), masters).await?);
        let workspace = store.first_workspace(&config.workspace.name, &config.workspace.region, &config.settings()).await?;
        let workspace = follow_config(&store, &config, workspace).await?;
        let registry = Arc::new(Registry::new(store.clone(), Arc::clone(&catalogue), Arc::clone(&keys), &config));
        Ok(Self { config: Arc::new(config), store, catalogue, registry, keys, workspace, author: "hub".into() })
    }

    /// The same hub for whoever asks.
    #[must_use]
    pub fn by(&self, author: impl std::fmt::Display) -> Self {
        Self { author: author.to_string().into(), ..self.clone() }
    }

    /// A vendor refused the credential: the connection waits for a new one, unless another is there by now.
    pub(crate) async fn credential_refused(&self, connection: &Connection, asked: Asking, reason: &str) -> Result<(), StoreError> {
        let id = connection.id;
        if self.store.break_connection(connection, asked, reason).await? {
            tracing::error!(connection.id = %id, "the vendor refused the credential: the connection waits for a new one");
        } else {
            tracing::info!(connection.id = %id, "the vendor refused a credential that is replaced by now");
        }
        Ok(())
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
