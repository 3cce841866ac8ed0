//! `connection add`, `list`, `show`, `test`, `authorise`, `pause`, `resume`, `update`, `replay`, `import`, `remove`

mod show;

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{Grant, OAuth2};
use serde_json::{Map, Value, json};

use self::show::{describe, show, state};
use super::dead::When;
use super::failure::{Exit, Failure};
use super::fields::{Fields, Pair};
use super::import::Import;
use super::output::{Out, Table, clean, confirm, time};
use super::view::{differences, tally};
use patchbay_host::clock::timestamp;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ConnectionId, DeliveryId};
use patchbay_host::oauth2::Link;
use patchbay_host::operations::{ConnectionChange, NewConnection, OperationError};
use patchbay_host::plugin::CallError;
use patchbay_host::replay::{self, ReplayWanted};
use patchbay_host::store::connections::{Connection, ConnectionState};

/// Most connections that are listed.
const MOST: i64 = 10_000;

#[derive(clap::Subcommand)]
pub enum Connections {
    /// Add a connection: its configuration is checked, its secrets are asked for and stored encrypted
    Add {
        /// The connector's id, as `connector list` shows it
        connector: String,
        /// The name to show [default: the connector's]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// Do not ask the vendor whether it works
        #[arg(long)]
        no_test: bool,
    },
    /// List the connections
    List,
    /// Show a connection, its address and its configuration without secrets
    Show(Which),
    /// Ask the vendor whether a connection works
    Test(Which),
    /// Print the link under which a person lets the vendor grant access (OAuth 2)
    #[command(visible_alias = "authorize")]
    Authorise(Which),
    /// Stop sending and asking; what comes in is still taken
    Pause(Which),
    /// Go on after a pause, or after a refused credential
    Resume(Which),
    /// Change name, configuration, secrets or granted networks; what is not given stays
    Update {
        #[command(flatten)]
        which: Which,
        /// The new name to show
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// A property that goes back to its default
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// How its commands are delivered: `first_wait_ms=1000`; `tries=` alone goes back to the hub's setting
        #[arg(long, value_name = "KEY=VALUE")]
        delivery: Vec<Pair>,
        /// Do not ask the vendor whether it works
        #[arg(long)]
        no_test: bool,
    },
    /// Read what was posted to a connection again, with the connector that is installed now, and show what differs
    Replay {
        #[command(flatten)]
        which: Which,
        /// Only what was received since: 30d, 6h, or a time
        #[arg(long)]
        since: Option<When>,
        /// Only deliveries after this one
        #[arg(long, value_name = "DLV_…")]
        after: Option<DeliveryId>,
        /// At most so many deliveries, the oldest
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=replay::MOST))]
        limit: i64,
        /// Only what another version of the connector read
        #[arg(long)]
        other_version: bool,
        /// Take over what is new or different; nothing is sent twice
        #[arg(long)]
        apply: bool,
    },
    /// Read the people of a CRM and its open leads into the hub; nothing is written into the CRM
    Import(Import),
    /// Remove a connection and its secrets; its history stays
    Remove {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Names one connection.
#[derive(clap::Args)]
pub struct Which {
    /// cxn_…, or its name
    pub connection: String,
}

impl Connections {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::Add { connector, name, fields, no_test } => add(out, hub, connector, name, &fields, no_test).await,
            Self::List => list(out, hub).await,
            Self::Show(which) => show(out, hub, &which).await,
            Self::Test(which) => {
                let connection = find(hub, &which.connection).await?;
                test(out, hub, &connection).await
            }
            Self::Authorise(which) => authorise(out, hub, &which).await,
            Self::Pause(which) => turn(out, hub, &which, ConnectionState::Paused).await,
            Self::Resume(which) => turn(out, hub, &which, ConnectionState::Active).await,
            Self::Update { which, name, fields, unset, delivery, no_test } => {
                let change = ConnectionChange { name, delivery: values(delivery), ..ConnectionChange::default() };
                update(out, hub, &which, change, &fields, unset, no_test).await
            }
            Self::Replay { which, since, after, limit, other_version, apply } => {
                let since = since.map(|it| timestamp(it.ms(hub.store.clock.now_ms())));
                replay_all(out, hub, &which, &ReplayWanted { since, after, limit: Some(limit), other_version, apply }).await
            }
            Self::Import(import) => import.run(out, hub).await,
            Self::Remove { which, yes } => remove(out, hub, &which, yes).await,
        }
    }
}

/// `name=value` as JSON; without a value, null.
fn values(pairs: Vec<Pair>) -> Map<String, Value> {
    let value = |text: String| if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    pairs.into_iter().map(|it| (it.name, value(it.value))).collect()
}

