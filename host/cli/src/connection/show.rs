//! `connection show`: all that is known of a connection but its secrets.

use serde_json::{Map, Value};

use super::{Which, find, plain};
use crate::failure::{Exit, Failure};
use crate::import::progress;
use crate::output::{Out, Table, clean, time};
use crate::view::{differences, tally};
use patchbay_host::hub::Hub;
use patchbay_host::store::authorisations::AuthorisationView;
use patchbay_host::store::connections::{Connection, ConnectionState};
use patchbay_host::store::holds::HoldView;
use patchbay_host::store::quarantines::QuarantineView;
use patchbay_host::store::registrations::RegistrationView;
use patchbay_host::store::shadows::ShadowView;

pub(super) async fn show(out: Out, hub: &Hub, which: &Which) -> Result<(), Failure> {
    let connection = find(hub, &which.connection).await?;
    let json = describe(hub, &connection).await?;
    let shadow = hub.store.shadow(connection.id).await?;
    let import = hub.store.import(connection.id).await?;
    let registration = hub.store.registration(connection.id).await?.map(RegistrationView::from);
    out.answer(&json, || {
        let mut table = Table::plain();
        table.wide_row(["id".to_owned(), connection.id.to_string()]);
        table.wide_row(["connector".to_owned(), connection.connector.clone()]);
        table.wide_row(["state".to_owned(), state(&connection)]);
        if let Some(import) = &import {
            table.wide_row(["import".to_owned(), format!("{}: {}", import.state, progress(import))]);
        }
        if let Some(stream) = json["stream"].as_object() {
            table.wide_row(["stream".to_owned(), streamed(stream)]);
        }
        if let Some(hold) = json["hold"].as_object() {
            table.wide_row(["held up".to_owned(), held_up(hold)]);
        }
        if let Some(shadow) = &shadow {
            table.wide_row(["other version".to_owned(), shadowed(shadow)]);
        }
        if let Some(quarantine) = json["quarantine"].as_object() {
            table.wide_row(["quarantine".to_owned(), quarantined(quarantine, &connection.connector)]);
        }
        table.wide_row(["address".to_owned(), json["address"].as_str().unwrap_or("none: it does not listen").to_owned()]);
        if let Some(registration) = &registration {
            table.wide_row(["webhook".to_owned(), clean(&registration.words())]);
        }
        table.wide_row([
            "networks".to_owned(),
            if connection.networks.is_empty() { "public only".to_owned() } else { connection.networks.join(", ") },
        ]);
        for (name, title) in
            [("granted_at", "authorised"), ("expires_at", "token ends"), ("renewed_at", "renewed"), ("reason", "last failure")]
        {
            if let Some(text) = json["authorisation"][name].as_str() {
                table.wide_row([title.to_owned(), text.parse().map_or_else(|_| clean(text), time)]);
            }
        }
        let delivery = json["delivery"].as_object().filter(|it| !it.is_empty());
        for (name, value) in delivery.into_iter().flatten() {
            table.wide_row([format!("delivery {name}"), plain(value)]);
        }
        table.wide_row(["made".to_owned(), time(connection.created_at)]);
        table.wide_row(["changed".to_owned(), time(connection.updated_at)]);
        let mut config = Table::plain();
        for (name, value) in connection.config.as_object().into_iter().flatten() {
            config.wide_row([name.clone(), plain(value)]);
        }
        for (name, value) in json["secrets"].as_object().into_iter().flatten() {
            config.wide_row([name.clone(), format!("secret, {}", plain(value))]);
        }
        let differs = shadow
            .filter(|it| !it.seen.differences.is_empty())
            .map(|it| format!("What {} reads differently\n{}", it.read_by, differences(&it.seen.differences).indented().text()));
        format!("{}\n{}Configuration\n{}{}", clean(&connection.name), table.text(), config.text(), differs.unwrap_or_default())
    })
}

