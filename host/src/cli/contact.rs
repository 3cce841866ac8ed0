//! `contact list`, `contact show`

use patchbay_host::hub::Hub;
use patchbay_host::ids::ContactId;
use patchbay_host::store::leads::{LeadFilter, Of};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use super::view;

#[derive(clap::Subcommand)]
pub enum Contacts {
    /// List people, newest first
    List {
        /// Only who has this phone (+79123456789), e-mail or account
        #[arg(long)]
        search: Option<String>,
        /// Only older than this one
        #[arg(long, value_name = "CON_…")]
        before: Option<ContactId>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show a person with their leads and everything that was said
    Show {
        /// con_…
        id: ContactId,
        /// At most so many interactions, the newest
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

impl Contacts {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { search, before, limit } => list(out, hub, search.as_deref(), before, limit).await,
            Self::Show { id, limit } => show(out, hub, id, limit).await,
        }
    }
}

async fn list(out: Out, hub: &Hub, search: Option<&str>, before: Option<ContactId>, limit: i64) -> Result<(), Failure> {
    let contacts = hub.store.contacts(hub.workspace.id, search, before, limit).await?;
    out.answer(&contacts, || {
        let mut table = Table::new(["ID", "NAME", "KNOWN BY", "SINCE"]);
        for it in &contacts {
            let known: Vec<&str> = it.identities.iter().map(|it| it.value.as_str()).collect();
            table.row([it.id.clone(), view::name(it), known.join(", "), time(it.created_at)]);
        }
        table.or(if search.is_some() { "nobody is known by that" } else { "no contacts yet" })
    })?;
    if let Some(last) = contacts.last()
        && i64::try_from(contacts.len()).is_ok_and(|it| it == limit)
    {
        out.note(format!("there may be more: --before {}", last.id));
    }
    Ok(())
}

async fn show(out: Out, hub: &Hub, id: ContactId, limit: i64) -> Result<(), Failure> {
    let workspace = hub.workspace.id;
    let Some(contact) = hub.store.contact(workspace, id).await? else {
        return Err(Failure::new(Exit::NotFound, format!("there is no contact {id}")).help("`patchbay contact list` lists them"));
    };
    let filter = LeadFilter { contact: contact.id.parse().ok(), ..LeadFilter::default() };
    let leads = hub.store.leads(workspace, &filter, None, 1_000).await?;
    let timeline = hub.store.interactions(workspace, Of::Contact(filter.contact.unwrap_or(id)), None, limit).await?;
    let leads_json: Vec<Value> = leads.iter().map(view::lead_json).collect();
    out.answer(&json!({ "contact": contact, "leads": leads_json, "timeline": timeline }), || {
        let mut table = Table::plain();
        for it in &leads {
            table.row([it.id.clone(), it.stage.name().to_owned(), it.title.clone(), time(it.created_at)]);
        }
        format!("{}\nLeads, {}\n{}\n{}", view::contact(&contact), view::count(leads.len(), "lead"), table.text(), view::timeline(&timeline))
    })
}
