//! `dead list`, `dead show`, `dead redrive`

use std::str::FromStr;

use patchbay_schemas::Timestamp;
use serde_json::{Value, json};

use super::connection::find;
use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use super::view::count;
use patchbay_host::hub::Hub;
use patchbay_host::ids::OutboxId;
use patchbay_host::store::connections::ConnectionState;
use patchbay_host::store::dead::{DeadFilter, DeadLetter};

/// Most tries of one command that are shown.
const TRIES: i64 = 50;
/// Dead letters that are looked at in one go.
const PAGE: i64 = 500;

#[derive(clap::Subcommand)]
pub enum Dead {
    /// List what stopped and why, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show one: why it stopped, what its tries were answered, what a redrive would send
    Show {
        /// dlv_…, evt_… or out_…
        id: String,
    },
    /// Try dead letters again: those that are named, or all that fit
    Redrive {
        /// dlv_…, evt_… or out_…
        #[arg(conflicts_with_all = ["all", "connection", "kind", "code", "since", "until"])]
        ids: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        which: Which,
        /// Only show what would happen
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters.
#[derive(clap::Args)]
pub struct Which {
    /// Only of this connection (id or name)
    #[arg(long)]
    connection: Option<String>,
    /// Only this kind of event or command: lead.upsert
    #[arg(long)]
    kind: Option<String>,
    /// Only whose reason begins so: vendor.http
    #[arg(long)]
    code: Option<String>,
    /// Only from this time on: 2026-03-14T09:00:00Z, or so long ago: 30m, 6h, 2d
    #[arg(long)]
    since: Option<When>,
    /// Only before this time, in the same way
    #[arg(long)]
    until: Option<When>,
}

/// A time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    Ago { ms: i64 },
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let unit = match text.chars().last() {
            Some('s') => 1_000,
            Some('m') => 60_000,
            Some('h') => 3_600_000,
            Some('d') => 86_400_000,
            _ => 0,
        };
        let number = text.get(..text.len().saturating_sub(1)).and_then(|it| it.parse::<u32>().ok()).filter(|_| unit > 0);
        let number = number.ok_or("write a time as 2026-03-14T09:00:00Z, or how long ago as 30m, 6h or 2d")?;
        Ok(Self::Ago { ms: i64::from(number) * unit })
    }
}

impl When {
    pub fn ms(self, now: i64) -> i64 {
        match self {
            Self::At(at) => at.as_millisecond(),
            Self::Ago { ms } => now - ms,
        }
    }
}

impl Which {
    fn is_everything(&self) -> bool {
        self.connection.is_none() && self.kind.is_none() && self.code.is_none() && self.since.is_none() && self.until.is_none()
    }

    async fn filter(&self, hub: &Hub) -> Result<DeadFilter, Failure> {
        let connection = match &self.connection {
            Some(wanted) => Some(find(hub, wanted).await?.id),
            None => None,
        };
        let now = hub.store.clock.now_ms();
        let (since, until) = (self.since.map(|it| it.ms(now)), self.until.map(|it| it.ms(now)));
        Ok(DeadFilter { connection, what: None, kind: self.kind.clone(), code: self.code.clone(), since, until })
    }
}

impl Dead {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { which, limit } => list(out, hub, &which.filter(hub).await?, limit).await,
            Self::Show { id } => show(out, hub, &id).await,
            Self::Redrive { ids, all, which, dry_run } => {
                if ids.is_empty() && !all && which.is_everything() {
                    return Err(Failure::new(Exit::Usage, "which dead letters?")
                        .help("name them, or say --all, or choose by --connection, --kind, --code, --since and --until"));
                }
                let letters = if ids.is_empty() { wanted(hub, &which.filter(hub).await?).await? } else { named(hub, &ids).await? };
                if dry_run { foretell(out, hub, &letters).await } else { redrive(out, hub, &letters).await }
            }
        }
    }
}

async fn list(out: Out, hub: &Hub, filter: &DeadFilter, limit: i64) -> Result<(), Failure> {
    let letters = hub.store.dead_letters(hub.workspace.id, filter, None, limit).await?;
    out.answer(&letters, || {
        let mut table = Table::new(["ID", "WHAT", "KIND", "CONNECTION", "AT", "READ BY", "REASON"]);
        for it in &letters {
            let (connection, version) = (it.connection.to_string(), it.read_by.as_ref().map(|it| it.version.clone()));
            let version = version.unwrap_or_default();
            table.wide_row([it.id.clone(), it.what.clone(), it.kind.clone(), connection, time(it.at), version, it.reason.clone()]);
        }
        table.or("no dead letters")
    })
}

async fn one(hub: &Hub, id: &str) -> Result<Option<DeadLetter>, Failure> {
    Ok(hub.store.dead_letter(hub.workspace.id, id).await?)
}

