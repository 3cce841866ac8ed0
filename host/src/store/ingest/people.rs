//! Writes what a plan says of people.

use std::collections::BTreeMap;

use crate::ids::ContactId;
use crate::rules::ingest::{Filled, Known, NewContact, NewIdentity, NewMerge, NewQuestion, NewVerdict, Retold};
use crate::store::Tx;
use crate::store::Type::{Int, Text};
use crate::store::people::{RULE, ask};

/// What a plan says of people.
pub(super) struct People {
    pub(super) contacts: Vec<NewContact>,
    pub(super) filled: BTreeMap<ContactId, Filled>,
    pub(super) retold: BTreeMap<ContactId, Retold>,
    pub(super) untied: Vec<(ContactId, ContactId)>,
    pub(super) identities: Vec<NewIdentity>,
    pub(super) moved: Vec<(ContactId, ContactId)>,
    pub(super) merges: Vec<NewMerge>,
    pub(super) verdicts: Vec<NewVerdict>,
    pub(super) questions: Vec<NewQuestion>,
}

pub(super) async fn write(tx: &mut Tx, people: People, known: &Known, now: i64) -> sqlx::Result<()> {
    // Before what points at these contacts from now on.
    for (contact, it) in people.retold {
        retell(tx, contact, it, now).await?;
    }
    let rows = people.contacts.into_iter().map(|it| {
        let Filled { name, company, city, language } = it.says;
        let shown = known.shown(it.id);
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            name.into(),
            company.into(),
            city.into(),
            language.into(),
            it.said_at.as_millisecond().into(),
            (it.reach as i64).into(),
            Some(shown).filter(|shown| *shown != it.id).into(),
            it.created_at.as_millisecond().into(),
            now.into(),
            it.record_of.into(),
            i64::from(it.corrects).into(),
        ]
    });
    let sql = "insert into contacts (id, workspace_id, connection_id, name, company, city, language, said_at, reach, merged_into, created_at, updated_at, \
               record_of, corrects) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Int, Int, Text, Int, Int, Text, Int], rows.collect());

    let rows = people.identities.into_iter().map(|it| {
        let said = it.identity;
        vec![
            it.workspace.into(),
            said.key.kind.as_str().into(),
            said.key.value.into(),
            it.said.into(),
            it.contact.into(),
            said.shown.into(),
            said.assurance.as_str().into(),
            said.label.into(),
            i64::from(it.shared).into(),
        ]
    });
    let sql = "insert into identities (workspace_id, kind, value, said, contact_id, shown, assurance, label, shared) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Text, Int], rows.collect());

    // Seldom needed, and each list costs a batch some of its time: there are two texts, with all three and with none.
    if !(people.filled.is_empty() && people.merges.is_empty() && people.verdicts.is_empty()) {
        queue_rare(tx, people.filled, people.merges, people.verdicts, now);
    }
    let (of_sinks, plain): (Vec<NewQuestion>, Vec<NewQuestion>) = people.questions.into_iter().partition(|it| it.asked_by.sink().is_some());
    if !plain.is_empty() {
        let rows = plain.into_iter().map(|it| {
            vec![
                it.id.into(),
                it.workspace.into(),
                it.one.into(),
                it.other.into(),
                it.asked_by.as_str().into(),
                it.at.as_millisecond().into(),
            ]
        });
        let sql = "with k(id, workspace_id, one, other, by, at) as ({rows}) \
                   insert into questions (id, workspace_id, one, other, bits, reasons, state, asked_by, asked_at) \
                   select id, workspace_id, one, other, 0, '[]', 'open', by, at from k where true on conflict do nothing";
        tx.queue(sql, &[Text, Text, Text, Text, Text, Int], rows.collect());
    }
    for (one, other) in people.untied {
        let sql = format!("delete from verdicts where one = $1 and other = $2 and verdict = 'same' and author = '{RULE}'");
        tx.execute(&sql, vec![one.into(), other.into()]).await?;
        for contact in [one, other] {
            look_again(tx, contact).await?;
        }
    }
    for (from, into) in people.moved {
        let sql = "update contacts set merged_into = $2, updated_at = $3 where id = $1 or merged_into = $1";
        tx.execute(sql, vec![from.into(), into.into(), now.into()]).await?;
    }
    // By whom they are shown now.
    for question in of_sinks {
        ask(tx, question).await?;
    }
    Ok(())
}

