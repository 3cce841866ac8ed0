//! A real Odoo is stopped and started while leads go there and people change them on both sides: in the end both agree, record by record.
//!
//! ```text
//! forms ─► hub ─► Odoo (stopped, started)       people in the hub: refuse       people in Odoo: win, lose, give to somebody else
//! ```
//! `PATCHBAY_ODOO_LEADS=1000 PATCHBAY_KILL_ROUNDS=5 cargo test -p patchbay-tests --test kill real_odoo` plays more of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use patchbay_tests::api::Connection;
use patchbay_tests::database::Engine;
use patchbay_tests::hub::Hub;
use patchbay_tests::odoo::Odoo;
use patchbay_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};

use crate::{number, say};

/// Leads, unless `PATCHBAY_ODOO_LEADS` says otherwise.
const LEADS: u64 = 60;
/// How often Odoo is stopped, unless `PATCHBAY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 2;
/// Visitors who fill in forms at the same time.
const VISITORS: usize = 4;
/// Leads that people change in each round, on either side.
const CHANGES: usize = 8;
/// How long both sides may take to agree.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_agree_record_by_record_after_odoo_was_stopped_and_started() {
    let leads = usize::try_from(number("PATCHBAY_ODOO_LEADS").unwrap_or(LEADS)).expect("a number of leads");
    let rounds = usize::try_from(number("PATCHBAY_KILL_ROUNDS").unwrap_or(ROUNDS)).expect("a number of rounds");
    let started = Instant::now();
    let company = Company::open(leads).await;
    let visitors = company.visitors();
    for round in 1..=rounds {
        let due = leads * round / (rounds + 1);
        let posted = async || (company.posted.load(Ordering::Relaxed) >= due).then_some(());
        until_patiently("forms are filled in", posted).await;
        company.change_in_odoo(round).await;
        spawn_blocking(Odoo::stop).await.expect("Odoo was stopped");
        assert!(
            !company.odoo.answers().await,
            "PATCHBAY_ODOO_URL names an Odoo that tests/servers/odoo-up.sh did not start: it cannot be stopped"
        );
        company.change_in_hub(round).await;
        spawn_blocking(Odoo::start).await.expect("Odoo was started");
    }
    visitors.join_all().await;
    let delivered = async || (company.hub.api().sums(&company.sink.id).await["pending"] == 0).then_some(());
    until_patiently("the sink has all", delivered).await;
    company.until_they_agree().await;
    say(&format!("{leads} leads, Odoo stopped {rounds} times, both sides agree after {:.0?}", started.elapsed()));
}

/// A hub with forms in front of it and an Odoo behind it.
struct Company {
    odoo: Odoo,
    hub: Hub,
    sink: Connection,
    form: Connection,
    /// One for each lead.
    phones: Vec<String>,
    /// Forms that were taken.
    posted: Arc<AtomicUsize>,
    second_user: i64,
}

impl Company {
    async fn open(leads: usize) -> Self {
        let odoo = Odoo::named();
        let second_user = odoo.second_user().await;
        let hub = Hub::start(Engine::Sqlite).await;
        let sink = hub.connect("odoo", odoo.config()).await;
        let path = format!("/connections/{}", sink.id);
        until("the sink was asked for the first time", async || hub.api().get(&path).await["cursor"].as_str().map(drop)).await;
        let form = hub.connect("webform", json!({})).await;
        let first: usize = Odoo::phone()[3..].parse().expect("nine digits");
        let phones = (0..leads).map(|it| format!("+79{:09}", (first + it) % 1_000_000_000)).collect();
        Self { odoo, hub, sink, form, phones, posted: Arc::default(), second_user }
    }

