//! `lead list`, `lead show`

use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, LeadId};
use patchbay_host::store::leads::{LeadFilter, Of};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use super::view;

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
}

impl Leads {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { stage, channel, contact, before, limit } => {
                let filter = LeadFilter { stage, contact, channel };
                list(out, hub, &filter, before, limit).await
            }
            Self::Show { id, limit } => show(out, hub, id, limit).await,
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
                it.next_contact_at.map(time).unwrap_or_default(),
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
    out.answer(&json!({ "lead": view::lead_json(&lead), "timeline": timeline }), || view::lead(&lead, &connection, &timeline))
}
