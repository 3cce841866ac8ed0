//! A connection that runs: its connector's instances with all that is around them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use patchbay_schemas::{Manifest, Timestamp};
use serde_json::Value;

use super::Registry;
use crate::audit::Uses;
use crate::catalogue::CatalogueError;
use crate::ids::ConnectionId;
use crate::keys::UnsealError;
use crate::oauth2::{self, Account, TokenKeeper};
use crate::pace::Pace;
use crate::plugin::journal::Journal;
use crate::plugin::network::{Network, NetworkError};
use crate::plugin::outbound::Outbound;
use crate::plugin::state::StateKeeper;
use crate::plugin::{Connector, Instances, Randomness, Surroundings, compose};
use crate::rules::delivery::Delivery;
use crate::rules::ingest::Origin;
use crate::rules::mapping::Mapping;
use crate::rules::quarantine::Quarantine;
use crate::secrets::{SecretError, SecretValue};
use crate::setup;
use crate::store::StoreError;
use crate::store::connections::{Asking, Connection, ConnectionState};

/// A connection that runs in this process.
pub struct Running {
    /// What the database says of it.
    pub connection: Connection,
    /// What the rules must know of it.
    pub origin: Origin,
    /// Its connector's instances.
    pub instances: Instances,
    /// Its field mapping; none: the connector decides alone what it writes where.
    pub mapping: Option<Arc<Mapping>>,
}

impl Running {
    /// What is known when its vendor is asked something.
    #[must_use]
    pub fn asking(&self, at: Timestamp) -> Asking {
        Asking { at, token: self.instances.surroundings().tokens.as_ref().map_or(0, |it| it.generation()) }
    }

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

/// A connection's secrets by property name, composed ones too.
pub(crate) type Secrets = BTreeMap<String, SecretValue>;

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
    /// Its field mapping cannot be read by this hub.
    #[error("its field mapping cannot be read: {0}")]
    Mapping(String),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<UnsealError> for RunError {
    fn from(error: UnsealError) -> Self {
        match error {
            UnsealError::Secret(error) => Self::Secret(error),
            UnsealError::Store(error) => Self::Store(error),
        }
    }
}

impl Registry {
    /// Makes a connection ready to be called, without putting it into the registry.
    pub async fn run(&self, connection: Connection) -> Result<Running, RunError> {
        let connector = self.version_for_command(&connection.connector).await?;
        self.run_with(connection, connector).await
    }

    pub(super) async fn run_with(&self, connection: Connection, connector: Arc<Connector>) -> Result<Running, RunError> {
        let id = connection.id.to_string();
        let mut secrets = self.secrets_of(&connection).await?;
        compose(&connector.manifest, &connection.config, &mut secrets);
        let networks = connection.networks.iter().map(|it| it.parse::<Network>()).collect::<Result<Vec<_>, _>>()?;
        let limits = connection.delivery.rate_limits.as_ref().unwrap_or(&connector.manifest.rate_limits);
        let pace = Pace::new(&self.keeper, &id, limits, &hosts(&connector.manifest, &connection.config));
        let outbound = Outbound::open(networks)?;
        let own = [oauth2::ACCESS, oauth2::REFRESH].map(str::to_owned);
        let uses = Arc::new(Uses::of(secrets.keys().cloned().chain(own)));
        self.ledger.enter(connection.workspace, connection.id, &uses);
        let tokens = connector.manifest.authorises(&connection.config).map(|oauth2| {
            let account = Account {
                connection: connection.id,
                manifest: Arc::clone(&connector.manifest),
                config: connection.config.clone(),
                hub: self.hub.clone(),
                uses: Arc::clone(&uses),
            };
            let (store, keys, tasks) = (self.store.clone(), Arc::clone(&self.keys), self.tasks.clone());
            Arc::new(TokenKeeper::new(store, keys, tasks, outbound.again(), account, oauth2, &secrets))
        });
        let surroundings = Surroundings {
            connection: id,
            pace,
            manifest: Arc::clone(&connector.manifest),
            config_text: connection.config.to_string(),
            config: connection.config.clone(),
            secrets,
            uses,
            tokens,
            outbound,
            state: StateKeeper::Stored { store: self.store.clone(), connection: connection.id },
            clock: self.store.clock.clone(),
            random: Randomness::System,
            journal: self.journal_of(&connection.connector),
        };
        let origin = Origin {
            workspace: connection.workspace,
            connection: connection.id,
            connector: connection.connector.clone(),
            channel: connector.manifest.channel.clone(),
            handles: connector.manifest.handles,
            read_by: Arc::new(connector.read_by()),
        };
        let known = self.known_quarantine(connection.id, &connector.digest).await?;
        let instances = Instances::watched(connector, Arc::new(surroundings), self.quarantine, known);
        // Without its mapping a lead would be written wrongly: rather not at all.
        let mapping = match self.store.mapping(connection.id, None).await? {
            None => None,
            Some(it) => Some(Arc::new(Mapping::read(&it.document).map_err(|faults| RunError::Mapping(setup::list(&faults)))?)),
        };
        Ok(Running { connection, origin, instances, mapping })
    }

    /// A connection's secrets, opened.
    pub(crate) async fn secrets_of(&self, connection: &Connection) -> Result<Secrets, RunError> {
        let mut secrets = Secrets::new();
        for (name, sealed) in self.store.sealed_secrets(connection.id).await? {
            let value = self.keys.unseal(connection.id, &name, &sealed).await?;
            secrets.insert(name, value);
        }
        Ok(secrets)
    }

    fn journal_of(&self, connector: &str) -> Arc<Journal> {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(journals.entry(connector.to_owned()).or_default())
    }

    /// The quarantine of this very version. That of another one ends when it is replaced.
    async fn known_quarantine(&self, connection: ConnectionId, digest: &[u8; 32]) -> Result<Option<Quarantine>, StoreError> {
        match self.store.quarantine(connection).await? {
            Some(it) if it.digest == hex::encode(digest) => Ok(Some(it.quarantine)),
            Some(_) => {
                self.store.end_quarantine(connection).await?;
                Ok(None)
            }
            None => Ok(None),
        }
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
