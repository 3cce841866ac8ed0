//! `demo`: one person writes to a bot, fills in a form and writes again; what the hub makes of it.

use std::sync::Arc;
use std::time::Duration;

use patchbay_schemas::manifest::Role;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::connection::all;
use super::failure::{Exit, Failure};
use super::output::{Out, confirm};
use super::samples::{bot, form, number};
use super::{lead, run};
use patchbay_host::committer::Committer;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ContactId, LeadId};
use patchbay_host::plugin::{Header, Request};
use patchbay_host::reading;
use patchbay_host::rules::ingest::{Intake, Way};
use patchbay_host::store::connections::{Connection, ConnectionState};
use patchbay_host::store::leads::LeadFilter;

/// How long the running hub may take to notice a new connection.
const NOTICE: Duration = Duration::from_secs(5);
/// Between two questions whether it did.
const AGAIN: Duration = Duration::from_millis(200);
/// Longest wait for an answer of the running hub.
const WAIT: Duration = Duration::from_secs(15);

/// First and last names in Cyrillic, and the first name as people type it into forms.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("Анна", "Петрова", "Anna"),
    ("Иван", "Соколов", "Ivan"),
    ("Мария", "Кузнецова", "Maria"),
    ("Дмитрий", "Лебедев", "Dmitry"),
    ("Ольга", "Новикова", "Olga"),
    ("Сергей", "Морозов", "Sergey"),
];

/// Prefixes of Russian mobile numbers.
const PREFIXES: [u64; 12] = [903, 905, 909, 910, 912, 915, 916, 921, 922, 926, 961, 985];

#[derive(clap::Args)]
pub struct Demo {
    /// Also when a CRM is connected, which then gets the invented person
    #[arg(long, short)]
    yes: bool,
}

/// One request of the play.
struct Act {
    /// What happens, for people.
    what: String,
    /// Who gets it.
    connection: Connection,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

/// What is posted.
enum Body {
    /// Fields of a form, encoded.
    Form(String),
    /// An update of Telegram, but for its time: so many seconds after it is sent.
    Update(Value, i64),
}

impl Body {
    /// The bytes, as if sent at `now_ms` (milliseconds since 1970 UTC).
    fn bytes(&self, now_ms: i64) -> Vec<u8> {
        match self {
            Self::Form(fields) => fields.clone().into_bytes(),
            Self::Update(update, later_s) => {
                let mut update = update.clone();
                update["message"]["date"] = now_ms.div_euclid(1_000).saturating_add(*later_s).into();
                update.to_string().into_bytes()
            }
        }
    }
}

/// Somebody new each time.
struct Person {
    given: &'static str,
    family: &'static str,
    latin: &'static str,
    /// Ten digits after the country code.
    phone: u64,
    account: u64,
}

impl Person {
    fn invent() -> Self {
        let pick = |length: usize| usize::try_from(number(length as u64)).unwrap_or(0);
        let (given, family, latin) = PEOPLE[pick(PEOPLE.len())];
        let phone = PREFIXES[pick(PREFIXES.len())] * 10_000_000 + number(10_000_000);
        Self { given, family, latin, phone, account: 5_000_000_000 + number(1_000_000_000) }
    }

    /// As Telegram gives it.
    fn bare_phone(&self) -> String {
        format!("7{}", self.phone)
    }

    /// As a Russian writes it into a form.
    fn written_phone(&self) -> String {
        let (code, a, b, c) = (self.phone / 10_000_000, self.phone / 10_000 % 1_000, self.phone / 100 % 100, self.phone % 100);
        format!("8 ({code}) {a:03}-{b:02}-{c:02}")
    }
}

impl Demo {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        self.spare_the_crm(hub).await?;
        let (form, bot) = (form(hub).await?.0, bot(hub).await?);
        let person = Person::invent();
        let acts = play(hub, &person, &bot, &form).await?;
        let address = hub.config.listen;
        if run::answers(address).await {
            out.note(format!("playing over HTTP to the hub at http://{address}"));
            perform_over_http(out, hub, &acts).await?;
        } else {
            out.note(format!("no hub runs at http://{address}, so this command receives and commits by itself, into the same database"));
            perform_here(out, hub, &acts).await?;
        }
        let id = the_lead(hub, &person).await?;
        out.note("one person, one lead, three interactions:\n");
        lead::show(out, hub, id, 200).await
    }

