//! The connections that run in this process, kept in step with the database.

mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use patchbay_schemas::Timestamp;

use self::versions::Versions;
use crate::audit::{Ledger, Uses};
use crate::catalogue::{Catalogue, CatalogueError};
use crate::config::Config;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::keys::{Keyring, UnsealError};
use crate::oauth2::{self, Account, TokenKeeper};
use crate::pace::{Keeper, Pace};
use crate::plugin::journal::Journal;
use crate::plugin::network::{Network, NetworkError};
use crate::plugin::outbound::Outbound;
use crate::plugin::state::StateKeeper;
use crate::plugin::{Connector, Instances, Randomness, Surroundings, compose};
use crate::rules::delivery::Delivery;
use crate::rules::ingest::{Context, Origin};
use crate::rules::mapping::Mapping;
use crate::rules::quarantine::{Change, Quarantine, QuarantineRule};
use crate::secrets::{SecretError, SecretValue};
use crate::setup;
use crate::store::connections::{Asking, Connection, ConnectionState};
use crate::store::quarantines::Quarantined;
use crate::store::{Store, StoreError};
use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::Role;
use serde_json::Value;
use tokio_util::task::TaskTracker;

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

/// The connections that run in this process.
pub struct Registry {
    store: Store,
    catalogue: Arc<Catalogue>,
    keys: Arc<Keyring>,
    hub: String,
    keeper: Arc<Keeper>,
    tasks: TaskTracker,
    quarantine: QuarantineRule,
    ledger: Ledger,
    current: RwLock<Arc<Current>>,
    /// What is known of the connectors' files.
    versions: Versions,
    /// Most deliveries of a connection that another version of its connector reads in shadow before it takes over.
    shadows: u32,
    /// What connectors wrote to the log last, by their ids.
    journals: Mutex<HashMap<String, Arc<Journal>>>,
    /// One refresh at a time: a slow one must not put back what a later one saw.
    refreshing: tokio::sync::Mutex<()>,
    /// Set when another version of a connector stands ready.
    replaced: AtomicBool,
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
    /// Nothing runs before the first [`Registry::refresh`]. The configuration says what the hub is called among those on one database.
    #[must_use]
    pub fn new(store: Store, catalogue: Arc<Catalogue>, keys: Arc<Keyring>, config: &Config) -> Self {
        let keeper = Arc::new(Keeper::new(store.clone()));
        Self {
            store,
            catalogue,
            keys,
            hub: config.name.clone(),
            keeper,
            tasks: TaskTracker::new(),
            ledger: Ledger::default(),
            quarantine: config.quarantine.rule(),
            current: RwLock::default(),
            versions: Versions::default(),
            shadows: config.install.shadow,
            journals: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            replaced: AtomicBool::new(false),
        }
    }

