//! A case: what is asked of a connector, how, and what must come out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use patchbay_schemas::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use patchbay_host::plugin::cassette::{Answer, Exchange};
use patchbay_host::plugin::{Command, Request};

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name: what its files have in common.
    pub name: String,
    /// What is asked of the connector.
    pub call: Call,
    /// How.
    pub settings: Settings,
    /// What the vendor answers.
    pub cassette: Vec<Exchange>,
    /// What the vendor answers when the same command comes once more.
    pub again: Option<Vec<Exchange>>,
    /// What must come out; none: nobody has said it yet.
    pub expected: Option<Value>,
    /// Where that is written.
    pub expectation: PathBuf,
}

/// What is asked of a connector.
#[derive(Debug, Clone)]
pub enum Call {
    /// A delivery.
    Webhook(Request),
    /// What is new?
    Poll {
        /// Where the last page ended.
        cursor: Option<String>,
        /// Most events.
        limit: u32,
    },
    /// Commands.
    Execute(Vec<Command>),
    /// The stream was connected: where to, and what to begin with?
    Opened,
    /// Frames of a stream.
    Received(Vec<Vec<u8>>),
    /// Does the connection work?
    Check,
}

impl Call {
    /// The same commands as the hub gives them when it does not know how the first try ended.
    #[must_use]
    pub fn retried(&self) -> Self {
        match self {
            Self::Execute(batch) => Self::Execute(batch.iter().map(retried).collect()),
            other => other.clone(),
        }
    }

    /// True for what a vendor hands to us: a delivery, or frames of a stream.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        matches!(self, Self::Webhook(_) | Self::Received(_))
    }

    /// What the vendor handed to us: the body of a delivery, or the frames of a stream. Empty where we asked.
    #[must_use]
    pub fn units(&self) -> Vec<&[u8]> {
        match self {
            Self::Webhook(request) => vec![&request.body],
            Self::Received(frames) => frames.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }

    /// The same with something else in the place of one of its units.
    #[must_use]
    pub fn with_unit(&self, at: usize, unit: Vec<u8>) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Webhook(request) => request.body = unit,
            Self::Received(frames) => {
                if let Some(frame) = frames.get_mut(at) {
                    *frame = unit;
                }
            }
            _ => {}
        }
        other
    }

    /// The ability that it needs.
    #[must_use]
    pub fn ability(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Poll { .. } => "polling",
            Self::Opened | Self::Received(_) => "stream",
            Self::Execute(_) => "commands",
            Self::Check => "check",
        }
    }
}

fn retried(command: &Command) -> Command {
    let mut command = command.clone();
    if let Ok(Value::Object(mut payload)) = serde_json::from_str(&command.payload)
        && !matches!(command.kind.as_str(), "message.send" | "message.status" | "call.start" | "webhook.set" | "webhook.remove")
    {
        payload.insert("retried".to_owned(), true.into());
        command.payload = Value::Object(payload).to_string();
    }
    command
}

impl Case {
    /// One more file of it.
    #[must_use]
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.expectation.with_file_name(format!("{}.{ending}", self.name))
    }

    /// All that its author wrote into it.
    #[must_use]
    pub fn own_text(&self) -> String {
        let call = match &self.call {
            Call::Webhook(request) => String::from_utf8_lossy(&request.body).into_owned(),
            Call::Execute(batch) => batch.iter().map(|it| it.payload.as_str()).collect(),
            Call::Poll { cursor, .. } => cursor.clone().unwrap_or_default(),
            Call::Received(frames) => frames.iter().map(|it| String::from_utf8_lossy(it)).collect(),
            Call::Check | Call::Opened => String::new(),
        };
        call + &Value::Object(self.settings.config.clone()).to_string()
    }
}

/// `<case>.case.toml`. Of `case.toml` holds what the case's own file does not say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The delivery's method (POST).
    pub method: Option<String>,
    /// What follows the connection's own address.
    pub path: Option<String>,
    /// The query, without a question mark.
    pub query: Option<String>,
    /// Headers of the delivery.
    pub headers: BTreeMap<String, String>,
    /// The connection's configuration; the manifest's defaults hold for what is missing.
    pub config: Map<String, Value>,
    /// Secrets that matter to the case; the others are made up.
    pub secrets: BTreeMap<String, String>,
    /// What the connector takes for the present time.
    pub now: Option<Timestamp>,
    /// True: the delivery must pass the manifest's checks first.
    pub verify: Option<bool>,
    /// Deliveries that came before, by the names of their cases: they share this one's state.
    pub after: Vec<String>,
    /// How this vendor says what others say by a plain status: `401`, `429`, `500`.
    pub answers: BTreeMap<String, Answer>,
}

impl Settings {
    /// These, and where they say nothing, what holds for all cases.
    pub(super) fn over(mut self, common: &Self) -> Self {
        let common = common.clone();
        self.method = self.method.or(common.method);
        self.path = self.path.or(common.path);
        self.query = self.query.or(common.query);
        self.now = self.now.or(common.now);
        self.verify = self.verify.or(common.verify);
        fill(&mut self.headers, common.headers);
        fill(&mut self.secrets, common.secrets);
        fill(&mut self.answers, common.answers);
        for (name, value) in common.config {
            self.config.entry(name).or_insert(value);
        }
        self
    }
}

fn fill<V>(own: &mut BTreeMap<String, V>, common: BTreeMap<String, V>) {
    for (name, value) in common {
        own.entry(name).or_insert(value);
    }
}
