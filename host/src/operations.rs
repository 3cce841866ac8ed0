//! What people ask of the hub: the same operations behind the command line and the API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchbay_schemas::command::{Button, MessageSend};
use patchbay_schemas::interaction::Message;
use patchbay_schemas::{
    Attachment, Author, ConversationRef, Detail, Direction, EventBody, Interaction, Manifest, Person, Source, Timestamp,
};
use serde_json::{Map, Value};

use crate::catalogue::CatalogueError;
use crate::hub::Hub;
use crate::ids::{ConnectionId, ConversationId, DeliveryId, EventId, OutboxId, WorkspaceId};
use crate::plugin::CallError;
use crate::plugin::network::{Network, NetworkError};
use crate::registry::RunError;
use crate::rules::delivery::DeliverySettings;
use crate::rules::ingest::{CheckedEvent, Context, Intake, Origin, Outcome, ReadBy, Way};
use crate::secrets::SecretValue;
use crate::setup::{self, Fault, SetupError};
use crate::store::StoreError;
use crate::store::connections::{Connection, ConnectionState};
use crate::store::outbox::Once;

/// A connection that somebody wants to make.
pub struct NewConnection {
    /// The connector's id.
    pub connector: String,
    /// Shown to people; empty: the connector's own name.
    pub name: String,
    /// Configuration and secrets by property.
    pub config: Map<String, Value>,
    /// Private networks that it may reach.
    pub networks: Vec<String>,
}

/// What somebody wants to change of a connection.
#[derive(Default)]
pub struct ConnectionChange {
    /// Its new name; none or empty: as before.
    pub name: Option<String>,
    /// Properties and secrets: what is given replaces, null removes, the rest stays.
    pub config: Map<String, Value>,
    /// Private networks that it may reach; none: as before.
    pub networks: Option<Vec<String>>,
    /// How its commands are delivered: what is given replaces, null goes back to the hub's setting, the rest stays.
    pub delivery: Map<String, Value>,
}

