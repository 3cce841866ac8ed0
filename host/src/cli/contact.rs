//! `contact list`, `contact show`, `contact why`, `contact merge`, `contact unmerge`, `contact duplicates`, `contact answer`

use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, QuestionId};
use patchbay_host::people::Answer;
use patchbay_host::rules::identity::{Heard, normalise};
use patchbay_host::store::leads::{LeadFilter, Of};
use patchbay_schemas::Identity;
use patchbay_schemas::manifest::HandleScope;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Out, Table, clean, time};
use super::view;

#[derive(clap::Subcommand)]
pub enum Contacts {
    /// List people, newest first
    List {
        /// Only who has this phone or e-mail address, in any spelling, or this account (telegram:1111111)
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
    /// Show who said what of a person and when, and why all of it is one
    Why {
        /// con_…
        id: ContactId,
    },
    /// Say that two contacts are one person, whatever the rules find
    Merge {
        /// con_…
        one: ContactId,
        /// con_…
        other: ContactId,
    },
    /// List pairs of people who may be one, side by side, newest first
    Duplicates {
        /// Only in this state
        #[arg(long, default_value = "open", value_parser = ["open", "yes", "no", "never"])]
        state: String,
        /// Only older than this one
        #[arg(long, value_name = "QST_…")]
        before: Option<QuestionId>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Answer whether a pair is one person
    Answer {
        /// qst_…
        id: QuestionId,
        /// yes: one person; no: two; never: two, and do not ask about them again
        #[arg(value_enum)]
        answer: Said,
    },
    /// Take a contact out of the person that it is shown as; no rule joins them again
    Unmerge {
        /// con_…, as `contact why` names it
        id: ContactId,
    },
}

/// An answer as it is typed.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Said {
    Yes,
    No,
    Never,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Yes => Self::Yes,
            Said::No => Self::No,
            Said::Never => Self::Never,
        }
    }
}

/// Who decides what is decided here.
const AUTHOR: &str = "command line";

impl Contacts {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { search, before, limit } => list(out, hub, search.as_deref(), before, limit).await,
            Self::Show { id, limit } => show(out, hub, id, limit).await,
            Self::Why { id } => why(out, hub, id).await,
            Self::Merge { one, other } => {
                let shown = hub.merge_contacts(hub.workspace.id, (one, other), AUTHOR).await?;
                out.answer(&json!({ "contact": shown }), || format!("one person from now on: {shown}\n"))
            }
            Self::Duplicates { state, before, limit } => duplicates(out, hub, &state, before, limit).await,
            Self::Answer { id, answer } => {
                let question = hub.answer(hub.workspace.id, id, answer.into(), AUTHOR).await?;
                out.answer(&question, || format!("{}: {}\n", question.id, question.state))
            }
            Self::Unmerge { id } => {
                let shown = hub.unmerge_contact(hub.workspace.id, id, AUTHOR).await?;
                let told: Vec<String> = shown.iter().map(ToString::to_string).collect();
                out.answer(&json!({ "contacts": shown }), || format!("two people from now on: {}\n", told.join(", ")))
            }
        }
    }
}

async fn list(out: Out, hub: &Hub, search: Option<&str>, before: Option<ContactId>, limit: i64) -> Result<(), Failure> {
    let wanted = search.map(|it| one_form(it, &hub.workspace.region));
    let contacts = hub.store.contacts(hub.workspace.id, wanted.as_deref(), before, limit).await?;
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

/// What is looked for, as it is stored: a phone or an address in its one form, anything else as it is.
fn one_form(search: &str, region: &str) -> String {
    let heard = Heard { region, connector: "", connection: "", handles: HandleScope::Vendor };
    let identity = if search.contains('@') { Identity::email(search) } else { Identity::phone(search) };
    normalise(&identity, heard).map_or_else(|| search.trim().to_owned(), |it| it.key.value)
}

async fn duplicates(out: Out, hub: &Hub, state: &str, before: Option<QuestionId>, limit: i64) -> Result<(), Failure> {
    let questions = hub.store.questions(hub.workspace.id, state, before, limit).await?;
    out.answer(&questions, || {
        let mut text = String::new();
        for it in &questions {
            let mut pair = Table::plain();
            for contact in [&it.one, &it.other] {
                let known: Vec<&str> = contact.identities.iter().map(|it| it.value.as_str()).collect();
                pair.wide_row([contact.id.clone(), view::name(contact), known.join(", "), contact.city.clone().unwrap_or_default()]);
            }
            let told: Vec<String> = it.reasons.iter().map(|it| it.words.clone()).collect();
            text += &format!("{} ({}, {:+.1} bits): {}\n{}\n", it.id, it.state, bits(it.bits), told.join("; "), pair.indented().text());
        }
        if text.is_empty() { "nobody is to be asked about\n".to_owned() } else { text }
    })?;
    if let Some(last) = questions.last()
        && i64::try_from(questions.len()).is_ok_and(|it| it == limit)
    {
        out.note(format!("there may be more: --before {}", last.id));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen bits")]
fn bits(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

async fn why(out: Out, hub: &Hub, id: ContactId) -> Result<(), Failure> {
    let why = hub.why(hub.workspace.id, id).await?;
    out.answer(&why, || {
        let mut said = Table::new(["CONTACT", "SAID", "BY", "NAME", "KNOWN BY"]);
        for it in &why.sources {
            let known: Vec<&str> = it.identities.iter().map(|it| it.value.as_str()).collect();
            said.wide_row([
                it.id.to_string(),
                time(it.said_at),
                it.connection.clone(),
                it.name.clone().unwrap_or_default(),
                known.join(", "),
            ]);
        }
        let mut text = format!("{}\n{}", view::contact(&why.contact), said.text());
        for it in &why.merges {
            text += &format!("\n{} was joined to {}, {}, by {}\n", it.from, it.into, time(it.at), clean(&it.author));
            for reason in &it.reasons {
                let bits = if reason.milli == 0 { String::new() } else { format!(" ({:+.1} bits)", f64::from(reason.milli) / 1000.0) };
                text += &format!("  {}{bits}\n", reason.words);
            }
            if let (Some(at), Some(by)) = (it.undone_at, &it.undone_by) {
                text += &format!("  taken back {} by {}\n", time(at), clean(by));
            }
        }
        for it in &why.apart {
            text += &format!("\nsomebody said that {it} is another person\n");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_looked_for_in_any_spelling() {
        for (search, is) in
            [("8 (912) 345-67-89", "+79123456789"), ("An.Na@GoogleMail.com", "anna@gmail.com"), (" telegram:42 ", "telegram:42")]
        {
            assert_eq!(one_form(search, "RU"), is, "{search}");
        }
    }
}