async fn show(out: Out, hub: &Hub, id: &str) -> Result<(), Failure> {
    let letter = one(hub, id).await?.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no dead letter {id}")).help("`patchbay dead list` lists what there is")
    })?;
    let command = id.parse::<OutboxId>().ok();
    let (payload, tries) = match command {
        Some(command) => (hub.command_now(hub.workspace.id, command).await?, hub.store.attempts(hub.workspace.id, command, TRIES).await?),
        None => (None, Vec::new()),
    };
    let mut json = serde_json::to_value(&letter).unwrap_or_default();
    json["tries"] = serde_json::to_value(&tries).unwrap_or_default();
    json["payload"] = payload.clone().unwrap_or_default();
    out.answer(&json, || {
        let mut table = Table::plain();
        table.wide_row(["what".to_owned(), format!("{} {}", letter.what, letter.kind)]);
        table.wide_row(["connection".to_owned(), letter.connection.to_string()]);
        table.wide_row(["at".to_owned(), time(letter.at)]);
        table.wide_row(["reason".to_owned(), letter.reason.clone()]);
        if let Some(read_by) = &letter.read_by {
            table.wide_row(["read by".to_owned(), read_by.to_string()]);
        }
        for it in &tries {
            let said = [it.code.as_deref(), it.message.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
            table.wide_row([format!("try {}", time(it.at)), format!("{}, {} ms: {said}", it.result, it.took_ms)]);
        }
        let sent = payload.map(|it| format!("A redrive would send\n{it:#}\n")).unwrap_or_default();
        format!("{}\n{}{sent}", letter.id, table.text())
    })
}

/// All dead letters that fit, oldest first: what came first is tried first.
async fn wanted(hub: &Hub, filter: &DeadFilter) -> Result<Vec<DeadLetter>, Failure> {
    let mut letters: Vec<DeadLetter> = Vec::new();
    loop {
        let before = letters.last().map(DeadLetter::place);
        let page = hub.store.dead_letters(hub.workspace.id, filter, before, PAGE).await?;
        let is_last = i64::try_from(page.len()).is_ok_and(|it| it < PAGE);
        letters.extend(page);
        if is_last {
            break;
        }
    }
    letters.reverse();
    Ok(letters)
}

async fn named(hub: &Hub, ids: &[String]) -> Result<Vec<DeadLetter>, Failure> {
    let mut letters = Vec::with_capacity(ids.len());
    for id in ids {
        let found = one(hub, id).await?;
        letters.push(found.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no dead letter {id}; nothing was tried again"))
                .help("`patchbay dead list` lists what there is")
        })?);
    }
    Ok(letters)
}

/// What a redrive would do, without doing it.
async fn foretell(out: Out, hub: &Hub, letters: &[DeadLetter]) -> Result<(), Failure> {
    let connections = super::connection::all(hub).await?;
    let then = |it: &DeadLetter| match connections.iter().find(|other| other.id == it.connection).map(|it| &it.state) {
        None => "refused: its connection was removed",
        Some(ConnectionState::Active) if it.what == "command" => "sent at once, in the order of its lane",
        Some(_) if it.what == "command" => "put back into its lane, and sent when the connection goes on",
        Some(_) => "read by the connector once more",
    };
    let json: Vec<Value> = letters.iter().map(|it| json!({ "id": it.id, "now": "dead", "then": then(it), "letter": it })).collect();
    out.answer(&json, || {
        let mut table = Table::new(["ID", "KIND", "AT", "REASON", "THEN"]);
        for it in letters {
            table.wide_row([it.id.clone(), it.kind.clone(), time(it.at), it.reason.clone(), then(it).to_owned()]);
        }
        format!("{} would be tried again\n{}", count(letters.len(), "dead letter"), table.text())
    })
}

async fn redrive(out: Out, hub: &Hub, letters: &[DeadLetter]) -> Result<(), Failure> {
    let (mut redriven, mut failures) = (Vec::new(), Vec::new());
    for DeadLetter { id, .. } in letters {
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
        table.or(if letters.is_empty() { "no dead letters" } else { "none was tried again" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        assert_eq!("1970-01-01T00:00:05Z".parse::<When>().unwrap().ms(0), 5_000);
        assert_eq!(
            ["90s", "30m", "6h", "2d"].map(|it| it.parse::<When>().unwrap().ms(172_800_000)),
            [172_710_000, 171_000_000, 151_200_000, 0]
        );
        for wrong in ["", "h", "6", "-6h", "6 hours", "2026-03-14"] {
            assert!(wrong.parse::<When>().unwrap_err().contains("30m"), "{wrong}");
        }
    }
}
