//! Links that people make: whom they tie to what, their addresses, their QR codes.

use patchbay_schemas::{Identity, Source, Timestamp};
use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};
use serde::Serialize;

use crate::hub::Hub;
use crate::ids::{ConnectionId, ContactId, LeadId, LinkId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::identity::{Heard, normalise};
use crate::rules::link::{self, Whom};
use crate::store::connections::{Connection, ConnectionState};
use crate::store::links::{LinkUse, LinkView, NewLink};

/// Most uses that can be counted down.
pub const MOST_USES: i64 = 1_000_000;
/// Longest text that a chat opens with, characters.
pub const LONGEST_TEXT: usize = 500;
/// Longest value of a campaign or a page, bytes.
const LONGEST_VALUE: usize = 2_048;

/// A link that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct LinkWish {
    /// The person that it is for.
    pub contact: Option<ContactId>,
    /// The lead that it is for, and so its person.
    pub lead: Option<LeadId>,
    /// The site's visitor that it is for: the connection of the site's forms, and the id by which these name the visitor.
    pub visitor: Option<(ConnectionId, String)>,
    /// Campaign and page.
    pub source: Source,
    /// How often it may be used; none: once for a person or a visitor, else as often as anybody likes.
    pub uses: Option<i64>,
    /// From when on it ties nothing any more.
    pub expires_at: Option<Timestamp>,
    /// What the chat opens with, where the vendor lets a link say so.
    pub text: String,
}

/// A link with its address.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Opened {
    /// The link.
    #[serde(flatten)]
    pub link: LinkView,
    /// What opens the chat. Empty where the connection is gone or does not say what the address is made of.
    pub url: String,
    /// Who opened it, newest first: a hundred at most; not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<LinkUse>,
}

impl Hub {
    /// Makes a link that opens a chat with a connection.
    pub async fn create_link(&self, workspace: WorkspaceId, connection: ConnectionId, wish: LinkWish) -> Result<Opened, OperationError> {
        let refused = |why: String| Err(OperationError::Refused(why));
        let found = self.connected(workspace, connection).await?;
        let Some(template) = self.manifest(&found)?.link.clone() else {
            return refused(format!("the connector `{}` has no links: its manifest has no [link]", found.connector));
        };
        // What is missing in the configuration is said before anything is kept.
        link::address(&template.url, &found.config, "pb", &wish.text).map_err(|it| OperationError::Refused(it.to_string()))?;
        if [wish.contact.is_some(), wish.lead.is_some(), wish.visitor.is_some()].iter().filter(|it| **it).count() > 1 {
            return refused("a link is for a contact, a lead or a visitor: only one of them".to_owned());
        }
        if wish.uses.is_some_and(|it| !(1..=MOST_USES).contains(&it)) {
            return refused(format!("uses: 1 to {MOST_USES}, or none for as often as anybody likes"));
        }
        if wish.expires_at.is_some_and(|it| it <= self.store.clock.now()) {
            return refused("expires_at: a time that is to come".to_owned());
        }
        if wish.text.chars().count() > LONGEST_TEXT {
            return refused(format!("text: at most {LONGEST_TEXT} characters"));
        }
        let values = wish.source.utm.iter().chain(&wish.source.clicks).flat_map(|(a, b)| [a, b]);
        if values.chain(wish.source.page.iter()).chain(wish.source.referrer.iter()).any(|it| it.len() > LONGEST_VALUE) {
            return refused(format!("campaign, page: at most {LONGEST_VALUE} bytes each"));
        }
        let gone = |what: String| OperationError::NotFound(what);
        let whom = match (wish.contact, wish.lead, &wish.visitor) {
            (Some(contact), _, _) => Whom::Person { contact, lead: None },
            (None, Some(lead), _) => {
                let contact = self.store.contact_of_lead(workspace, lead).await?.ok_or_else(|| gone(format!("lead {lead}")))?;
                Whom::Person { contact, lead: Some(lead) }
            }
            (None, None, Some((site, id))) => Whom::Visitor(self.visitor(workspace, *site, id).await?),
            (None, None, None) => Whom::Anybody,
        };
        let uses = wish.uses.or_else(|| (whom != Whom::Anybody).then_some(1));
        let new = NewLink { whom, source: wish.source, uses, expires_at: wish.expires_at, text: wish.text.trim().to_owned() };
        let link = self.store.create_link(workspace, connection, new).await?;
        let link = link.ok_or_else(|| gone(wish.contact.map_or_else(|| "contact".to_owned(), |it| format!("contact {it}"))))?;
        let url = self.url(&found, &link);
        Ok(Opened { link, url, opened: Vec::new() })
    }

