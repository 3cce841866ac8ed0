//! The connections that run in this process, kept in step with the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use crate::catalogue::{Catalogue, CatalogueError};
use crate::ids::{ConnectionId, WorkspaceId};
use crate::pace::{Keeper, Pace};
use crate::plugin::network::{Network, NetworkError};
use crate::plugin::outbound::Outbound;
use crate::plugin::state::StateKeeper;
use crate::plugin::{Instances, Randomness, Surroundings};
use crate::rules::delivery::Delivery;
use crate::rules::ingest::{Context, Origin};
use crate::secrets::{MasterKey, SecretError, SecretValue};
use crate::store::connections::{Connection, ConnectionState};
use crate::store::{Store, StoreError};
use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::Role;
use serde_json::Value;

/// A connection that runs in this process.
pub struct Running {
    /// What the database says of it.
    pub connection: Connection,
    /// What the rules must know of it.
    pub origin: Origin,
    /// Its connector's instances.
    pub instances: Instances,
}

/// Why a connection does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its connector cannot be had.
    #[error(transparent)]
    Connector(#[from] CatalogueError),
    /// Its secrets cannot be opened.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A granted network is none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The connections that run in this process.
pub struct Registry {
    store: Store,
    catalogue: Arc<Catalogue>,
    key: MasterKey,
    keeper: Arc<Keeper>,
    current: RwLock<Arc<Current>>,
}

/// One state of the registry. It is replaced as a whole, never changed.
#[derive(Default)]
pub struct Current {
    revision: i64,
    /// By id.
    pub running: HashMap<ConnectionId, Arc<Running>>,
    /// What the planner must know, by workspace.
    pub contexts: HashMap<WorkspaceId, Context>,
    /// Connections that do not run, and why.
    pub failed: BTreeMap<String, String>,
}

impl Registry {
    /// Nothing runs before the first [`Registry::refresh`].
    #[must_use]
    pub fn new(store: Store, catalogue: Arc<Catalogue>, key: MasterKey) -> Self {
        let keeper = Arc::new(Keeper::new(store.clone()));
        Self { store, catalogue, key, keeper, current: RwLock::default() }
    }

    /// What runs now.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// A connection that runs.
    #[must_use]
    pub fn running(&self, id: ConnectionId) -> Option<Arc<Running>> {
        self.current().running.get(&id).cloned()
    }

    /// Takes over what changed in the database. True: something did.
    pub async fn refresh(&self) -> Result<bool, StoreError> {
        let before = self.current();
        let revision = self.store.connections_revision().await?;
        if revision == before.revision && !before.contexts.is_empty() {
            return Ok(false);
        }
        let mut next = Current { revision, ..Current::default() };
        for workspace in self.store.workspaces().await? {
            next.contexts.insert(workspace.id, Context { region: workspace.region, settings: workspace.settings, sinks: Vec::new() });
        }
        for connection in self.store.all_connections().await? {
            let unchanged = before.running.get(&connection.id).filter(|it| {
                let it = &it.connection;
                it.updated_at == connection.updated_at && it.config == connection.config && it.state == connection.state
            });
            let running = match unchanged {
                Some(running) => Ok(Arc::clone(running)),
                None => self.run(connection.clone()).await.map(Arc::new),
            };
            match running {
                Ok(running) => {
                    if running.instances.connector().manifest.roles.contains(&Role::Sink) {
                        next.contexts.entry(connection.workspace).or_default().sinks.push(connection.id);
                    }
                    next.running.insert(connection.id, running);
                }
                Err(error) => {
                    tracing::error!(connection.id = %connection.id, connector.id = %connection.connector, error = %error, "a connection does not run");
                    next.failed.insert(connection.id.to_string(), error.to_string());
                }
            }
        }
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(next);
        Ok(true)
    }

    /// Makes a connection ready to be called, without putting it into the registry.
    pub async fn run(&self, connection: Connection) -> Result<Running, RunError> {
        let connector = self.catalogue.connector(&connection.connector).await?;
        let id = connection.id.to_string();
        let mut secrets: BTreeMap<String, SecretValue> = BTreeMap::new();
        for (name, sealed) in self.store.sealed_secrets(connection.id).await? {
            let value = self.key.open(&id, &name, &sealed)?;
            secrets.insert(name, value);
        }
        let networks = connection.networks.iter().map(|it| it.parse::<Network>()).collect::<Result<Vec<_>, _>>()?;
        let limits = connection.delivery.rate_limits.as_ref().unwrap_or(&connector.manifest.rate_limits);
        let pace = Pace::new(&self.keeper, &id, limits, &hosts(&connector.manifest, &connection.config));
        let surroundings = Surroundings {
            connection: id,
            pace,
            manifest: Arc::clone(&connector.manifest),
            config_text: connection.config.to_string(),
            config: connection.config.clone(),
            secrets,
            outbound: Outbound::open(networks)?,
            state: StateKeeper::Stored { store: self.store.clone(), connection: connection.id },
            clock: self.store.clock.clone(),
            random: Randomness::System,
        };
        let origin = Origin {
            workspace: connection.workspace,
            connection: connection.id,
            connector: connection.connector.clone(),
            channel: connector.manifest.channel.clone(),
            handles: connector.manifest.handles,
        };
        Ok(Running { connection, origin, instances: Instances::new(connector, Arc::new(surroundings)) })
    }
}

/// The servers that the endpoints lead to, by endpoint. One whose address is not usable is its own host.
fn hosts(manifest: &Manifest, config: &Value) -> BTreeMap<String, String> {
    let host = |template: &str| {
        let filled = config.as_object().into_iter().flatten().fold(template.to_owned(), |url, (name, value)| {
            value.as_str().map_or(url.clone(), |it| url.replace(&format!("{{{name}}}"), it))
        });
        let host = reqwest::Url::parse(&filled).ok().and_then(|it| Some(format!("{}:{}", it.host_str()?, it.port_or_known_default()?)));
        host.unwrap_or(filled)
    };
    manifest.endpoints.iter().map(|(name, it)| (name.clone(), host(&it.url))).collect()
}

impl Running {
    /// How its commands are delivered.
    #[must_use]
    pub fn delivery(&self, hub: &crate::hub::Hub) -> Delivery {
        hub.config.delivery_rules().with(&self.connection.delivery)
    }

    /// True while the connection may send and ask.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.connection.state == ConnectionState::Active
    }
}
