//! The trait that a connector implements, and the types of its calls.

use patchbay_schemas::{Command, Event, Receipt, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::json;

/// A piece of what goes out: bytes, or the secret of that name, which the host fills in.
pub use crate::bindings::imports::patchbay::connector::types::Piece;

/// A connector. Implement what the vendor can do and name it in [`register!`](crate::register).
///
/// There is no `self`: an instance may serve many calls or one. What must outlive a call goes into
/// [`host::state`](crate::host::state), what the user chose comes from [`host::config`](crate::host::config).
pub trait Connector {
    /// The kinds of command that [`execute`](Connector::execute) understands. The code that reads the others stays out of the
    /// component, and they are refused before it is asked.
    const COMMANDS: &'static [CommandKind] = &[CommandKind::LeadUpsert, CommandKind::InteractionAdd, CommandKind::MessageSend];

    /// The vendor posted something. The host verified it as the manifest says.
    fn webhook(request: Request) -> Result<Reply, Failure> {
        let _ = request;
        Err(Failure::unsupported("webhook"))
    }

    /// Ask the vendor what is new since `cursor`; at most `limit` events.
    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let _ = (cursor, limit);
        Err(Failure::unsupported("polling"))
    }

    /// Which endpoint of the manifest the hub connects to; asked before each attempt.
    fn stream_choose() -> Result<Target, Failure> {
        Err(Failure::unsupported("stream"))
    }

    /// The connection stands, for the first time or again: log in, subscribe, ask what was missed.
    fn stream_opened() -> Result<Frames, Failure> {
        Ok(Frames::default())
    }

    /// Frames came in, in their order: one or several, whatever waited. `never` keeps them as a dead letter and goes on, `later` and
    /// `after_ms` connect anew, `reauthorise` stops the connection until somebody renews its credential.
    fn stream_received(frames: Vec<Vec<u8>>) -> Result<Frames, Failure> {
        let _ = frames;
        Err(Failure::unsupported("stream"))
    }

    /// Carry out one command. It may come twice with the same `idempotency_key`.
    fn execute(command: Command) -> Result<Receipt, Failure> {
        let _ = command;
        Err(Failure::unsupported("commands"))
    }

    /// Carry out several commands, one result each. Override it where the vendor has a batch call.
    fn execute_batch(batch: Vec<Command>) -> Vec<Result<Receipt, Failure>> {
        batch.into_iter().map(Self::execute).collect()
    }

    /// Does this connection work? The answer is a JSON object for people: account name, address, plan.
    fn check() -> Result<Value, Failure> {
        Err(Failure::unsupported("check"))
    }
}

/// The kinds of command that the hub knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// `lead.upsert`
    LeadUpsert,
    /// `interaction.add`
    InteractionAdd,
    /// `message.send`
    MessageSend,
    /// `message.status`: what became of an answer that people of the sink wrote
    MessageStatus,
    /// `lead.plan`: what `lead.upsert` would do
    LeadPlan,
    /// `fields.list`: which fields there are to be mapped to
    FieldsList,
    /// `call.start`: a telephone call
    CallStart,
    /// `webhook.set`: the vendor posts to this address
    WebhookSet,
    /// `webhook.remove`: it posts there no more
    WebhookRemove,
}

/// What the vendor posted.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In capitals: `POST`.
    pub method: String,
    /// What follows the connection's own address: empty, or `/events/call`.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name (any case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON that borrows its texts from it. The quickest way to read it: a failure refuses the delivery and says where it
    /// stops being JSON.
    pub fn node(&self) -> Result<json::Node<'_>, Failure> {
        json::Node::parse(&self.body).map_err(|error| Failure::never("body.json", format!("the body is {error}")))
    }

    /// The body as a JSON value, with the same failure.
    pub fn value(&self) -> Result<Value, Failure> {
        self.node().map(json::Node::value)
    }

    /// The body as JSON. A failure refuses the delivery and says what does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        json::read(self.value()?).map_err(|error| Failure::never("body.json", format!("the body is not the JSON expected here: {error}")))
    }
}

/// The answer to the vendor and the events that the delivery holds. It is sent after the events are committed.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, `content-type` above all.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// None: the delivery is of no interest.
    pub events: Vec<Event>,
}

impl Reply {
    /// 200 with an empty body.
    #[must_use]
    pub fn ok(events: Vec<Event>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Vec::new(), events }
    }

    /// 200 with a text, for vendors that wait for a certain word.
    #[must_use]
    pub fn text(text: impl Into<Vec<u8>>, events: Vec<Event>) -> Self {
        Self { status: 200, headers: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())], body: text.into(), events }
    }

    /// 200 with a JSON document.
    #[must_use]
    pub fn json(document: &Value, events: Vec<Event>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: json::write(document).unwrap_or_default().into_bytes(),
            events,
        }
    }
}

/// A page of what is new.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the vendor's order.
    pub events: Vec<Event>,
    /// Where to go on. None: as before.
    pub next_cursor: Option<String>,
    /// True: ask again at once.
    pub more: bool,
}

/// Where the hub connects to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Name in the manifest.
    pub endpoint: String,
    /// Of a WebSocket, what follows the endpoint's own address: `/ari/events?app=hub`. Empty: nothing.
    pub path_and_query: String,
}

/// What became of frames: events, and frames to send back. Those are sent when the events are committed.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    /// In the vendor's order.
    pub events: Vec<Event>,
    /// Each frame in its pieces. The host adds what ends a frame.
    pub send: Vec<Vec<Piece>>,
}

impl Frames {
    /// Sends one more frame without a secret in it.
    pub fn say(&mut self, frame: impl Into<Vec<u8>>) {
        self.send.push(vec![Piece::Bytes(frame.into())]);
    }
}

/// A call that did not work, and what the hub should do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable and machine-readable: `vendor.rate_limited`.
    pub code: String,
    /// For people; no secret, no personal data.
    pub message: String,
    /// What the hub should do.
    pub retry: Retry,
}

/// What a failed call asks of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Repeating cannot help.
    Never,
    /// Try again after the hub's own backoff.
    Later,
    /// Try again after this many milliseconds.
    AfterMs(u64),
    /// The credential was refused.
    Reauthorise,
}

impl Failure {
    /// Repeating cannot help.
    #[cold]
    #[inline(never)]
    pub fn never(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry: Retry::Never }
    }

    /// Try again after the hub's own backoff.
    #[cold]
    #[inline(never)]
    pub fn later(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry: Retry::Later }
    }

    /// Try again after this many milliseconds, as the vendor said.
    #[cold]
    #[inline(never)]
    pub fn after_ms(code: impl Into<String>, message: impl Into<String>, ms: u64) -> Self {
        Self { code: code.into(), message: message.into(), retry: Retry::AfterMs(ms) }
    }

    /// The credential was refused.
    #[cold]
    #[inline(never)]
    pub fn reauthorise(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry: Retry::Reauthorise }
    }

    /// The connector has no such ability (it is named in `register!` but not implemented).
    #[must_use]
    pub fn unsupported(ability: &str) -> Self {
        Self::never("connector.unsupported", format!("this connector does not implement {ability}"))
    }
}

/// Milliseconds since 1970 UTC, where the time lies after it.
pub(crate) fn millis(time: Timestamp) -> Option<u64> {
    u64::try_from(time.as_millisecond()).ok()
}
