//! Proves from the rows that the sums are true and that nothing hangs in the air.

use serde::Serialize;

use super::{Store, StoreError};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// What must hold.
    pub rule: &'static str,
    /// What was found against it; empty: it holds.
    pub violations: Vec<String>,
}

/// Most violations that are named for each rule.
const NAMED: i64 = 10;

/// A rule and the query whose every row is a violation: its first column names it.
const RULES: [(&str, &str); 14] = [
    (
        "received = accepted + duplicate + ignored + refused + dead",
        "select connection_id || ': received ' || sum(received) || ', outcomes ' || sum(accepted + duplicate + ignored + refused + dead) \
         from counters group by connection_id having sum(received) <> sum(accepted + duplicate + ignored + refused + dead)",
    ),
    (
        "received = deliveries kept + not kept under the quota",
        "select c.connection_id || ': received ' || c.received || ', rows ' || coalesce(d.n, 0) || ', not kept ' || c.unkept \
         from (select connection_id, sum(received) as received, sum(unkept) as unkept from counters group by connection_id) c \
         left join (select connection_id, count(*) as n from deliveries group by connection_id) d on d.connection_id = c.connection_id \
         where c.received <> coalesce(d.n, 0) + c.unkept",
    ),
    (
        "accepted, duplicate and ignored are the deliveries with that outcome",
        "select c.connection_id || ': counted ' || c.accepted || '/' || c.duplicate || '/' || c.ignored || ', rows ' \
         || coalesce(d.accepted, 0) || '/' || coalesce(d.duplicate, 0) || '/' || coalesce(d.ignored, 0) \
         from (select connection_id, sum(accepted) as accepted, sum(duplicate) as duplicate, sum(ignored) as ignored from counters group by connection_id) c \
         left join (select connection_id, sum(case when outcome = 'accepted' then 1 else 0 end) as accepted, \
         sum(case when outcome = 'duplicate' then 1 else 0 end) as duplicate, sum(case when outcome = 'ignored' then 1 else 0 end) as ignored \
         from deliveries group by connection_id) d on d.connection_id = c.connection_id \
         where c.accepted <> coalesce(d.accepted, 0) or c.duplicate <> coalesce(d.duplicate, 0) or c.ignored <> coalesce(d.ignored, 0)",
    ),
    (
        "refused + dead are the deliveries with that outcome + those not kept",
        "select c.connection_id || ': counted ' || c.n || ', rows ' || coalesce(d.n, 0) || ', not kept ' || c.unkept \
         from (select connection_id, sum(refused + dead) as n, sum(unkept) as unkept from counters group by connection_id) c \
         left join (select connection_id, count(*) as n from deliveries where outcome in ('refused', 'dead') group by connection_id) d \
         on d.connection_id = c.connection_id where c.n <> coalesce(d.n, 0) + c.unkept",
    ),
    (
        "created = delivered + superseded + dead + pending",
        "select c.connection_id || ': created ' || c.created || ', rows ' || coalesce(o.n, 0) || ', ended ' || c.ended || ', rows ended ' || coalesce(o.ended, 0) \
         from (select connection_id, sum(created) as created, sum(delivered + superseded + outbox_dead) as ended from counters group by connection_id) c \
         left join (select connection_id, count(*) as n, sum(case when state = 'pending' then 0 else 1 end) as ended from outbox group by connection_id) o \
         on o.connection_id = c.connection_id where c.created <> coalesce(o.n, 0) or c.ended <> coalesce(o.ended, 0)",
    ),
    (
        "delivered, superseded and dead commands are the rows in that state",
        "select c.connection_id || ': counted ' || c.delivered || '/' || c.superseded || '/' || c.dead \
         from (select connection_id, sum(delivered) as delivered, sum(superseded) as superseded, sum(outbox_dead) as dead from counters group by connection_id) c \
         left join (select connection_id, sum(case when state = 'delivered' then 1 else 0 end) as delivered, \
         sum(case when state = 'superseded' then 1 else 0 end) as superseded, sum(case when state = 'dead' then 1 else 0 end) as dead \
         from outbox group by connection_id) o on o.connection_id = c.connection_id \
         where c.delivered <> coalesce(o.delivered, 0) or c.superseded <> coalesce(o.superseded, 0) or c.dead <> coalesce(o.dead, 0)",
    ),
    (
        "every accepted delivery has an event",
        "select d.id from deliveries d where d.outcome = 'accepted' and not exists (select 1 from events e where e.delivery_id = d.id)",
    ),
    (
        "every accepted event that is a contact with a person is an interaction",
        "select e.id from events e where e.state = 'accepted' and e.kind in ('message', 'form', 'mail', 'comment', 'rating') \
         and not exists (select 1 from interactions n where n.event_id = e.id)",
    ),
    (
        "every accepted step of a call belongs to the one interaction that the call is, which shows one of its steps",
        "select e.id from events e where e.state = 'accepted' and e.kind = 'call' and not exists \
         (select 1 from call_steps s join interactions n on n.id = s.interaction_id where s.event_id = e.id) union all \
         select n.id from interactions n where n.call_id is not null and not exists \
         (select 1 from call_steps s where s.interaction_id = n.id and s.event_id = n.event_id)",
    ),
    (
        "every interaction has its event, its contact and, where it names one, its lead",
        "select n.id from interactions n where not exists (select 1 from events e where e.id = n.event_id) \
         or not exists (select 1 from contacts c where c.id = n.contact_id) \
         or (n.lead_id is not null and not exists (select 1 from leads l where l.id = n.lead_id))",
    ),
    (
        "every lead and every identity has its contact",
        "select l.id from leads l where not exists (select 1 from contacts c where c.id = l.contact_id) union all \
         select i.kind || ' of ' || i.contact_id from identities i where not exists (select 1 from contacts c where c.id = i.contact_id)",
    ),
    (
        "a merged contact is shown by one that is not merged itself",
        "select c.id from contacts c left join contacts o on o.id = c.merged_into where c.merged_into is not null and (o.id is null or o.merged_into is not null)",
    ),
    (
        "a merged contact is joined to another by a merge that stands, and such merges join contacts of one person",
        "select c.id from contacts c where c.merged_into is not null and not exists \
         (select 1 from merges m where m.undone_at is null and m.from_id = c.id) and not exists \
         (select 1 from merges m where m.undone_at is null and m.into_id = c.id) union all \
         select m.id from merges m join contacts a on a.id = m.from_id join contacts b on b.id = m.into_id \
         where m.undone_at is null and coalesce(a.merged_into, a.id) <> coalesce(b.merged_into, b.id)",
    ),
    (
        "whatever waits in the outbox stands in a lane that is served",
        "select o.id from outbox o where o.state = 'pending' and not exists \
         (select 1 from lanes l where l.connection_id = o.connection_id and l.lane = o.lane)",
    ),
];

impl Store {
    /// Looks at every rule. The database may be in use meanwhile: each rule is one query, and so one moment.
    pub async fn examine(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::with_capacity(RULES.len());
        for (rule, sql) in RULES {
            let rows = self.db.fetch(&format!("{sql} limit $1"), vec![NAMED.into()]).await?;
            let violations = rows.iter().map(|it| it.text(0)).collect::<sqlx::Result<_>>()?;
            findings.push(Finding { rule, violations });
        }
        Ok(findings)
    }
}