/// How a stream stands, in words.
fn streamed(stream: &Map<String, Value>) -> String {
    let at = |name: &str| stream.get(name)?.as_str()?.parse().ok().map(time);
    let mut words = match (at("since"), stream.get("reason").and_then(Value::as_str)) {
        (Some(since), _) => format!("connected since {since}"),
        (None, Some(reason)) => format!("not connected: {}", clean(reason)),
        (None, None) => "not connected".to_owned(),
    };
    if let Some(last) = at("last_frame_at") {
        words = format!("{words}; last frame {last}");
    }
    match stream.get("reconnects").and_then(Value::as_i64) {
        None | Some(0) => words,
        Some(times) => format!("{words}; connected anew {times} times"),
    }
}

/// What holds a connection up, in words.
fn held_up(hold: &Map<String, Value>) -> String {
    let word = |name: &str| hold.get(name).and_then(Value::as_str).unwrap_or_default();
    let until = word("until").parse().map_or_else(|_| word("until").to_owned(), time);
    let reason = clean(word("reason"));
    match word("state") {
        "open" => format!("the vendor seems to be down, next probe {until} ({} failed): {reason}", hold["probes"]),
        "half_open" => format!("the vendor seems to be down, a probe is under way ({} failed): {reason}", hold["probes"]),
        _ => format!("by the vendor until {until}: {reason}"),
    }
}

/// What became of the last other version of its connector, in words.
fn shadowed(it: &ShadowView) -> String {
    let (read, at) = (tally(&it.seen.tally), time(it.at));
    match &it.reason {
        Some(reason) => format!("{} was not taken at {at}: {} ({read})", it.read_by, clean(reason)),
        None => format!("{} was taken at {at} ({read})", it.read_by),
    }
}

/// Why its connector is left alone, in words.
fn quarantined(it: &Map<String, Value>, connector: &str) -> String {
    let word = |name: &str| it.get(name).and_then(Value::as_str).unwrap_or_default();
    let until = word("until").parse().map_or_else(|_| word("until").to_owned(), time);
    let (version, reason) = (clean(word("version")), clean(word("reason")));
    format!(
        "{connector} {version} until {until}, after repeated faults: {reason} (`patchbay connector release {connector}` ends it at once)"
    )
}

pub(super) fn state(connection: &Connection) -> String {
    match &connection.state {
        ConnectionState::Active => "active".to_owned(),
        ConnectionState::Paused => "paused".to_owned(),
        ConnectionState::Broken { reason } => format!("broken: {reason}"),
        ConnectionState::Removed => "removed".to_owned(),
    }
}

/// The connection as the API shows it, with its address, and of its secrets only whether they are set.
pub(super) async fn describe(hub: &Hub, connection: &Connection) -> Result<Value, Failure> {
    let mut json = serde_json::to_value(connection).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    json["address"] = hub.address(connection).map_or(Value::Null, Value::String);
    let hold = hub.store.hold(connection.id).await?.map(HoldView::from);
    json["hold"] = serde_json::to_value(hold).unwrap_or_default();
    let authorisation = hub.store.authorisation(connection.id).await?.map(AuthorisationView::from);
    json["authorisation"] = serde_json::to_value(authorisation).unwrap_or_default();
    let registration = hub.store.registration(connection.id).await?.map(RegistrationView::from);
    json["registration"] = serde_json::to_value(registration).unwrap_or_default();
    json["stream"] = serde_json::to_value(hub.store.stream(connection.id).await?).unwrap_or_default();
    json["import"] = serde_json::to_value(hub.store.import(connection.id).await?).unwrap_or_default();
    let quarantine = hub.store.quarantine(connection.id).await?.map(QuarantineView::from);
    json["quarantine"] = serde_json::to_value(quarantine).unwrap_or_default();
    json["shadow"] = serde_json::to_value(hub.store.shadow(connection.id).await?).unwrap_or_default();
    let set = hub.store.sealed_secrets(connection.id).await?;
    let mut secrets: Map<String, Value> = set.keys().map(|it| (it.clone(), Value::from("set"))).collect();
    if let Ok(artifact) = hub.catalogue.artifact(&connection.connector) {
        for name in artifact.manifest.secrets() {
            secrets.entry(name).or_insert_with(|| "not set".into());
        }
    }
    json["secrets"] = Value::Object(secrets);
    Ok(json)
}
