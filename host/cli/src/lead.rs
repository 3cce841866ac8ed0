//! `lead list`, `lead show`

use patchbay_schemas::{Stage, Timestamp};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::mapping::shown;
use super::output::{Out, Table, clean, time};
use super::view;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, LeadId};
use patchbay_host::store::leads::{LeadFilter, Of};
use patchbay_host::store::outbox::RecordOf;
use patchbay_host::store::stages::due_at;

#[derive(clap::Subcommand)]
pub enum Leads {
    /// List leads, newest first
    List {
        /// Only in this stage
        #[arg(long, value_parser = ["interest", "lead", "client", "refused"])]
        stage: Option<String>,
        /// Only from this medium: telegram, form
        #[arg(long)]
        channel: Option<String>,
        /// Only of this person
        #[arg(long, value_name = "CON_…")]
        contact: Option<ContactId>,
        /// Only those of whose person somebody was to speak with by now: refused ones on the date to come back to them
        #[arg(long)]
        due: bool,
        /// Only older than this one
        #[arg(long, value_name = "LEAD_…")]
        before: Option<LeadId>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show a lead with its person and its timeline
    Show {
        /// lead_…
        id: LeadId,
        /// At most so many interactions, the newest
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show why each interaction belongs to a lead, and the person's leads before and after it
    Why {
        /// lead_…
        id: LeadId,
    },
    /// Put a lead into a stage: converted to a client, refused, or open again; the CRMs are told
    Stage {
        /// lead_…
        id: LeadId,
        /// The stage
        #[arg(value_enum)]
        stage: To,
        /// Why it was refused
        #[arg(long, required_if_eq("stage", "refused"))]
        reason: Option<String>,
        /// When to come back to a refused lead: 2026-12-01 or 2026-12-01T09:00:00+03:00; then it is due again
        #[arg(long = "return", value_name = "DATE")]
        return_at: Option<Date>,
    },
}

/// A stage as it is typed.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum To {
    Lead,
    Client,
    Refused,
}

/// A day, at its beginning in UTC, or a time.
#[derive(Clone, Copy)]
pub struct Date(pub Timestamp);

impl std::str::FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|it| it.timestamp());
        let at = text.parse::<Timestamp>().ok().or_else(day);
        at.map(Self).ok_or_else(|| "a date such as 2026-12-01, or a time such as 2026-12-01T09:00:00+03:00".to_owned())
    }
}

impl Leads {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { stage, channel, contact, due, before, limit } => {
                let filter = LeadFilter { stage, contact, channel, due_by: due.then(|| hub.store.clock.now()) };
                list(out, hub, &filter, before, limit).await
            }
            Self::Show { id, limit } => show(out, hub, id, limit).await,
            Self::Why { id } => why(out, hub, id).await,
            Self::Stage { id, stage, reason, return_at } => {
                let stage = match stage {
                    To::Lead => Stage::Lead,
                    To::Client => Stage::Client,
                    To::Refused => Stage::Refused { reason, return_at: return_at.map(|Date(it)| it) },
                };
                let lead = hub.set_stage(hub.workspace.id, id, stage).await?;
                let due = due_at(&lead).map(|it| format!(", due {}", time(it))).unwrap_or_default();
                out.answer(&view::lead_json(&lead), || format!("{}: {}{due}\n", lead.id, lead.stage.name()))
            }
        }
    }
}

