//! `/events/summary`: what became of a call, once it is over (API 1.9, 3.1.6).

use patchbay_sdk::json::Object;

use crate::leg::Side;
use crate::party::{Party, int, word};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The call.
    pub entry: String,
    /// Who called whom.
    pub side: Side,
    /// The number outside.
    pub number: Option<String>,
    /// The employee who answered, or who should have.
    pub extension: Option<String>,
    /// Our number.
    pub line: Option<String>,
    /// When it began, seconds since 1970.
    pub created: Option<i64>,
    /// When somebody answered. None: nobody.
    pub answered: Option<i64>,
    /// When it ended.
    pub ended: Option<i64>,
    /// Why.
    pub reason: Option<i64>,
}

impl Summary {
    /// Takes a summary out of the notification; what else there is stays. None: it belongs to no call.
    #[must_use]
    pub fn take(fields: &mut Object) -> Option<Self> {
        let entry = word(fields, "entry_id")?;
        let (from, to) = (Party::take(fields, "from"), Party::take(fields, "to"));
        let side = match int(fields, "call_direction") {
            Some(0) => Side::Internal,
            Some(1) => Side::In,
            Some(2) => Side::Out,
            _ if from.extension.is_some() && to.extension.is_some() => Side::Internal,
            _ if from.extension.is_some() => Side::Out,
            _ => Side::In,
        };
        let (number, extension) = match side {
            Side::In => (from.number, to.extension),
            Side::Out => (to.number, from.extension),
            Side::Internal => (None, to.extension),
        };
        let line = word(fields, "line_number").or(to.line);
        // A moment that never came is zero.
        let mut moment = |name: &str| int(fields, name).filter(|it| *it > 0);
        let (created, answered, ended) = (moment("create_time"), moment("talk_time"), moment("end_time"));
        moment("forward_time");
        Some(Self { entry, side, number, extension, line, created, answered, ended, reason: int(fields, "disconnect_reason") })
    }
}