/// Most contacts with an identity that are looked at anew because somebody has it no more. One that more have says nothing of them.
const MOST_HOLDERS: i64 = 64;

/// A contact says another thing from now on. Whoever had been found by what it said is looked at anew, behind the batch.
async fn retell(tx: &mut Tx, contact: ContactId, it: Retold, now: i64) -> sqlx::Result<()> {
    let Filled { name, company, city, language } = it.says;
    let sql = "update contacts set name = $2, company = $3, city = $4, language = $5, said_at = $6, reach = $7, corrects = 1, updated_at = $8 where id = $1";
    let values = vec![contact.into(), name.into(), company.into(), city.into(), language.into()];
    let more = vec![it.said_at.as_millisecond().into(), (it.reach as i64).into(), now.into()];
    tx.execute(sql, [values, more].concat()).await?;
    look_again(tx, contact).await?;
    for key in it.gone {
        let place = || vec![it.workspace.into(), key.kind.as_str().into(), key.value.as_str().into()];
        let sql = "delete from identities where workspace_id = $1 and kind = $2 and value = $3 and contact_id = $4";
        tx.execute(sql, [place(), vec![contact.into()]].concat()).await?;
        let sql = "select contact_id from identities where workspace_id = $1 and kind = $2 and value = $3 order by said limit $4";
        for row in tx.fetch(sql, [place(), vec![MOST_HOLDERS.into()]].concat()).await? {
            look_again(tx, row.id(0)?).await?;
        }
    }
    Ok(())
}

/// The matcher looks at this contact once more.
async fn look_again(tx: &mut Tx, contact: ContactId) -> sqlx::Result<()> {
    let sql = "insert into revisits (contact_id, workspace_id, turn) select id, workspace_id, 1 from contacts where id = $1 \
               on conflict (contact_id) do update set turn = revisits.turn + 1";
    tx.execute(sql, vec![contact.into()]).await?;
    Ok(())
}

fn queue_rare(tx: &mut Tx, filled: BTreeMap<ContactId, Filled>, merges: Vec<NewMerge>, verdicts: Vec<NewVerdict>, now: i64) {
    let rows = filled
        .into_iter()
        .map(|(id, it)| vec![id.into(), it.name.into(), it.company.into(), it.city.into(), it.language.into(), now.into()]);
    let sql = "with k(id, name, company, city, language, at) as ({rows}) \
               update contacts set name = coalesce(contacts.name, k.name), company = coalesce(contacts.company, k.company), \
               city = coalesce(contacts.city, k.city), language = coalesce(contacts.language, k.language), updated_at = k.at \
               from k where contacts.id = k.id";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Int], rows.collect());
    let rows = merges.into_iter().map(|it| {
        let reasons = serde_json::to_string(&it.reasons).expect("reasons are plain values");
        let at = it.at.as_millisecond();
        vec![it.id.into(), it.workspace.into(), it.from.into(), it.into.into(), reasons.into(), RULE.into(), at.into()]
    });
    let sql = "insert into merges (id, workspace_id, from_id, into_id, reasons, author, at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int], rows.collect());
    let rows = verdicts.into_iter().map(|it| {
        let at = it.at.as_millisecond();
        vec![it.one.min(it.other).into(), it.one.max(it.other).into(), it.workspace.into(), RULE.into(), at.into()]
    });
    let sql = "with k(one, other, workspace_id, author, at) as ({rows}) insert into verdicts (one, other, workspace_id, verdict, author, at) \
               select one, other, workspace_id, 'same', author, at from k where true on conflict do nothing";
    tx.queue(sql, &[Text, Text, Text, Text, Int], rows.collect());
}
