//! What Bitrix24 posts: an event of the CRM with an id, a call, a message of an open line or to a bot.
//!
//! Events are named without regard to case. Those that are nobody's business here (tasks, news, the life of an application) are ignored.

pub mod call;
pub mod chat;
pub mod record;

use patchbay_sdk::schemas::{Event, EventBody, Extra, Notice, Timestamp, time};
use patchbay_sdk::{Failure, Request};
use serde_json::Value;

use crate::client::Client;
use crate::config::Config;
use crate::form::Form;

/// A delivery.
pub struct Hook<'a> {
    /// The event's name in capitals: `ONCRMLEADADD`.
    pub name: &'a str,
    /// The whole form.
    pub form: &'a Form,
    /// When Bitrix24 sent it, as written.
    pub ts: &'a str,
}

impl Hook<'_> {
    /// When Bitrix24 sent it.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.ts.parse().ok().filter(|it| (0..=LATEST_S).contains(it)).and_then(time::from_seconds)
    }

    /// An event of it. One that is sent twice has the id of the first.
    #[must_use]
    pub fn event(&self, of: &str, body: EventBody) -> Event {
        Event { id: [self.name, ":", of, ":", self.ts].concat(), occurred_at: self.at(), body }
    }

    /// Something that is neither an interaction nor a record, with the fields of the form that say what.
    #[must_use]
    pub fn notice(&self, of: &str, notice: Notice) -> Event {
        self.event(of, EventBody::Other(notice))
    }
}

/// The last second of the year 9999.
const LATEST_S: i64 = 253_402_300_799;

/// The events of a delivery.
pub fn events(client: Client<'_>, config: &Config, request: &Request) -> Result<Vec<Event>, Failure> {
    let form = Form::parse(&request.body);
    let name = form.get("event").to_ascii_uppercase();
    if name.is_empty() {
        return Err(Failure::never("bitrix24.hook", "Bitrix24 posts a form with the field `event`"));
    }
    let hook = Hook { name: &name, form: &form, ts: form.get("ts") };
    if let Some(rest) = name.strip_prefix("ONCRM") {
        return record::events(client, config, &hook, rest);
    }
    match name.as_str() {
        "ONEXTERNALCALLSTART" | "ONEXTERNALCALLBACKSTART" | "ONVOXIMPLANTCALLINIT" | "ONVOXIMPLANTCALLSTART" | "ONVOXIMPLANTCALLEND" => {
            call::event(&hook).map(|it| vec![it])
        }
        _ => chat::events(&hook),
    }
}

/// Fields of a form under their own names: what is in `data`, without a token.
#[must_use]
pub fn extra(form: &Form) -> Extra {
    let mut extra = Extra::new();
    for (name, value) in form.pairs().filter(|(name, value)| !value.is_empty() && !is_secret(name)) {
        extra.insert(name.trim_matches(['[', ']']).to_owned(), Value::from(value));
    }
    extra
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("token") || name.contains("auth")
}