/// A connection by its id or its name.
pub async fn find(hub: &Hub, wanted: &str) -> Result<Connection, Failure> {
    let nothing =
        || Failure::new(Exit::NotFound, format!("there is no connection `{wanted}`")).help("`patchbay connection list` lists them");
    if let Ok(id) = wanted.parse::<ConnectionId>() {
        let found = hub.store.connection(hub.workspace.id, id).await?;
        return found.filter(|it| it.state != ConnectionState::Removed).ok_or_else(nothing);
    }
    let mut named: Vec<Connection> = all(hub).await?.into_iter().filter(|it| it.name == wanted).collect();
    match (named.pop(), named.len()) {
        (Some(found), 0) => Ok(found),
        (Some(_), more) => {
            Err(Failure::new(Exit::Usage, format!("{} connections are called `{wanted}`", more + 1)).help("name it by its id: cxn_…"))
        }
        (None, _) => Err(nothing()),
    }
}

/// The connections of the workspace that were not removed, oldest first.
pub async fn all(hub: &Hub) -> Result<Vec<Connection>, Failure> {
    Ok(hub.store.connections(hub.workspace.id, None, MOST).await?)
}

async fn add(out: Out, hub: &Hub, connector: String, name: Option<String>, fields: &Fields, no_test: bool) -> Result<(), Failure> {
    let artifact = hub.catalogue.artifact(&connector)?;
    let config = fields.gather(&artifact.manifest, &made_up(hub, &artifact.manifest))?;
    let new = NewConnection { connector, name: name.unwrap_or_default(), config, networks: fields.networks.clone() };
    let connection = hub.create_connection(hub.workspace.id, new).await?;
    // Nothing can work before somebody authorised it.
    let link = match artifact.manifest.authorises(&connection.config) {
        Some(OAuth2 { grant: Grant::AuthorizationCode, .. }) => Some(hub.authorisation_link(hub.workspace.id, connection.id).await?),
        _ => None,
    };
    let tested = if no_test || link.is_some() { Tested::Not } else { ask_vendor(hub, &connection).await? };
    let mut json = describe(hub, &connection).await?;
    json["test"] = tested.json();
    json["authorise"] = serde_json::to_value(&link).unwrap_or_default();
    out.answer(&json, || {
        let address = json["address"].as_str().map(|it| format!("address  {it}\n")).unwrap_or_default();
        let link = link.as_ref().map(to_follow).unwrap_or_default();
        format!("id       {}\n{address}{link}{}", connection.id, tested.human())
    })?;
    tested.verdict(&format!("`{}` is added, but its test failed", connection.name), &connection)
}

/// What nobody needs to be asked for, since the hub makes it up.
fn made_up(hub: &Hub, manifest: &Manifest) -> Map<String, Value> {
    hub.own_webhook_secret(manifest).map(|it| (it.to_owned(), Value::String(String::new()))).into_iter().collect()
}

async fn authorise(out: Out, hub: &Hub, which: &Which) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    let link = hub.authorisation_link(hub.workspace.id, connection.id).await?;
    out.answer(&link, || to_follow(&link))
}

/// A link and what to know of it.
fn to_follow(link: &Link) -> String {
    let (good, back) = (time(link.expires_at), &link.redirect_uri);
    format!(
        "link     {}\n         open it in a browser, once, before {good}; the vendor must know {back} as the address to come back to\n",
        link.link
    )
}

async fn update(
    out: Out,
    hub: &Hub,
    which: &Which,
    change: ConnectionChange,
    fields: &Fields,
    unset: Vec<String>,
    no_test: bool,
) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    let artifact = hub.catalogue.artifact(&connection.connector)?;
    let mut there = made_up(hub, &artifact.manifest);
    there.extend(connection.config.as_object().cloned().unwrap_or_default());
    for name in hub.store.sealed_secrets(connection.id).await?.into_keys() {
        // That it is set is all that matters here.
        there.insert(name, Value::String(String::new()));
    }
    let mut given = fields.gather(&artifact.manifest, &there)?;
    given.extend(unset.into_iter().map(|it| (it, Value::Null)));
    let networks = (!fields.networks.is_empty()).then(|| fields.networks.clone());
    let change = ConnectionChange { config: given, networks, ..change };
    let connection = hub.update_connection(hub.workspace.id, connection.id, change).await?;
    let tested = if no_test { Tested::Not } else { ask_vendor(hub, &connection).await? };
    let mut json = describe(hub, &connection).await?;
    json["test"] = tested.json();
    out.answer(&json, || format!("{} is updated\n{}", connection.id, tested.human()))?;
    tested.verdict(&format!("`{}` is updated, but its test failed", connection.name), &connection)
}