    /// Whoever fills in the forms, each again until it was taken.
    fn visitors(&self) -> JoinSet<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut visitors = JoinSet::new();
        for _ in 0..VISITORS {
            let (next, posted, phones, form) =
                (Arc::clone(&next), Arc::clone(&self.posted), self.phones.clone(), self.form.at(self.hub.api()));
            visitors.spawn(async move {
                while let Some((at, phone)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, phones.get(at)?))) {
                    let body = json!({ "submission_id": format!("wish-{at}"), "phone": phone, "message": wish(at) });
                    while form.post(&body).await.status != 200 {}
                    posted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        visitors
    }

    /// People in Odoo win, lose and give away records that nobody changed yet.
    async fn change_in_odoo(&self, round: usize) {
        let records = self.records().await;
        let chosen = (0..self.phones.len())
            .filter(|it| it % 3 == round % 3 && it % 2 == 0)
            .filter_map(|it| Some((it, records.get(&self.phones[it])?)));
        for (at, found) in chosen.take(CHANGES) {
            let ids = json!([found[0]["id"]]);
            match at / 6 % 3 {
                0 => self.odoo.call("crm.lead", "action_set_won", json!({ "ids": ids })).await,
                1 => self.odoo.call("crm.lead", "action_set_lost", json!({ "ids": ids })).await,
                _ => self.odoo.call("crm.lead", "write", json!({ "ids": ids, "vals": { "user_id": self.second_user } })).await,
            };
        }
    }

    /// People in the hub refuse leads that nobody in Odoo changed, while Odoo is down.
    async fn change_in_hub(&self, round: usize) {
        let leads = self.leads().await;
        let chosen = (0..self.phones.len()).filter(|it| it % 3 == round % 3 && it % 2 == 1).filter_map(|it| leads.get(&self.phones[it]));
        for lead in chosen.take(CHANGES) {
            let path = format!("/leads/{}/stage", lead["id"].as_str().expect("an id"));
            self.hub.api().ask(Method::PUT, &path, Some(&json!({ "name": "refused", "reason": "Too dear" }))).await.expect(200);
        }
    }

    /// The hub's leads by the person's phone.
    async fn leads(&self) -> HashMap<String, Value> {
        let all = self.hub.api().all("/leads").await;
        let phone = |lead: &Value| lead["contact"]["identities"][0]["value"].as_str().map(str::to_owned);
        all.into_iter().filter_map(|it| Some((phone(&it)?, it))).collect()
    }

    /// Odoo's records by the person's phone, won and lost ones included.
    async fn records(&self) -> HashMap<String, Vec<Value>> {
        let arguments = json!({
            "domain": [["phone", "in", self.phones]], "fields": ["name", "phone", "won_status", "user_id"], "context": { "active_test": false },
        });
        let mut records: HashMap<String, Vec<Value>> = HashMap::new();
        for it in self.odoo.call("crm.lead", "search_read", arguments).await.as_array().expect("a list") {
            records.entry(it["phone"].as_str().expect("a phone").to_owned()).or_default().push(it.clone());
        }
        records
    }

    /// The hub's notes in Odoo's history, by record.
    async fn notes(&self, records: &HashMap<String, Vec<Value>>) -> HashMap<i64, Vec<String>> {
        let ids: Vec<&Value> = records.values().flatten().map(|it| &it["id"]).collect();
        let domain = json!([["model", "=", "crm.lead"], ["res_id", "in", ids], ["message_id", "like", "@patchbay"]]);
        let found = self.odoo.call("mail.message", "search_read", json!({ "domain": domain, "fields": ["body", "res_id"] })).await;
        let mut notes: HashMap<i64, Vec<String>> = HashMap::new();
        for it in found.as_array().expect("a list") {
            notes.entry(it["res_id"].as_i64().expect("an id")).or_default().push(it["body"].as_str().expect("a text").to_owned());
        }
        notes
    }

    async fn until_they_agree(&self) {
        let begun = Instant::now();
        loop {
            // Odoo is asked at once instead of within half a minute.
            for step in ["pause", "resume"] {
                self.hub.api().post(&format!("/connections/{}/{step}", self.sink.id), &Value::Null).await.expect(200);
            }
            let differing = self.differing().await;
            if differing.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} differ:\n{}", differing.len(), differing.join("\n"));
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// What is not the same on both sides, lead by lead.
    async fn differing(&self) -> Vec<String> {
        let (leads, records) = (self.leads().await, self.records().await);
        let notes = self.notes(&records).await;
        let mut differing = Vec::new();
        for (at, phone) in self.phones.iter().enumerate() {
            let (lead, found) = (&leads[phone], records.get(phone).map_or(&[][..], Vec::as_slice));
            let [record] = found else {
                differing.push(format!("{phone} has {} records", found.len()));
                continue;
            };
            let stage = match record["won_status"].as_str() {
                Some("won") => "client",
                Some("lost") => "refused",
                _ => "lead",
            };
            let notes = notes.get(&record["id"].as_i64().expect("an id")).map_or(&[][..], Vec::as_slice);
            let told = notes.iter().filter(|it| it.contains(&wish(at))).count();
            let responsible = |it: &Value| it.as_str().map(str::to_owned);
            let agrees = lead["stage"]["name"] == stage
                && lead["title"] == record["name"]
                && responsible(&lead["responsible"]["name"]) == responsible(&record["user_id"][1])
                && told == 1;
            if !agrees {
                differing.push(format!("{phone}: {told} notes of the wish; {lead}\n{record}"));
            }
        }
        differing
    }
}

/// What the visitor wants, as no other does.
fn wish(at: usize) -> String {
    format!("wish {at}.")
}

async fn until_patiently(what: &str, mut look: impl AsyncFnMut() -> Option<()>) {
    let begun = Instant::now();
    while look().await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