    /// An invented person has no business in a real CRM.
    async fn spare_the_crm(&self, hub: &Hub) -> Result<(), Failure> {
        let is_sink = |it: &Connection| {
            hub.catalogue.artifact(&it.connector).is_ok_and(|it| it.manifest.roles.contains(&Role::Sink))
                && it.state == ConnectionState::Active
        };
        let sinks: Vec<String> = all(hub).await?.iter().filter(|it| is_sink(it)).map(|it| format!("`{}`", it.name)).collect();
        if sinks.is_empty() || self.yes {
            return Ok(());
        }
        let sinks = sinks.join(", ");
        if confirm(&format!("{sinks} will get the invented person as a lead. Go on?"))? {
            return Ok(());
        }
        Err(Failure::new(Exit::Refused, format!("{sinks} would get the invented person as a lead")).help("--yes plays all the same"))
    }
}

async fn play(hub: &Hub, person: &Person, bot: &Connection, form: &Connection) -> Result<Vec<Act>, Failure> {
    let secret = webhook_secret(hub, bot).await?;
    let update = 100_000_000 + number(800_000_000);
    let telegram = |what: String, update: u64, later_s: i64, content: Value| {
        let user =
            json!({ "id": person.account, "is_bot": false, "first_name": person.given, "last_name": person.family, "language_code": "ru" });
        let chat = json!({ "id": person.account, "type": "private", "first_name": person.given, "last_name": person.family });
        let mut message = json!({ "message_id": update % 100_000, "from": user, "chat": chat });
        if let (Some(message), Some(content)) = (message.as_object_mut(), content.as_object()) {
            message.extend(content.clone());
        }
        Act {
            what,
            connection: bot.clone(),
            headers: vec![("content-type", "application/json".to_owned()), ("x-telegram-bot-api-secret-token", secret.clone())],
            body: Body::Update(json!({ "update_id": update, "message": message }), later_s),
        }
    };
    let card = json!({ "contact": { "phone_number": person.bare_phone(), "first_name": person.given, "user_id": person.account } });
    let fields = [
        ("name", format!("{} {}", person.given, person.family)),
        ("phone", person.written_phone()),
        ("email", format!("{}.{}@example.com", person.latin.to_lowercase(), person.phone % 10_000)),
        ("message", "Сколько стоит доставка в Казань?".to_owned()),
        ("consent", "yes".to_owned()),
        ("website", String::new()),
        ("utm_source", "demo".to_owned()),
        ("utm_campaign", "first-run".to_owned()),
    ];
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let name = format!("{} {}", person.given, person.family);
    Ok(vec![
        telegram(format!("{name} shares the phone {} with the bot in Telegram", person.bare_phone()), update, -60, card),
        Act {
            what: format!("{name} fills in the form on the site, with the phone written as {}", person.written_phone()),
            connection: form.clone(),
            headers: vec![
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ("accept", "application/json".to_owned()),
                ("origin", hub.config.base_url()),
                ("referer", format!("{}/example?utm_source=demo&utm_campaign=first-run", hub.config.base_url())),
            ],
            body: Body::Form(encoded),
        },
        telegram(
            format!("{name} writes to the bot again"),
            update + 1,
            // Telegram tells whole seconds: rounded up, so that the message does not stand before the form of the same second.
            1,
            json!({ "text": "Здравствуйте! Отправил заявку на сайте, перезвоните, пожалуйста." }),
        ),
    ])
}

/// What Telegram would send along: the demo plays Telegram.
async fn webhook_secret(hub: &Hub, bot: &Connection) -> Result<String, Failure> {
    let sealed = hub.store.sealed_secrets(bot.id).await?;
    let sealed = sealed.get("webhook_secret").ok_or_else(|| {
        Failure::new(Exit::Invalid, format!("`{}` has no webhook secret", bot.name))
            .help(format!("`patchbay connection remove {}`, then play again", bot.id))
    })?;
    let opened = hub.keys.unseal(bot.id, "webhook_secret", sealed).await.map_err(patchbay_host::registry::RunError::from)?;
    Ok(opened.reveal().to_owned())
}

