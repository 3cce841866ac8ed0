//! `link create`, `link list`, `link show`, `link revoke`

use std::path::{Path, PathBuf};

use patchbay_schemas::Source;

use super::connection::find;
use super::failure::{Exit, Failure};
use super::lead::Date;
use super::output::{Out, Table, time};
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, LeadId, LinkId};
use patchbay_host::people::{LinkWish, Opened};

#[derive(clap::Subcommand)]
pub enum Links {
    /// Make a link and a QR code that open a chat, and tie whoever opens it
    Create(Box<Create>),
    /// List links, newest first
    List {
        /// Only older than this one
        #[arg(long, value_name = "LNK_…")]
        before: Option<LinkId>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show a link, its QR code and who opened it
    Show {
        /// lnk_…
        id: LinkId,
        /// Write the QR code to this file
        #[arg(long, value_name = "FILE.svg")]
        svg: Option<PathBuf>,
    },
    /// Take a link back: it ties nobody any more
    Revoke {
        /// lnk_…
        id: LinkId,
    },
}

#[derive(clap::Args)]
pub struct Create {
    /// The messenger's connection: cxn_…, or its name
    #[arg(long, value_name = "CONNECTION")]
    connection: String,
    /// For this person: whoever opens it once, soon, is this person
    #[arg(long, value_name = "CON_…", conflicts_with_all = ["lead", "visitor"])]
    contact: Option<ContactId>,
    /// For this lead, and so for its person
    #[arg(long, value_name = "LEAD_…", conflicts_with = "visitor")]
    lead: Option<LeadId>,
    /// For this visitor of a site: the connection of its forms, a slash, and the id by which they name the visitor
    #[arg(long, value_name = "CONNECTION/ID")]
    visitor: Option<String>,
    /// The campaign that it stands for (`utm_campaign`)
    #[arg(long)]
    campaign: Option<String>,
    /// Where it is shown (`utm_source`)
    #[arg(long)]
    source: Option<String>,
    /// The page that it stands on
    #[arg(long, value_name = "URL")]
    page: Option<String>,
    /// What the chat opens with, where the vendor lets a link say so (WhatsApp)
    #[arg(long, default_value = "")]
    text: String,
    /// How often it may be used [default: once for a person or a visitor, else as often as anybody likes]
    #[arg(long)]
    uses: Option<i64>,
    /// From when on it ties nothing any more: 2026-12-01
    #[arg(long, value_name = "DATE")]
    expires: Option<Date>,
    /// Write the QR code to this file
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

impl Links {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::Create(it) => create(out, hub, *it).await,
            Self::List { before, limit } => list(out, hub, before, limit).await,
            Self::Show { id, svg } => {
                let link = hub.link(hub.workspace.id, id).await?;
                show(out, &link, svg.as_deref())
            }
            Self::Revoke { id } => {
                let link = hub.revoke_link(hub.workspace.id, id).await?;
                out.answer(&link, || format!("{id} ties nobody any more\n"))
            }
        }
    }
}

async fn create(out: Out, hub: &Hub, it: Create) -> Result<(), Failure> {
    let connection = find(hub, &it.connection).await?;
    let visitor = match it.visitor.as_deref().map(|it| it.rsplit_once('/')) {
        None => None,
        Some(Some((site, id))) if !id.is_empty() => Some((find(hub, site).await?.id, id.to_owned())),
        Some(_) => {
            return Err(Failure::new(Exit::Usage, "--visitor takes the connection of the site's forms, a slash, and the visitor's id"));
        }
    };
    let mut source = Source { page: it.page, ..Source::default() };
    source.utm.extend(it.campaign.map(|it| ("campaign".to_owned(), it)));
    source.utm.extend(it.source.map(|it| ("source".to_owned(), it)));
    let wish = LinkWish {
        contact: it.contact,
        lead: it.lead,
        visitor,
        source,
        uses: it.uses,
        expires_at: it.expires.map(|Date(it)| it),
        text: it.text,
    };
    let link = hub.create_link(hub.workspace.id, connection.id, wish).await?;
    show(out, &link, it.svg.as_deref())
}

async fn list(out: Out, hub: &Hub, before: Option<LinkId>, limit: i64) -> Result<(), Failure> {
    let links = hub.links(hub.workspace.id, before, limit).await?;
    out.answer(&links, || {
        let mut table = Table::new(["ID", "FOR", "USED", "STATE", "ADDRESS"]);
        for it in &links {
            table.wide_row([it.link.id.to_string(), whom(it), used(it), state(it), it.url.clone()]);
        }
        table.or("no links yet: `patchbay link create` makes one")
    })
}

fn show(out: Out, link: &Opened, svg: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = svg {
        let image = link.svg().ok_or_else(|| Failure::new(Exit::Refused, "there is no address to make a QR code of"))?;
        std::fs::write(file, image).map_err(|error| Failure::io(format!("{} cannot be written", file.display()), &error))?;
        out.note(format!("the QR code stands in {}", file.display()));
    }
    out.answer(link, || {
        let mut table = Table::plain();
        table.wide_row([
            "address".to_owned(),
            if link.url.is_empty() { "none: the connection is gone".to_owned() } else { link.url.clone() },
        ]);
        table.wide_row(["for".to_owned(), whom(link)]);
        table.wide_row(["used".to_owned(), used(link)]);
        table.wide_row(["state".to_owned(), state(link)]);
        for it in &link.opened {
            table.wide_row(["opened".to_owned(), format!("{} by {}", time(it.at), it.contact)]);
        }
        let code = link.terminal().filter(|_| svg.is_none()).map(|it| format!("\n{it}")).unwrap_or_default();
        format!("Link {}\n{}{code}", link.link.id, table.text())
    })
}

fn whom(it: &Opened) -> String {
    let link = &it.link;
    let person = link.lead.map(|it| it.to_string()).or(link.contact.map(|it| it.to_string()));
    let visitor = || link.visitor.as_ref().map(|it| format!("visitor {it}"));
    let campaign = || link.source.utm.get("campaign").map(|it| format!("campaign {it}"));
    person.or_else(visitor).or_else(campaign).or_else(|| link.source.page.clone()).unwrap_or_else(|| "anybody".to_owned())
}

fn used(it: &Opened) -> String {
    it.link.uses.map_or_else(|| it.link.used.to_string(), |uses| format!("{} of {uses}", it.link.used))
}

fn state(it: &Opened) -> String {
    let link = &it.link;
    match (link.revoked_at, link.expires_at) {
        (Some(at), _) => format!("taken back {}", time(at)),
        _ if link.uses.is_some_and(|it| link.used >= it) => "used up".to_owned(),
        (None, Some(at)) => format!("until {}", time(at)),
        (None, None) => "open".to_owned(),
    }
}