    /// Waits for what must not be cut off: a vendor that is asked for a token gives it once. The process must not end before.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.ledger.write(&self.store).await {
            tracing::warn!(error = %error, "the last uses of secrets could not be written down");
        }
    }

    /// The uses of secrets that were counted and are not written down yet.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What runs now.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that runs.
    #[must_use]
    pub fn running(&self, id: ConnectionId) -> Option<Arc<Running>> {
        self.current().running.get(&id).cloned()
    }

    /// The clock was put back (less than zero) or forward by so many milliseconds.
    pub fn follow_clock(&self, by_ms: i64) {
        self.current().running.values().for_each(|it| it.instances.follow_clock(by_ms));
    }

    /// Takes over what changed in the database.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let before = self.current();
        let revision = self.store.connections_revision().await?;
        let replaced = self.replaced.swap(false, Ordering::AcqRel);
        if revision == before.revision && !before.contexts.is_empty() && !replaced {
            return Ok(());
        }
        let ended = self.replace(&before, revision, replaced).await;
        if replaced && ended.is_err() {
            // The next refresh takes it up.
            self.replaced.store(true, Ordering::Release);
        }
        ended
    }

    async fn replace(&self, before: &Current, revision: i64, replaced: bool) -> Result<(), StoreError> {
        let mut next = Current { revision, ..Current::default() };
        for workspace in self.store.workspaces().await? {
            next.contexts.insert(workspace.id, Context { region: workspace.region, settings: workspace.settings, ..Context::default() });
        }
        let connections = self.store.all_connections().await?;
        // Each connector that begins here is read once.
        let mut begun = HashMap::new();
        for connection in &connections {
            let unchanged = before.running.get(&connection.id).filter(|it| {
                let it = &it.connection;
                it.updated_at == connection.updated_at && it.config == connection.config && it.state == connection.state
            });
            let running = match unchanged {
                Some(running) if replaced => self.with_its_version(running, connection).await,
                Some(running) => Ok(Arc::clone(running)),
                None => self.begin(connection, &mut begun).await.map(Arc::new),
            };
            match running {
                Ok(running) => {
                    let (manifest, context) =
                        (&running.instances.connector().manifest, next.contexts.entry(connection.workspace).or_default());
                    if manifest.roles.contains(&Role::Sink) {
                        context.sinks.push(connection.id);
                    }
                    if manifest.commands.as_ref().is_some_and(|it| it.kinds.iter().any(|it| it == "message.send")) {
                        context.messengers.push(connection.id);
                    }
                    next.running.insert(connection.id, running);
                }
                Err(error) => {
                    tracing::error!(connection.id = %connection.id, connector.id = %connection.connector, error = %error, "a connection does not run");
                    next.failed.insert(connection.id.to_string(), error.to_string());
                }
            }
        }
        self.keep_versions(&connections, &next.running).await;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// A connection that begins, or begins anew, in this process.
    async fn begin(&self, connection: &Connection, begun: &mut HashMap<String, Arc<Connector>>) -> Result<Running, RunError> {
        let connector = match begun.get(&connection.connector) {
            Some(connector) => Arc::clone(connector),
            None => self.version(&connection.connector).await?,
        };
        begun.entry(connection.connector.clone()).or_insert_with(|| Arc::clone(&connector));
        self.run_with(connection.clone(), connector).await
    }

    /// The connection with the version of its connector that is installed now. Calls that are under way end with the version that they began
    /// with. One that cannot be had changes nothing.
    async fn with_its_version(&self, running: &Arc<Running>, connection: &Connection) -> Result<Arc<Running>, RunError> {
        match self.version(&connection.connector).await {
            Ok(connector) if connector.digest == running.instances.connector().digest => Ok(Arc::clone(running)),
            Ok(connector) => {
                let (from, to) = (&running.instances.connector().manifest.version, &connector.manifest.version);
                tracing::info!(connection.id = %connection.id, connector.id = %connection.connector, from, to, "another version of a connector takes over");
                self.run_with(connection.clone(), connector).await.map(Arc::new)
            }
            Err(error) => {
                tracing::error!(connection.id = %connection.id, error = %error, "the former version of a connector goes on");
                Ok(Arc::clone(running))
            }
        }
    }

    /// Makes a connection ready to be called, without putting it into the registry.
    pub async fn run(&self, connection: Connection) -> Result<Running, RunError> {
        let connector = self.version_for_command(&connection.connector).await?;
        self.run_with(connection, connector).await
    }

    async fn run_with(&self, connection: Connection, connector: Arc<Connector>) -> Result<Running, RunError> {
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

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What a connector wrote to the log last; none: it never ran in this process.
    #[must_use]
    pub fn journal(&self, connector: &str) -> Option<Arc<Journal>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner).get(connector).cloned()
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

    /// Writes down which versions were put into quarantine, or came out of it, since the last time.
    pub async fn note_quarantines(&self) -> Result<(), StoreError> {
        for (id, running) in &self.current().running {
            let connector = running.instances.connector();
            let (connector_id, version) = (&connector.manifest.id, &connector.manifest.version);
            match running.instances.quarantine_change() {
                Some(Change::Stands(it)) => {
                    let wait_s = (it.until - self.store.clock.now_ms()).max(0) / 1_000;
                    tracing::warn!(
                        connection.id = %id, connector.id = %connector_id, connector.version = %version, wait_s, rounds = it.rounds,
                        reason = %it.reason, "a version of a connector is left alone"
                    );
                    let found = Quarantined { digest: hex::encode(connector.digest), version: version.clone(), quarantine: it };
                    self.store.put_quarantine(*id, &found).await?;
                }
                Some(Change::Ended) => {
                    tracing::info!(connection.id = %id, connector.id = %connector_id, connector.version = %version, "a version of a connector works again");
                    self.store.end_quarantine(*id).await?;
                }
                None => {}
            }
        }
        Ok(())
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