async fn perform_over_http(out: Out, hub: &Hub, acts: &[Act]) -> Result<(), Failure> {
    let failed = |error: reqwest::Error| Failure::new(Exit::Unexpected, super::failure::chain(&error));
    let client = reqwest::Client::builder().no_proxy().timeout(WAIT).build().map_err(failed)?;
    let base = format!("http://{}", run::reachable(hub.config.listen));
    for act in acts {
        let url = format!("{base}/in/{}", act.connection.id);
        let waited = tokio::time::Instant::now();
        let response = loop {
            let mut request = client.post(&url).body(act.body.bytes(hub.store.clock.now_ms()));
            for (name, value) in &act.headers {
                request = request.header(*name, value);
            }
            let response = request.send().await.map_err(failed)?;
            // A connection that was just made is not known there yet.
            if response.status() != reqwest::StatusCode::NOT_FOUND || waited.elapsed() > NOTICE {
                break response;
            }
            tokio::time::sleep(AGAIN).await;
        };
        let status = response.status();
        if !status.is_success() {
            let help = if status == reqwest::StatusCode::NOT_FOUND {
                "the hub at that address seems to use another database or configuration: name it with --config"
            } else {
                "the hub's log says more"
            };
            let said = response.text().await.unwrap_or_default();
            return Err(Failure::new(Exit::Unexpected, format!("{url} answered {status}: {}", said.trim())).help(help));
        }
        out.note(format!("  {}: {status}", act.what));
    }
    Ok(())
}

/// Receives and commits without a listener.
async fn perform_here(out: Out, hub: &Hub, acts: &[Act]) -> Result<(), Failure> {
    hub.registry.refresh().await?;
    let tracker = TaskTracker::new();
    let wake = Arc::default();
    let committer = Committer::start(&hub.store, &hub.registry, acts.len(), &wake, &tracker);
    for act in acts {
        let running = hub.registry.running(act.connection.id).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("the connection `{}` does not run", act.connection.name)).help("`patchbay doctor` says why")
        })?;
        let headers = act.headers.iter().map(|(name, value)| Header { name: (*name).to_owned(), value: value.clone() }).collect();
        let received_at = hub.store.clock.now();
        let body = act.body.bytes(received_at.as_millisecond());
        let request = Request { method: "POST".to_owned(), path: String::new(), query: String::new(), headers, body };
        let read = reading::of(&running.instances, &request).await;
        let intake = Intake {
            id: hub.store.ids.next(),
            origin: running.origin.clone(),
            way: Way::Webhook,
            request: Some(reading::kept(&request, &["x-telegram-bot-api-secret-token"])),
            body: request.body,
            fingerprint: None,
            received_at,
            reading: read.reading,
            cursor: None,
        };
        let outcome = committer.commit(intake).await.map_err(|error| Failure::new(Exit::Database, error.to_string()))?;
        out.note(format!("  {}: {}", act.what, outcome.outcome.as_str()));
    }
    drop(committer);
    tracker.close();
    tracker.wait().await;
    Ok(())
}

/// The one lead of the one contact; anything else is a fault of the hub.
async fn the_lead(hub: &Hub, person: &Person) -> Result<LeadId, Failure> {
    let wrong = |what: String| {
        Failure::new(Exit::Unexpected, format!("{what}, and one was to be expected"))
            .help("`patchbay dead list` and `patchbay doctor` may say why")
    };
    let workspace = hub.workspace.id;
    let contacts = hub.store.contacts(workspace, Some(&format!("+{}", person.bare_phone())), None, 10).await?;
    let [contact] = contacts.as_slice() else { return Err(wrong(format!("the play left {} contacts", contacts.len()))) };
    let contact: ContactId = contact.id.parse()?;
    let filter = LeadFilter { contact: Some(contact), ..LeadFilter::default() };
    let leads = hub.store.leads(workspace, &filter, None, 10).await?;
    let [lead] = leads.as_slice() else { return Err(wrong(format!("the play left {} leads", leads.len()))) };
    Ok(lead.id.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_writes_the_phone_as_people_do() {
        let person = Person { given: "Анна", family: "Петрова", latin: "Anna", phone: 9_123_456_709, account: 1 };
        assert_eq!((person.bare_phone().as_str(), person.written_phone().as_str()), ("79123456709", "8 (912) 345-67-09"));
    }

    #[test]
    fn every_invented_phone_is_a_mobile_number_with_ten_digits() {
        for _ in 0..100 {
            let phone = Person::invent().phone;
            assert!((9_000_000_000..10_000_000_000).contains(&phone), "{phone}");
        }
    }
}