/// What the vendor said.
enum Tested {
    /// Nobody asked.
    Not,
    /// The connector has no test.
    Untestable,
    /// It works; what the connector tells of it.
    Works(Value),
    /// It does not.
    Failed(String),
}

impl Tested {
    fn json(&self) -> Value {
        match self {
            Self::Not | Self::Untestable => Value::Null,
            Self::Works(said) => json!({ "ok": true, "said": said }),
            Self::Failed(reason) => json!({ "ok": false, "error": reason }),
        }
    }

    fn human(&self) -> String {
        match self {
            Self::Not => String::new(),
            Self::Untestable => "test     this connector has none\n".to_owned(),
            Self::Failed(_) => "test     failed\n".to_owned(),
            Self::Works(said) => {
                let mut table = Table::plain();
                for (name, value) in said.as_object().into_iter().flatten() {
                    table.wide_row([name.clone(), plain(value)]);
                }
                format!("test     ok\n{}", table.text())
            }
        }
    }
}

impl Tested {
    /// A test that failed is a failure of the command.
    fn verdict(&self, what: &str, connection: &Connection) -> Result<(), Failure> {
        let Self::Failed(reason) = self else { return Ok(()) };
        let help =
            format!("`patchbay connection show {0}` shows its configuration, `patchbay connection update {0}` changes it", connection.id);
        Err(Failure::new(Exit::Violated, format!("{what}: {}", clean(reason))).help(help))
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

async fn ask_vendor(hub: &Hub, connection: &Connection) -> Result<Tested, Failure> {
    match hub.test_connection(hub.workspace.id, connection.id).await {
        Ok(said) => Ok(Tested::Works(said)),
        Err(OperationError::Call(CallError::NoAbility(_))) => Ok(Tested::Untestable),
        Err(OperationError::Call(error)) => Ok(Tested::Failed(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

async fn test(out: Out, hub: &Hub, connection: &Connection) -> Result<(), Failure> {
    let tested = ask_vendor(hub, connection).await?;
    out.answer(&tested.json(), || tested.human())?;
    tested.verdict(&format!("the test of `{}` failed", connection.name), connection)
}

async fn list(out: Out, hub: &Hub) -> Result<(), Failure> {
    let connections = all(hub).await?;
    let mut json = Vec::with_capacity(connections.len());
    for it in &connections {
        json.push(describe(hub, it).await?);
    }
    out.answer(&json, || {
        let mut table = Table::new(["ID", "NAME", "CONNECTOR", "STATE", "ADDRESS"]);
        for it in &connections {
            table.wide_row([it.id.to_string(), it.name.clone(), it.connector.clone(), state(it), hub.address(it).unwrap_or_default()]);
        }
        table.or("no connections yet: `patchbay connection add <connector>` adds one, `patchbay connector list` shows of what")
    })
}

async fn turn(out: Out, hub: &Hub, which: &Which, to: ConnectionState) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    hub.set_connection_state(hub.workspace.id, connection.id, to.clone()).await?;
    let now = Connection { state: to, ..connection };
    out.answer(&describe(hub, &now).await?, || format!("{} is {}\n", now.id, state(&now)))
}

async fn remove(out: Out, hub: &Hub, which: &Which, yes: bool) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    let question = format!("Remove `{}` ({}) and its secrets?", connection.name, connection.id);
    if !yes && !confirm(&question)? {
        return Err(Failure::new(Exit::Refused, "nothing was removed").help("--yes removes without a question"));
    }
    let left = hub.remove_connection(hub.workspace.id, connection.id).await?;
    out.answer(&json!({ "id": connection.id, "state": "removed", "webhook": left }), || {
        let left = left.as_deref().map(|it| format!("the vendor may still post to it ({}): take the webhook off there\n", clean(it)));
        format!("{} is removed; its history stays\n{}", connection.id, left.unwrap_or_default())
    })
}

async fn replay_all(out: Out, hub: &Hub, which: &Which, wanted: &ReplayWanted) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    let done = hub.replay(hub.workspace.id, connection.id, wanted).await?;
    out.answer(&done, || {
        let what = if done.applied { "taken over" } else { "nothing was changed; --apply takes it over" };
        format!("{}{} ({what})\n", differences(&done.differences).or("no difference"), tally(&done.tally))
    })?;
    if let Some(next) = &done.next {
        out.note(format!("there may be more: --after {next}"));
    }
    Ok(())
}