/// A message that somebody wants to send.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outgoing {
    /// Plain text, or the caption of the attachment.
    pub text: Option<String>,
    /// At most one file, by the vendor's reference or a public address.
    pub attachment: Option<Attachment>,
    /// Buttons under the message, row by row.
    pub buttons: Vec<Vec<Button>>,
    /// The vendor's id of the message that this one answers.
    pub reply_to: Option<String>,
    /// Who writes.
    pub author: Option<Author>,
}

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The connector cannot be had.
    #[error(transparent)]
    Connector(#[from] CatalogueError),
    /// The configuration does not fit.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A network is none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The connection cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The connector's call did not succeed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is no such thing in this workspace.
    #[error("there is no {0} in this workspace")]
    NotFound(String),
    /// It is there, but not in a state that allows it.
    #[error("{0}")]
    Refused(String),
    /// Values of what is asked for are not allowed.
    #[error("values are not allowed: {}", setup::list(.0))]
    Body(Vec<Fault>),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a dead letter.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Redriven {
    /// `dlv_…`, `evt_…` or `out_…`
    pub id: String,
    /// A delivery's new outcome; `pending` for a command.
    pub now: String,
}

impl Hub {
    /// Makes a connection: configuration checked against the manifest, secrets sealed. It works as soon as the hub notices it.
    pub async fn create_connection(&self, workspace: WorkspaceId, new: NewConnection) -> Result<Connection, OperationError> {
        let artifact = self.catalogue.artifact(&new.connector)?;
        let mut config = new.config;
        self.make_up_webhook_secret(&artifact.manifest, &mut config);
        let setup = setup::check(&artifact.manifest, config)?;
        let networks = networks(&new.networks)?;
        let id: ConnectionId = self.store.ids.unguessable();
        let now = self.store.clock.now();
        let name = if new.name.trim().is_empty() { artifact.manifest.name.clone() } else { new.name.trim().to_owned() };
        let connection = Connection {
            id,
            workspace,
            connector: new.connector,
            name,
            state: ConnectionState::Active,
            config: setup.config,
            networks,
            delivery: DeliverySettings::default(),
            cursor: None,
            created_at: now,
            updated_at: now,
        };
        let mut tried = 0;
        loop {
            let sealed = self.keys.seal_all(id, &setup.secrets);
            match self.store.create_connection(&connection, &sealed, &self.author).await {
                Err(StoreError::FormerKey) => self.keys.again(&mut tried).await?,
                made => break made?,
            }
        }
        Ok(connection)
    }

    /// Changes a connection's name, configuration, networks or delivery; what is not given stays. A broken one whose configuration changes is
    /// tried again; a paused one stays paused.
    pub async fn update_connection(
        &self,
        workspace: WorkspaceId,
        id: ConnectionId,
        change: ConnectionChange,
    ) -> Result<Connection, OperationError> {
        let mut connection = self.found(workspace, id).await?;
        let mends = !change.config.is_empty() || change.networks.is_some();
        let (secrets, removed) = self.configure(&mut connection, change.config).await?;
        if let Some(given) = change.networks {
            connection.networks = networks(&given)?;
        }
        connection.delivery = setup::delivery(&connection.delivery, change.delivery)?;
        if let Some(name) = change.name.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
            name.clone_into(&mut connection.name);
        }
        let mut tried = 0;
        loop {
            let sealed = self.keys.seal_all(id, &secrets);
            match self.store.update_connection(&connection, &sealed, &removed, mends, &self.author).await {
                Err(StoreError::FormerKey) => self.keys.again(&mut tried).await?,
                written => break written?,
            }
        }
        self.found(workspace, id).await
    }

    /// Changes a connection's configuration, checked as a whole against the manifest: the secrets that were given, and the names of those that are
    /// no more. Where nothing is given nothing is checked: another version of the connector may want another configuration than is there.
    async fn configure(
        &self,
        connection: &mut Connection,
        change: Map<String, Value>,
    ) -> Result<(BTreeMap<String, SecretValue>, Vec<String>), OperationError> {
        if change.is_empty() {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let artifact = self.catalogue.artifact(&connection.connector)?;
        let mut config = connection.config.as_object().cloned().unwrap_or_default();
        // The schema sees the stored secrets too: one that stays must not count as missing.
        for (name, sealed) in self.store.sealed_secrets(connection.id).await? {
            let value = self.keys.unseal(connection.id, &name, &sealed).await.map_err(RunError::from)?;
            config.insert(name, value.reveal().into());
        }
        let (mut given, mut removed) = (BTreeSet::new(), Vec::new());
        for (name, value) in change {
            if value.is_null() {
                config.remove(&name);
                removed.push(name);
            } else {
                given.insert(name.clone());
                config.insert(name, value);
            }
        }
        given.extend(self.make_up_webhook_secret(&artifact.manifest, &mut config));
        let mut setup = setup::check(&artifact.manifest, config)?;
        // What is not given stays sealed as it is.
        setup.secrets.retain(|name, _| given.contains(name));
        connection.config = setup.config;
        Ok((setup.secrets, removed))
    }

    /// Removes a connection and its secrets, after its webhook was taken off at the vendor. Some: why the vendor may still post to it.
    pub async fn remove_connection(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Option<String>, OperationError> {
        let connection = self.found(workspace, id).await?;
        let left = self.unregister(&connection).await?;
        if let Some(reason) = &left {
            tracing::warn!(connection.id = %id, reason, "a connection goes, and its webhook could not be taken off at the vendor");
        }
        self.set_connection_state(workspace, id, ConnectionState::Removed).await?;
        Ok(left)
    }

    /// Pauses or resumes a connection.
    pub async fn set_connection_state(
        &self,
        workspace: WorkspaceId,
        id: ConnectionId,
        state: ConnectionState,
    ) -> Result<(), OperationError> {
        if !self.store.set_connection_state(workspace, id, &state).await? {
            return Err(not_found("connection", id));
        }
        if state == ConnectionState::Active {
            // Whoever says "go on" knows better than a breaker.
            self.store.lift_hold(id).await?;
        }
        Ok(())
    }

    /// Asks the connector whether the connection works; what it says is for people. A vendor that the hub tells where to post is told first.
    pub async fn test_connection(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Value, OperationError> {
        let connection = self.found(workspace, id).await?;
        let running = self.registry.run(connection).await?;
        let webhook = if running.connection.state == ConnectionState::Paused { None } else { self.register_now(&running).await? };
        let answer = running.instances.check().await?;
        let mut said = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
        if let (Some(said), Some(webhook)) = (said.as_object_mut(), webhook) {
            said.insert("webhook".to_owned(), webhook.words().into());
        }
        Ok(said)
    }

    /// The address that the vendor posts to; none for connections that do not listen.
    #[must_use]
    pub fn address(&self, connection: &Connection) -> Option<String> {
        self.manifest(connection).ok()?.listens(&connection.config).then(|| format!("{}/in/{}", self.config.base_url(), connection.id))
    }

    /// What a connection's connector says of itself: from the registry, else from the file.
    pub fn manifest(&self, connection: &Connection) -> Result<Arc<Manifest>, CatalogueError> {
        match self.registry.running(connection.id) {
            Some(running) => Ok(Arc::clone(&running.instances.connector().manifest)),
            None => self.catalogue.artifact(&connection.connector).map(|it| Arc::new(it.manifest)),
        }
    }

    /// Puts a message into the outbox and into the timeline; it goes to the conversation's own channel and nowhere else. With the key of
    /// a message that was asked for before, it is that one.
    pub async fn send_message(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        message: Outgoing,
        key: Option<String>,
    ) -> Result<OutboxId, OperationError> {
        let found = self.store.conversation(workspace, conversation).await?.ok_or_else(|| not_found("conversation", conversation))?;
        let text = message.text.filter(|it| !it.trim().is_empty());
        if text.is_none() && message.attachment.is_none() {
            return Err(OperationError::Refused("a message needs a text or an attachment".to_owned()));
        }
        let connection: ConnectionId = found.connection.parse().map_err(|_| not_found("connection", &found.connection))?;
        let connection = self.found(workspace, connection).await?;
        let artifact = self.catalogue.artifact(&connection.connector)?;
        let manifest = &artifact.manifest;
        if !manifest.commands.as_ref().is_some_and(|it| it.kinds.iter().any(|it| it == "message.send")) {
            return Err(OperationError::Refused(format!("the connector `{}` cannot send messages", connection.connector)));
        }
        let thread = ConversationRef { key: found.key, title: found.title };
        let send = MessageSend {
            conversation: thread.clone(),
            text: text.clone(),
            attachment: message.attachment.clone(),
            buttons: message.buttons,
            reply_to: message.reply_to.clone(),
        };
        let interaction = Interaction {
            direction: Direction::Out,
            person: Person::default(),
            conversation: Some(thread),
            text,
            author: message.author,
            attachments: message.attachment.into_iter().collect(),
            source: Source::default(),
            detail: Detail::Message(Message { reply_to: message.reply_to, ..Message::default() }),
            extra: patchbay_schemas::Extra::default(),
        };
        let origin = Origin {
            workspace,
            connection: connection.id,
            connector: connection.connector,
            channel: manifest.channel.clone(),
            handles: manifest.handles,
            read_by: Arc::new(ReadBy::new(&manifest.version, &artifact.digest)),
        };
        let sent = |id: OutboxId| {
            let body = EventBody::Message(interaction);
            let payload = body.payload().unwrap_or_default();
            CheckedEvent { key: format!("sent:{id}"), kind: "message".to_owned(), occurred_at: None, payload, body: Ok(body) }
        };
        let payload = serde_json::to_string(&send).map_err(|error| OperationError::Refused(error.to_string()))?;
        let contexts = self.contexts().await?;
        let once = key.map(|it| Once::new(it, &format!("message.send {conversation} {payload}")));
        Ok(self.store.enqueue_message(&origin, conversation, sent, &payload, &contexts, once.as_ref()).await?)
    }

    /// Tries a dead letter again: `dlv_…` and `evt_…` go through the connector once more, `out_…` goes back to its lane.
    pub async fn redrive(&self, workspace: WorkspaceId, id: &str) -> Result<Redriven, OperationError> {
        if let Ok(outbox) = id.parse::<OutboxId>() {
            return if self.store.redrive_outbox(workspace, outbox).await? {
                Ok(Redriven { id: id.to_owned(), now: "pending".to_owned() })
            } else {
                Err(OperationError::NotFound(format!("dead letter {id}")))
            };
        }
        let delivery: DeliveryId = match (id.parse::<DeliveryId>(), id.parse::<EventId>()) {
            (Ok(delivery), _) => delivery,
            (_, Ok(event)) => self.store.delivery_of_event(workspace, event).await?.ok_or_else(|| not_found("dead letter", event))?,
            _ => return Err(OperationError::Refused(format!("`{id}` names no dead letter: dlv_…, evt_… or out_… is due"))),
        };
        // What is not dead would be read a second time.
        if self.store.dead_letter(workspace, id).await?.is_none() {
            return Err(not_found("dead letter", id));
        }
        let outcome = self.redrive_delivery(workspace, delivery).await?;
        Ok(Redriven { id: id.to_owned(), now: outcome.as_str().to_owned() })
    }

    async fn redrive_delivery(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<Outcome, OperationError> {
        let (view, body) = self.store.delivery(workspace, id).await?.ok_or_else(|| not_found("delivery", id))?;
        let before = Outcome::ALL.into_iter().find(|it| it.as_str() == view.outcome).unwrap_or(Outcome::Dead);
        let (Some(body), Some(request)) = (body, view.request.clone()) else {
            return Err(OperationError::Refused(format!(
                "{id} is {}: only what is kept byte for byte, and not longer than the retention time, can be redriven",
                view.outcome
            )));
        };
        let connection = self.found(workspace, view.connection).await?;
        let running = self.registry.run(connection).await?;
        let frames = crate::reading::frames(&request, &body);
        let way = if frames.is_some() { Way::Stream } else { Way::Webhook };
        let reading = match frames {
            Some(frames) => crate::reading::of_frames(&running.instances, &frames).await.reading,
            None => crate::reading::of(&running.instances, &crate::reading::request(&request, body.clone())).await.reading,
        };
        let intake = Intake {
            id,
            origin: running.origin.clone(),
            way,
            request: None,
            body,
            fingerprint: None,
            received_at: view.received_at,
            reading,
            cursor: None,
        };
        let contexts = self.contexts().await?;
        Ok(self.store.redrive_delivery(before, &intake, &contexts, crate::committer::REDRIVE_SHARD).await?)
    }

    /// What the planner must know of every workspace, fresh from the database.
    pub(crate) async fn contexts(&self) -> Result<std::collections::HashMap<WorkspaceId, Context>, OperationError> {
        self.registry.refresh().await?;
        Ok(self.registry.current().contexts.clone())
    }

    pub(crate) async fn found(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Connection, OperationError> {
        self.store
            .connection(workspace, id)
            .await?
            .filter(|it| it.state != ConnectionState::Removed)
            .ok_or_else(|| not_found("connection", id))
    }
}

fn networks(texts: &[String]) -> Result<Vec<String>, NetworkError> {
    texts.iter().map(|it| it.parse::<Network>().map(|it| it.to_string())).collect()
}

pub(crate) fn not_found(what: &str, id: impl std::fmt::Display) -> OperationError {
    OperationError::NotFound(format!("{what} {id}"))
}

/// A time as people read it.
#[must_use]
pub fn short_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
