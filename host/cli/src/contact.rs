//! `contact list`, `contact show`, `contact why`, `contact merge`, `contact unmerge`, `contact duplicates`, `contact answer`

mod weights;

use patchbay_schemas::Identity;
use patchbay_schemas::manifest::HandleScope;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Out, Table, clean, confirm, print, time};
use super::view;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, QuestionId};
use patchbay_host::people::Answer;
use patchbay_host::rules::identity::{Heard, normalise};
use patchbay_host::rules::survivorship::Shown;
use patchbay_host::store::leads::{LeadFilter, Of};
use patchbay_host::store::people::{Erasure, Files};

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
    /// Say by hand what is shown of a person, whatever sources say
    #[command(visible_alias = "set")]
    Pin {
        /// con_…
        id: ContactId,
        /// name, company, city or language, and its value: name="Anna Petrova"
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<Pinned>,
        /// What is set by hand is pinned anyway
        #[arg(long, hide = true)]
        pin: bool,
    },
    /// Let sources decide again what is shown of a person
    Unpin {
        /// con_…
        id: ContactId,
        /// name, company, city or language
        #[arg(required = true, value_parser = ["name", "company", "city", "language"])]
        fields: Vec<String>,
    },
    /// Write everything about one person to a JSON file
    Export {
        /// con_…
        id: ContactId,
        /// Where to; `-`: to stdout
        #[arg(long, value_name = "FILE", default_value = "-")]
        to: std::path::PathBuf,
    },
    /// Erase one person everywhere in the hub, raw payloads too; it cannot be taken back
    Erase {
        /// con_…
        id: ContactId,
        /// Only say what would be erased
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show how much each agreement says when people are compared, or have it follow the people who are here
    Weights {
        #[command(flatten)]
        wish: weights::Wish,
    },
    /// Take a contact out of the person that it is shown as; no rule joins them again
    Unmerge {
        /// con_…, as `contact why` names it
        id: ContactId,
    },
}

/// A field with its value as it is typed.
#[derive(Clone)]
pub struct Pinned(Shown, String);

impl std::str::FromStr for Pinned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or("a field and its value: name=\"Anna Petrova\"")?;
        let field = Shown::parse(field).ok_or_else(|| format!("`{field}` is none of name, company, city, language"))?;
        Ok(Self(field, value.to_owned()))
    }
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

impl Contacts {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List { search, before, limit } => list(out, hub, search.as_deref(), before, limit).await,
            Self::Show { id, limit } => show(out, hub, id, limit).await,
            Self::Why { id } => why(out, hub, id).await,
            Self::Merge { one, other } => {
                let shown = hub.merge_contacts(hub.workspace.id, (one, other), &hub.author).await?;
                out.answer(&json!({ "contact": shown }), || format!("one person from now on: {shown}\n"))
            }
            Self::Pin { id, fields, pin: _ } => {
                let fields: Vec<_> = fields.into_iter().map(|Pinned(field, value)| (field, Some(value))).collect();
                let why = hub.pin(hub.workspace.id, id, &fields, &hub.author).await?;
                out.answer(&why, || view::contact(&why.contact))
            }
            Self::Unpin { id, fields } => {
                let fields: Vec<_> = fields.iter().filter_map(|it| Some((Shown::parse(it)?, None))).collect();
                let why = hub.pin(hub.workspace.id, id, &fields, &hub.author).await?;
                out.answer(&why, || view::contact(&why.contact))
            }
            Self::Export { id, to } => export(hub, id, &to).await,
            Self::Erase { id, dry_run, yes } => erase(out, hub, id, dry_run, yes).await,
            Self::Duplicates { state, before, limit } => duplicates(out, hub, &state, before, limit).await,
            Self::Answer { id, answer } => {
                let question = hub.answer(hub.workspace.id, id, answer.into(), &hub.author).await?;
                out.answer(&question, || format!("{}: {}\n", question.id, question.state))
            }
            Self::Weights { wish } => weights::run(out, hub, wish).await,
            Self::Unmerge { id } => {
                let shown = hub.unmerge_contact(hub.workspace.id, id, &hub.author).await?;
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

async fn export(hub: &Hub, id: ContactId, to: &std::path::Path) -> Result<(), Failure> {
    let dossier = hub.dossier(hub.workspace.id, id).await?;
    let text = serde_json::to_string_pretty(&dossier).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))? + "\n";
    if to.as_os_str() == "-" {
        return print(&text);
    }
    // It holds everything about somebody: nobody else on this machine need read it.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(to).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::io(format!("{} cannot be written", to.display()), &error))
}