    /// One link, its address, and who opened it.
    pub async fn link(&self, workspace: WorkspaceId, id: LinkId) -> Result<Opened, OperationError> {
        let found = self.store.link(workspace, id).await?;
        let (link, opened) = found.ok_or_else(|| OperationError::NotFound(format!("link {id}")))?;
        let connection = self.store.connection(workspace, link.connection).await?;
        let url = connection.map(|it| self.url(&it, &link)).unwrap_or_default();
        Ok(Opened { link, url, opened })
    }

    /// Links with their addresses, newest first, older than `before`.
    pub async fn links(&self, workspace: WorkspaceId, before: Option<LinkId>, limit: i64) -> Result<Vec<Opened>, OperationError> {
        let mut found = Vec::new();
        for link in self.store.links(workspace, before, limit).await? {
            let connection = self.store.connection(workspace, link.connection).await?;
            let url = connection.map(|it| self.url(&it, &link)).unwrap_or_default();
            found.push(Opened { link, url, opened: Vec::new() });
        }
        Ok(found)
    }

    /// Takes a link back: it ties nobody any more, and whom it tied stays tied.
    pub async fn revoke_link(&self, workspace: WorkspaceId, id: LinkId) -> Result<Opened, OperationError> {
        if !self.store.revoke_link(workspace, id).await? {
            let link = self.link(workspace, id).await?;
            return Err(OperationError::Refused(format!("{} was taken back already", link.link.id)));
        }
        self.link(workspace, id).await
    }

    fn url(&self, connection: &Connection, link: &LinkView) -> String {
        let template = self.manifest(connection).ok().and_then(|it| it.link.clone());
        template.and_then(|it| link::address(&it.url, &connection.config, &link.token, &link.text).ok()).unwrap_or_default()
    }

    async fn visitor(
        &self,
        workspace: WorkspaceId,
        site: ConnectionId,
        id: &str,
    ) -> Result<crate::rules::identity::IdentityKey, OperationError> {
        let site = self.connected(workspace, site).await?;
        let manifest = self.manifest(&site)?;
        let connection = site.id.to_string();
        let heard = Heard { region: "", connector: &site.connector, connection: &connection, handles: manifest.handles, own: &[] };
        let key = normalise(&Identity::handle(id), heard).map(|it| it.key);
        key.ok_or_else(|| OperationError::Refused(format!("`{id}` is no id of a visitor")))
    }

    async fn connected(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Connection, OperationError> {
        let found = self.store.connection(workspace, id).await?.filter(|it| it.state != ConnectionState::Removed);
        found.ok_or_else(|| OperationError::NotFound(format!("connection {id}")))
    }
}

impl Opened {
    /// The QR code as an SVG image; none where there is no address, or one too long for a code.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        Some(self.code()?.render::<svg::Color<'_>>().min_dimensions(256, 256).build())
    }

    /// The QR code as lines of a terminal with light letters on a dark ground.
    #[must_use]
    pub fn terminal(&self) -> Option<String> {
        let image =
            self.code()?.render::<unicode::Dense1x2>().dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark).build();
        Some(image + "\n")
    }

    fn code(&self) -> Option<QrCode> {
        if self.url.is_empty() {
            return None;
        }
        QrCode::with_error_correction_level(&self.url, EcLevel::M).ok()
    }
}
