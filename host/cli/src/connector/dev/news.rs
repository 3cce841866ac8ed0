//! What `connector dev` tells, line by line: for people, or as one JSON object a line.

use patchbay_schemas::{Event, EventBody, Outline, Timestamp};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Out, clean, print, short};
use crate::view::{differences, tally};
use patchbay_host::clock::Clock;
use patchbay_host::plugin::journal::Line;
use patchbay_host::rules::ingest::ReadBy;
use patchbay_host::store::deliveries::DeliveryView;
use patchbay_host::store::replay::Stored;
use patchbay_host::store::shadows::ShadowView;

/// Longest text of an event, characters.
const LONGEST_TEXT: usize = 60;

/// Something that happened.
pub enum News<'a> {
    /// The connection that it is tried with.
    Ready { connection: &'a str, name: &'a str, address: Option<&'a str> },
    /// A build begins, because of this file; none: it is the first one.
    Building { because: Option<&'a str> },
    /// It was built; the hub is to take it.
    Built { built: &'a ReadBy, size: usize, took_ms: u128 },
    /// What was built is what is there already.
    Unchanged,
    /// It could not be built or put there.
    Failed { failure: &'a Failure },
    /// The hub runs this version now.
    Running { version: &'a ReadBy },
    /// The hub tried another version in shadow, and took it or did not.
    Tried { shadow: &'a ShadowView },
    /// The connection does not run in the hub.
    Fault { fault: &'a str },
    /// The connector wrote to the log.
    Log { line: &'a Line },
    /// A delivery came to its end.
    Delivery { delivery: &'a DeliveryView, events: &'a [Stored] },
    /// The hub does not answer, or answers again.
    Hub { answers: bool },
    /// It is over.
    Stopped { connector: &'a str },
}

impl News<'_> {
    /// Says it on stdout.
    pub fn tell(&self, out: Out) -> Result<(), Failure> {
        if out.json {
            return print(&format!("{}\n", self.json()));
        }
        let now = Clock::System.now().strftime("%H:%M:%S").to_string();
        print(&self.human().lines().enumerate().fold(String::new(), |text, (at, line)| {
            let time = if at == 0 { now.as_str() } else { "        " };
            text + time + "  " + line + "\n"
        }))
    }

    fn json(&self) -> Value {
        match self {
            Self::Ready { connection, name, address } => {
                json!({ "news": "ready", "connection": connection, "name": name, "address": address })
            }
            Self::Building { because } => json!({ "news": "building", "because": because }),
            Self::Built { built, size, took_ms } => json!({ "news": "built", "built": built, "size": size, "took_ms": took_ms }),
            Self::Unchanged => json!({ "news": "unchanged" }),
            Self::Failed { failure } => json!({ "news": "failed", "error": failure.what, "help": failure.help }),
            Self::Running { version } => json!({ "news": "running", "running": version }),
            Self::Tried { shadow } => json!({ "news": "tried", "shadow": shadow }),
            Self::Fault { fault } => json!({ "news": "fault", "error": fault }),
            Self::Log { line } => json!({ "news": "log", "log": line }),
            Self::Delivery { delivery, events } => {
                json!({ "news": "delivery", "delivery": delivery, "events": events.iter().map(outlined).collect::<Vec<_>>() })
            }
            Self::Hub { answers } => json!({ "news": "hub", "answers": answers }),
            Self::Stopped { connector } => json!({ "news": "stopped", "connector": connector }),
        }
    }

    fn human(&self) -> String {
        match self {
            Self::Ready { connection, name, address: Some(address) } => {
                format!("ready     `{}` ({connection})\npost to   {address}", clean(name))
            }
            Self::Ready { connection, name, address: None } => format!("ready     `{}` ({connection}); it does not listen", clean(name)),
            Self::Building { because: Some(file) } => format!("building  {file} changed"),
            Self::Building { because: None } => "building".to_owned(),
            Self::Built { built, size, took_ms } => format!("built     {built}, {size} bytes, {took_ms} ms"),
            Self::Unchanged => "built     the same as before".to_owned(),
            Self::Failed { failure } => {
                let help = failure.help.as_ref().map(|it| format!("\nhelp: {it}")).unwrap_or_default();
                format!("FAILED    {}{help}\nthe version before goes on; the next change is built again", failure.what.trim_end())
            }
            Self::Running { version } => format!("running   {version}"),
            Self::Tried { shadow } => tried(shadow),
            Self::Fault { fault } => format!("FAULT     it does not run in the hub: {}", clean(fault)),
            Self::Log { line } => {
                let fields =
                    if matches!(line.fields.as_str(), "" | "{}" | "null") { String::new() } else { format!(" {}", clean(&line.fields)) };
                format!("log       {:<5} {}{fields}", line.level, clean(&line.message))
            }
            Self::Delivery { delivery, events } => delivered(delivery, events),
            Self::Hub { answers: true } => "hub       it answers again".to_owned(),
            Self::Hub { answers: false } => "hub       it does not answer: `patchbay serve` starts it; waiting".to_owned(),
            Self::Stopped { connector } => format!(
                "stopped   `{connector}` stays in the hub; `patchbay connector rollback {connector}` takes back what was there before"
            ),
        }
    }
}

fn tried(shadow: &ShadowView) -> String {
    let named = &shadow.seen.differences;
    let table = if named.is_empty() { String::new() } else { format!("\n{}", differences(named).indented().text().trim_end()) };
    let read = tally(&shadow.seen.tally);
    match &shadow.reason {
        Some(reason) => format!("REFUSED   {}: {}\n{read}{table}", shadow.read_by, clean(reason)),
        None if shadow.seen.tally.deliveries == 0 => format!("taken     {}; nothing came in yet that it could be tried on", shadow.read_by),
        None => format!("taken     {}\n{read}{table}", shadow.read_by),
    }
}

fn delivered(delivery: &DeliveryView, events: &[Stored]) -> String {
    let reason = delivery.reason.as_ref().map(|it| format!(": {}", clean(it))).unwrap_or_default();
    let mut text = format!("{:<9} {} {} bytes, read by {}{reason}", delivery.outcome, delivery.id, delivery.size, delivery.read_by);
    for it in events {
        text += "\n  ";
        text += &brief(it);
    }
    text
}

/// One event in a line.
fn brief(event: &Stored) -> String {
    let dead = if event.accepted { "" } else { " (does not fit its schema)" };
    let told = outline(event).map(|it| {
        let direction = it.direction.map(|it| it.as_str().to_owned());
        let words = [direction, it.name, it.phone, it.email, it.external_user_id];
        let mut said: Vec<String> = words.into_iter().flatten().map(|it| clean(&it)).collect();
        said.dedup();
        let text = it.text.map(|it| format!(" “{}”", short(&it, LONGEST_TEXT))).unwrap_or_default();
        format!(" {}{text}", said.join(" "))
    });
    format!("{} {}{dead}{}", clean(&event.kind), clean(&event.key), told.unwrap_or_default())
}

fn outlined(event: &Stored) -> Value {
    match outline(event) {
        Some(it) => serde_json::to_value(it).unwrap_or_default(),
        None => json!({ "id": event.key, "kind": event.kind, "accepted": event.accepted }),
    }
}

fn outline(event: &Stored) -> Option<Outline> {
    let payload = serde_json::from_str(&event.payload).ok()?;
    let body = EventBody::parse(&event.kind, payload).ok()?;
    Some(Outline::of(&Event { id: event.key.clone(), occurred_at: None::<Timestamp>, body }))
}
