//! People as they are shown: what survivorship chooses of all that their contacts say.

use std::collections::HashMap;

use patchbay_schemas::{Assurance, Contact, Identity};

use super::groups::{places, values};
use crate::clock::timestamp;
use crate::ids::{ContactId, WorkspaceId};
use crate::rules::ingest::Settings;
use crate::rules::survivorship::{self, Claim, Shown};
use crate::store::ingest::identity_kind;
use crate::store::{Record, Store, StoreError, Tx};

/// What all sources of one person say.
#[derive(Default)]
struct Sources {
    /// Name, company, city, language.
    claims: [Vec<Claim>; 4],
    /// The same, pinned by hand.
    pins: [Option<String>; 4],
    identities: Vec<Identity>,
    created_at: Option<patchbay_schemas::Timestamp>,
}

impl Sources {
    /// One source: `name, company, city, language, said_at, created_at, connector` from column 1 on, and `corrects` in column 9.
    fn hear(&mut self, row: &Record, trusted: &[String]) -> sqlx::Result<()> {
        let trust = survivorship::trust(trusted, &row.text(7)?);
        let (said_at, corrects) = (timestamp(row.int(5)?), row.int(9)? != 0);
        for (at, claims) in self.claims.iter_mut().enumerate() {
            claims.extend(row.opt_text(at + 1)?.map(|value| Claim { value, trust, said_at, corrects }));
        }
        let created_at = timestamp(row.int(6)?);
        self.created_at = Some(self.created_at.map_or(created_at, |it| it.min(created_at)));
        Ok(())
    }

    /// What several sources know is shown once, as the one says that vouches for it.
    fn point(&mut self, identity: Identity) {
        match self.identities.iter_mut().find(|it| it.kind == identity.kind && it.value == identity.value) {
            Some(known) => {
                if identity.assurance == Assurance::Vendor {
                    known.assurance = Assurance::Vendor;
                }
                known.label = identity.label.or(known.label.take());
            }
            None => self.identities.push(identity),
        }
    }

    fn show(&self, id: String) -> Contact {
        let [names, companies, cities, languages] = &self.claims;
        let [name, company, city, language] = &self.pins;
        let shown = |pin: &Option<String>, chosen: Option<&str>| pin.as_deref().or(chosen).map(str::to_owned);
        Contact {
            id,
            name: shown(name, survivorship::name(names)),
            company: shown(company, survivorship::newest(companies)),
            city: shown(city, survivorship::newest(cities)),
            language: shown(language, survivorship::newest(languages)),
            identities: self.identities.clone(),
            created_at: self.created_at.unwrap_or(patchbay_schemas::Timestamp::UNIX_EPOCH),
        }
    }
}

/// What is asked of so many people, who are the values from the second on: claims, pins, identities. What people of a CRM corrected comes first.
fn questions(people: usize) -> [String; 3] {
    let list = places(2, people);
    let of = format!("where c.workspace_id = $1 and (c.id in ({list}) or c.merged_into in ({list}))");
    [
        format!(
            "select coalesce(c.merged_into, c.id), c.name, c.company, c.city, c.language, c.said_at, c.created_at, x.connector, w.settings, c.corrects \
             from contacts c join connections x on x.id = c.connection_id join workspaces w on w.id = c.workspace_id {of} order by c.id"
        ),
        format!(
            "select coalesce(c.merged_into, c.id), p.field, p.value from contacts c join pins p on p.contact_id = c.id {of} order by p.at, p.contact_id"
        ),
        format!(
            "select coalesce(c.merged_into, c.id), i.kind, coalesce(i.shown, i.value), i.assurance, i.label from contacts c \
             join identities i on i.contact_id = c.id {of} and i.value not like 'link:%' \
             order by c.corrects desc, case when c.corrects = 1 then -c.said_at else 0 end, c.id, i.kind, i.value"
        ),
    ]
}

/// The answers, person by person in the order of `ids`; who is not there is left out.
fn people(ids: &[ContactId], [claims, pins, identities]: [Vec<Record>; 3]) -> sqlx::Result<Vec<Contact>> {
    let mut people: HashMap<String, Sources> = HashMap::new();
    let mut trusted = None;
    for row in claims {
        if trusted.is_none() {
            trusted = Some(row.json::<Settings>(8)?.trusted);
        }
        people.entry(row.text(0)?).or_default().hear(&row, trusted.as_deref().unwrap_or_default())?;
    }
    for row in pins {
        let field = row.text(1)?;
        // Where two contacts of one person are pinned, the last word counts.
        if let Some(at) = Shown::ALL.iter().position(|it| it.as_str() == field) {
            people.entry(row.text(0)?).or_default().pins[at] = Some(row.text(2)?);
        }
    }
    for row in identities {
        let assurance = if row.text(3)? == "vendor" { Assurance::Vendor } else { Assurance::Stated };
        let identity = Identity { kind: identity_kind(&row.text(1)?)?, value: row.text(2)?, assurance, label: row.opt_text(4)? };
        people.entry(row.text(0)?).or_default().point(identity);
    }
    Ok(ids.iter().map(ToString::to_string).filter_map(|id| Some(people.get(&id)?.show(id))).collect())
}

/// People as they are shown, in a transaction.
pub(in crate::store) async fn people_in(tx: &mut Tx, workspace: WorkspaceId, ids: &[ContactId]) -> sqlx::Result<Vec<Contact>> {
    let [claims, pins, identities] = questions(ids.len());
    let answers = [
        tx.fetch(&claims, values(workspace, ids)).await?,
        tx.fetch(&pins, values(workspace, ids)).await?,
        tx.fetch(&identities, values(workspace, ids)).await?,
    ];
    people(ids, answers)
}

impl Store {
    /// Contacts with the identities of everybody who was merged into them, in the order of `ids`.
    pub(in crate::store) async fn contacts_by_id(&self, workspace: WorkspaceId, ids: &[ContactId]) -> Result<Vec<Contact>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let [claims, pins, identities] = questions(ids.len());
        let answers = [
            self.db.fetch(&claims, values(workspace, ids)).await?,
            self.db.fetch(&pins, values(workspace, ids)).await?,
            self.db.fetch(&identities, values(workspace, ids)).await?,
        ];
        Ok(people(ids, answers)?)
    }
}