async fn erase(out: Out, hub: &Hub, id: ContactId, dry_run: bool, yes: bool) -> Result<(), Failure> {
    let would = hub.erasure(hub.workspace.id, id).await?;
    if dry_run {
        return out.answer(&would, || format!("Would be erased:\n{}", erasure(&would)));
    }
    if !yes {
        out.note(erasure(&would));
        if !confirm(&format!("Erase {id} for ever?"))? {
            return Err(
                Failure::new(Exit::Refused, "nothing was erased").help("--yes erases without a question, --dry-run says what would go")
            );
        }
    }
    let done = hub.erase_contact(hub.workspace.id, id, &hub.author).await?;
    out.answer(&done, || {
        let files = match done.files {
            Files::Clean => "the database's files were searched and hold nothing of it",
            Files::Found => {
                "the same text still stands in the database's files: in other people's records, or in a log that another process keeps open"
            }
            Files::Vacuumed => "dead rows were vacuumed; the server's log and backups are for you to rotate",
        };
        format!("Erased ({}):\n{}\n  {files}\n", done.audit, erasure(&done.erasure))
    })?;
    out.note("Copies and backups of the database still hold the person.");
    Ok(())
}

fn erasure(it: &Erasure) -> String {
    let mut table = Table::plain();
    for (what, count) in [
        ("contacts", it.contacts),
        ("leads", it.leads),
        ("conversations", it.conversations),
        ("interactions", it.interactions),
        ("events", it.events),
        ("raw deliveries", it.deliveries),
        ("of these, with other people's events, which stay", it.shared_deliveries),
        ("commands", it.commands),
        ("what connectors remembered", it.state),
    ] {
        table.row([what.to_owned(), count.to_string()]);
    }
    let mut text = table.text();
    for it in &it.named {
        text += &format!("  ! {it} holds the same name and nothing else of the person: look at it, it stays\n");
    }
    for it in it.remote.iter().filter(|it| ["lead", "person"].contains(&it.kind.as_str())) {
        let what = if it.kind == "lead" { "record" } else { "contact" };
        text += &format!("  ! {} ({}) keeps the {what} {}: erase it there\n", clean(&it.connection), it.connector, clean(&it.id));
    }
    let notes = it.remote.iter().filter(|it| !["lead", "person"].contains(&it.kind.as_str())).count();
    if notes > 0 {
        text += &format!("  ! notes and messages of the person in CRMs and messengers: {notes} (--json names them)\n");
    }
    text
}

/// What is looked for, as it is stored: a phone or an address in its one form, anything else as it is.
fn one_form(search: &str, region: &str) -> String {
    let heard = Heard { region, connector: "", connection: "", handles: HandleScope::Vendor, own: &[] };
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
            let mut told: Vec<String> = it.reasons.iter().map(|it| it.words.clone()).collect();
            told.extend(it.because.as_deref().map(clean));
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
        for it in &why.pins {
            text += &format!("\n{} is pinned to {}, {}, by {}\n", it.field, clean(&it.value), time(it.at), clean(&it.author));
        }
        for it in &why.merges {
            text += &format!("\n{} was joined to {}, {}, by {}\n", it.from, it.into, time(it.at), clean(&it.author));
            if let Some(because) = &it.because {
                text += &format!("  {}\n", clean(because));
            }
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
