//! `/events/call`: a step of one leg of a call. Every leg has a `call_id` and counts its steps (`seq`), all legs of a call share the
//! `entry_id`. Steps come doubled and out of order (API 1.9, 3.1.2).

use patchbay_sdk::json::Object;

use crate::party::{Party, int, word};

/// Who is on the other side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Somebody outside called.
    In,
    /// We called somebody outside.
    Out,
    /// One of us called another.
    Internal,
}

/// A step of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The call that the leg belongs to.
    pub entry: String,
    /// The leg.
    pub id: String,
    /// The step's number within the leg.
    pub seq: i64,
    /// When, seconds since 1970.
    pub at: Option<i64>,
    /// What happened.
    pub state: State,
    /// True where an employee is called; false in the voice menu and in a queue.
    pub at_employee: bool,
    /// Who called whom.
    pub side: Side,
    /// The number outside.
    pub number: Option<String>,
    /// The employee's extension.
    pub extension: Option<String>,
    /// Our number.
    pub line: Option<String>,
    /// Why it ended.
    pub reason: Option<i64>,
}

/// What happened to a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It rings, or it goes through a menu or a queue.
    Appeared,
    /// The two speak, or one holds the other.
    Connected,
    /// It is over.
    Disconnected,
}

impl Leg {
    /// Takes a step out of the notification; what else there is stays. None: it belongs to no call.
    #[must_use]
    pub fn take(fields: &mut Object) -> Option<Self> {
        let id = word(fields, "call_id");
        let entry = word(fields, "entry_id").or_else(|| id.clone())?;
        let (from, to) = (Party::take(fields, "from"), Party::take(fields, "to"));
        let (side, outside, inside) = match (&from.extension, &to.extension) {
            (Some(_), Some(_)) => (Side::Internal, None, to.extension),
            (Some(_), None) => (Side::Out, to.number, from.extension),
            (None, _) => (Side::In, from.number, to.extension),
        };
        // The misspelt name stands in Mango's own examples.
        let location = fields.peek_text("location").or_else(|| fields.peek_text("locaton"));
        let at_employee = !matches!(location, Some("ivr" | "queue"));
        Some(Self {
            seq: int(fields, "seq").unwrap_or_default(),
            at: int(fields, "timestamp").filter(|it| *it > 0),
            at_employee,
            state: match fields.peek_text("call_state") {
                Some("Connected" | "OnHold") => State::Connected,
                Some("Disconnected") => State::Disconnected,
                _ => State::Appeared,
            },
            // It stands in steps that are no end, too.
            reason: int(fields, "disconnect_reason"),
            side,
            number: outside,
            extension: inside,
            line: to.line.or_else(|| word(fields, "line_number")),
            id: id.unwrap_or_else(|| entry.clone()),
            entry,
        })
    }
}
