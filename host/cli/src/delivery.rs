//! `delivery list`, `delivery show`

use std::io::Write as _;

use serde_json::json;

use super::connection::find;
use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use patchbay_host::hub::Hub;
use patchbay_host::ids::DeliveryId;
use patchbay_host::rules::ingest::Outcome;
use patchbay_host::store::deliveries::{DeliveryView, Filter};
use patchbay_host::store::replay::Stored;

#[derive(clap::Subcommand)]
pub enum Deliveries {
    /// List what came in and what became of it, newest first
    List {
        /// Only of this connection (id or name)
        #[arg(long)]
        connection: Option<String>,
        /// Only with this outcome: accepted, duplicate, ignored, refused, dead
        #[arg(long, value_parser = outcome)]
        outcome: Option<Outcome>,
        /// Only older than this one
        #[arg(long, value_name = "DLV_…")]
        before: Option<DeliveryId>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show one: which version of the connector read it, and what it read
    Show {
        /// dlv_…
        id: DeliveryId,
        /// Write the body to stdout, byte for byte, and nothing else
        #[arg(long, conflicts_with = "json")]
        body: bool,
    },
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let known = || Outcome::ALL.map(Outcome::as_str).join(", ");
    Outcome::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| format!("one of {}", known()))
}

impl Deliveries {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { connection, outcome, before, limit } => {
                let connection = match connection {
                    Some(wanted) => Some(find(hub, &wanted).await?.id),
                    None => None,
                };
                let (state, before) = (outcome.map(|it| it.as_str().to_owned()), before.map(|it| it.to_string()));
                let filter = Filter { connection, state, lane: None, before, limit };
                let found = hub.store.deliveries(hub.workspace.id, &filter).await?;
                out.answer(&found, || list(&found).or("no deliveries"))
            }
            Self::Show { id, body } => show(out, hub, id, body).await,
        }
    }
}

fn list(found: &[DeliveryView]) -> Table {
    let mut table = Table::new(["ID", "CONNECTION", "AT", "BY", "BYTES", "OUTCOME", "READ BY", "REASON"]);
    for it in found {
        let (id, connection, version) = (it.id.to_string(), it.connection.to_string(), it.read_by.version.clone());
        let reason = it.reason.clone().unwrap_or_default();
        table.row([id, connection, time(it.received_at), it.origin.clone(), it.size.to_string(), it.outcome.clone(), version, reason]);
    }
    table
}

async fn show(out: Out, hub: &Hub, id: DeliveryId, only_body: bool) -> Result<(), Failure> {
    let (delivery, body) = hub.store.delivery(hub.workspace.id, id).await?.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no delivery {id}")).help("`patchbay delivery list` lists what there is")
    })?;
    if only_body {
        let body = body.ok_or_else(|| {
            let what = format!("the body of {id}, which is {}, is not kept", delivery.outcome);
            Failure::new(Exit::NotFound, what)
                .help("of duplicates and of what holds no event it never is; others end with `retention.deliveries_days`")
        })?;
        return std::io::stdout().write_all(&body).map_err(|error| Failure::io("the body cannot be written", &error));
    }
    let events = hub.store.events_of(delivery.connection, id, &[]).await?;
    let mut json = serde_json::to_value(&delivery).unwrap_or_default();
    json["events"] = events.iter().map(|it| json!({ "id": it.id, "key": it.key, "kind": it.kind, "accepted": it.accepted })).collect();
    out.answer(&json, || {
        let mut table = Table::plain();
        table.wide_row(["connection".to_owned(), delivery.connection.to_string()]);
        table.wide_row(["at".to_owned(), time(delivery.received_at)]);
        table.wide_row(["by".to_owned(), format!("{}, {} bytes", delivery.origin, delivery.size)]);
        table.wide_row(["outcome".to_owned(), delivery.outcome.clone()]);
        table.wide_row(["read by".to_owned(), delivery.read_by.to_string()]);
        if let Some(reason) = &delivery.reason {
            table.wide_row(["reason".to_owned(), reason.clone()]);
        }
        format!("{id}\n{}Events\n{}", table.text(), told(&events))
    })
}

fn told(events: &[Stored]) -> String {
    let mut table = Table::new(["ID", "KIND", "KEY", "STATE"]).indented();
    for it in events {
        let state = if it.accepted { "accepted" } else { "dead" };
        table.wide_row([it.id.to_string(), it.kind.clone(), it.key.clone(), state.to_owned()]);
    }
    table.or("  none")
}
