//! `dead list`, `dead redrive`

use patchbay_host::hub::Hub;
use patchbay_host::store::dead::{DeadLetter, Place};
use serde_json::{Value, json};

use super::connection::find;
use super::failure::Failure;
use super::output::{Out, Table, time};
use super::view::count;

/// Dead letters that are looked at in one go.
const PAGE: i64 = 500;

#[derive(clap::Subcommand)]
pub enum Dead {
    /// List what stopped and why, newest first
    List {
        /// Only of this connection (id or name)
        #[arg(long)]
        connection: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Try dead letters again
    Redrive {
        /// dlv_…, evt_… or out_…
        #[arg(required_unless_present = "all", conflicts_with_all = ["all", "connection"])]
        ids: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// With --all: only of this connection (id or name)
        #[arg(long, requires = "all")]
        connection: Option<String>,
        /// Only show what would be tried
        #[arg(long)]
        dry_run: bool,
    },
}

impl Dead {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { connection, limit } => list(out, hub, connection.as_deref(), limit).await,
            Self::Redrive { ids, connection, dry_run, .. } => {
                let ids = if ids.is_empty() { all(hub, connection.as_deref()).await? } else { ids };
                redrive(out, hub, &ids, dry_run).await
            }
        }
    }
}

async fn list(out: Out, hub: &Hub, connection: Option<&str>, limit: i64) -> Result<(), Failure> {
    let connection = match connection {
        Some(wanted) => Some(find(hub, wanted).await?.id),
        None => None,
    };
    let letters = hub.store.dead_letters(hub.workspace.id, connection, None, limit).await?;
    out.answer(&letters, || {
        let mut table = Table::new(["ID", "WHAT", "KIND", "CONNECTION", "AT", "REASON"]);
        for it in &letters {
            table.wide_row([it.id.clone(), it.what.clone(), it.kind.clone(), it.connection.to_string(), time(it.at), it.reason.clone()]);
        }
        table.or("no dead letters")
    })
}

/// The ids of all dead letters, oldest first: what came first is tried first.
async fn all(hub: &Hub, connection: Option<&str>) -> Result<Vec<String>, Failure> {
    let connection = match connection {
        Some(wanted) => Some(find(hub, wanted).await?.id),
        None => None,
    };
    let mut letters: Vec<DeadLetter> = Vec::new();
    loop {
        let before = letters.last().map(|it| Place { at: it.at.as_millisecond(), id: it.id.clone() });
        let page = hub.store.dead_letters(hub.workspace.id, connection, before, PAGE).await?;
        let is_last = i64::try_from(page.len()).is_ok_and(|it| it < PAGE);
        letters.extend(page);
        if is_last {
            break;
        }
    }
    Ok(letters.into_iter().rev().map(|it| it.id).collect())
}

async fn redrive(out: Out, hub: &Hub, ids: &[String], dry_run: bool) -> Result<(), Failure> {
    if dry_run {
        let json: Vec<Value> = ids.iter().map(|it| json!({ "id": it, "now": "dead" })).collect();
        return out.answer(&json, || format!("{} would be tried again\n{}", count(ids.len(), "dead letter"), lines(ids)));
    }
    let (mut redriven, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        match hub.redrive(hub.workspace.id, id).await {
            Ok(it) => redriven.push(it),
            Err(error) => failures.push((id, Failure::from(error))),
        }
    }
    out.answer(&redriven, || {
        let mut table = Table::new(["ID", "NOW"]);
        for it in &redriven {
            table.row([it.id.clone(), it.now.clone()]);
        }
        table.or(if ids.is_empty() { "no dead letters" } else { "none was tried again" })
    })?;
    let Some((_, first)) = failures.first() else { return Ok(()) };
    let exit = first.exit;
    let told: Vec<String> = failures.iter().map(|(id, failure)| format!("{id}: {}", failure.what)).collect();
    let what = if told.len() == 1 {
        told.concat()
    } else {
        format!("{} were not tried again\n{}", count(told.len(), "dead letter"), lines(&told).trim_end())
    };
    Err(Failure::new(exit, what).help("`patchbay dead list` lists what there is, with reasons"))
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|it| ["  ", it, "\n"]).collect()
}