async fn list(out: Out, hub: &Hub, filter: &LeadFilter, before: Option<LeadId>, limit: i64) -> Result<(), Failure> {
    let leads = hub.store.leads(hub.workspace.id, filter, before, limit).await?;
    let json: Vec<Value> = leads.iter().map(view::lead_json).collect();
    out.answer(&json, || {
        let mut table = Table::new(["ID", "STAGE", "PERSON", "REACHED BY", "CHANNEL", "RESPONSIBLE", "NEXT CONTACT", "OPENED", "FAULTS"]);
        for it in &leads {
            table.row([
                it.id.clone(),
                it.stage.name().to_owned(),
                view::name(&it.contact),
                view::reach(&it.contact),
                it.source.channel.clone(),
                it.responsible.as_ref().map(|it| it.name.clone()).unwrap_or_default(),
                due_at(it).map(time).unwrap_or_default(),
                time(it.created_at),
                view::faults(it).join(", "),
            ]);
        }
        table.or("no leads yet: `patchbay demo` plays some")
    })?;
    if let Some(last) = leads.last()
        && i64::try_from(leads.len()).is_ok_and(|it| it == limit)
    {
        out.note(format!("there may be more: --before {}", last.id));
    }
    Ok(())
}

/// Shows a lead.
pub async fn show(out: Out, hub: &Hub, id: LeadId, limit: i64) -> Result<(), Failure> {
    let workspace = hub.workspace.id;
    let Some(lead) = hub.store.lead(workspace, id).await? else {
        return Err(Failure::new(Exit::NotFound, format!("there is no lead {id}")).help("`patchbay lead list` lists them"));
    };
    let timeline = hub.store.interactions(workspace, Of::Lead(id), None, limit).await?;
    let connection = match lead.source.connection.parse() {
        Ok(connection) => hub.store.connection(workspace, connection).await?.map(|it| it.name),
        Err(_) => None,
    };
    let connection = connection.unwrap_or_else(|| lead.source.connection.clone());
    let kept = hub.store.records_of(workspace, id).await?;
    let json = json!({ "lead": view::lead_json(&lead), "records": kept, "timeline": timeline });
    out.answer(&json, || view::lead(&lead, &connection, &timeline) + &records(&kept))
}

/// The records of a lead, line by line.
fn records(records: &[RecordOf]) -> String {
    let line = |it: &RecordOf| {
        let state =
            it.deleted_at.map(|at| format!(": deleted there, as told {}; a new one is made when the person writes or calls", time(at)));
        format!("  record {} in {}{}\n", clean(&it.id), clean(&it.connection), state.unwrap_or_default())
    };
    records.iter().map(line).collect()
}

async fn why(out: Out, hub: &Hub, id: LeadId) -> Result<(), Failure> {
    let why = hub.lead_why(hub.workspace.id, id).await?;
    out.answer(&why, || {
        let mut text = format!("Lead {}, {} since {}\n", why.lead.id, why.lead.stage.name(), time(why.stage_at));
        let due = why.due_at.map_or_else(|| "nobody is to speak with the person".to_owned(), |it| format!("due {}", time(it)));
        text += &format!("  {due}\n");
        if let Some(form) = &why.form {
            text += &format!("  opened by the form {}\n", clean(form));
        }
        for (word, other) in [("after", &why.earlier), ("before", &why.later)] {
            if let Some(it) = other {
                text += &format!("  {word} {}, {} since {}\n", it.id, it.stage, time(it.stage_at));
            }
        }
        text += &records(&why.records);
        let mut table = Table::new(["WHEN", "KIND", "FROM", "DID", "BY"]);
        for it in why.interactions.iter().rev() {
            let by = it
                .rule
                .clone()
                .unwrap_or_else(|| if it.placed.is_some() { "what holds without rules" } else { "merge or unmerge" }.to_owned());
            table.wide_row([time(it.at), it.kind.clone(), it.connection.clone(), it.placed.unwrap_or("brought here").to_owned(), by]);
        }
        text += "\n";
        text += &table.text();
        if !why.said.is_empty() {
            let mut said = Table::new(["FIELD", "SAID", "BY", "WHEN"]);
            for it in &why.said {
                said.row([it.field.as_str().to_owned(), clean(&shown(&it.value)), clean(&it.source), time(it.at)]);
            }
            text += "\n";
            text += &said.text();
        }
        text
    })
}
