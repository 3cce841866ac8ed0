//! Calls: each step comes as an event of its own, and all of them are one interaction.

use patchbay_schemas::Timestamp;
use patchbay_schemas::interaction::{Call, CallResult};

use crate::ids::{ConnectionId, ContactId, ConversationId, InteractionId, LeadId};

/// A call as the newest of its steps tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallState {
    /// The interaction that it is.
    pub interaction: InteractionId,
    /// The person on the other side (merges followed).
    pub contact: ContactId,
    /// The lead that it belongs to.
    pub lead: Option<LeadId>,
    /// The conversation that it belongs to.
    pub conversation: Option<ConversationId>,
    /// When it began, as far as any step told.
    pub began_at: Timestamp,
    /// The newest step.
    pub step: Step,
}

/// What one step of a call tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The vendor's time of the step, else the time of receipt.
    pub at: Timestamp,
    /// All that was known by then.
    pub call: Call,
}

/// What a call is known by.
#[must_use]
pub fn key(connection: ConnectionId, call: &Call) -> (ConnectionId, String) {
    // As the store keeps texts.
    (connection, call.id.replace('\0', "\u{fffd}"))
}

/// How far a call came; a later phase is never overwritten by an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Rings,
    Answered,
    Ended,
    /// It is known how it ended.
    Judged,
}

impl Step {
    /// When the call began, as far as this step tells.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        self.call.started_at.unwrap_or(self.at)
    }

    /// How the call ended; none while it goes on.
    #[must_use]
    pub fn outcome(&self) -> Option<CallResult> {
        self.call.result
    }

    /// True when this step, which came later, also tells of a later state than the one that is shown. Steps come in any order: how far
    /// the call came decides first, then the time. Of two at the same time the one that came later corrects the other, unless it tells
    /// the same end with fewer facts.
    #[must_use]
    pub fn is_newer_than(&self, shown: &Self) -> bool {
        let (ours, theirs) = ((self.phase(), self.known_until()), (shown.phase(), shown.known_until()));
        let corrects = self.call.result != shown.call.result || self.facts() >= shown.facts();
        ours > theirs || (ours == theirs && corrects)
    }

    /// The latest time that it tells of: a summary may carry the time at which the call began.
    fn known_until(&self) -> Timestamp {
        let times = [self.call.started_at, self.call.answered_at, self.call.ended_at];
        times.into_iter().flatten().fold(self.at, Timestamp::max)
    }

    fn phase(&self) -> Phase {
        match &self.call {
            Call { result: Some(_), .. } => Phase::Judged,
            Call { ended_at: Some(_), .. } => Phase::Ended,
            Call { answered_at: Some(_), .. } => Phase::Answered,
            _ => Phase::Rings,
        }
    }

    fn facts(&self) -> usize {
        let Call { id: _, result, started_at, answered_at, ended_at, wait_s, talk_s, recording } = &self.call;
        let times = [started_at, answered_at, ended_at].into_iter().filter(|it| it.is_some()).count();
        let spans = [wait_s, talk_s].into_iter().filter(|it| it.is_some()).count();
        times + spans + usize::from(result.is_some()) + usize::from(recording.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: i64, answered: bool, result: Option<CallResult>, recording: Option<&str>) -> Step {
        let time = |at| Timestamp::from_second(at).ok();
        let call = Call {
            id: "c1".to_owned(),
            result,
            started_at: time(0),
            answered_at: if answered { time(5) } else { None },
            ended_at: result.and(time(at)),
            wait_s: None,
            talk_s: None,
            recording: recording.map(str::to_owned),
        };
        Step { at: time(at).unwrap(), call }
    }

    #[test]
    fn how_far_a_call_came_decides_then_the_time_then_who_knows_more() {
        use CallResult::{Answered, Missed};
        let (rings, talks) = (step(0, false, None, None), step(5, true, None, None));
        let (ended, told) = (step(60, true, Some(Answered), None), step(60, true, Some(Answered), Some("r1")));
        let late_ring = step(70, false, None, None);
        let summary = Step { at: rings.at, ..told.clone() };
        let (missed, corrected) = (step(60, false, Some(Missed), None), step(61, true, Some(Answered), None));
        let newer = [
            (&talks, &rings),
            (&ended, &talks),
            (&told, &ended),
            (&summary, &ended),
            (&ended, &late_ring),
            (&corrected, &missed),
            (&missed, &told),
        ];
        for (one, other) in newer {
            assert!(one.is_newer_than(other), "{one:?} after {other:?}");
        }
        for (one, other) in
            [(&rings, &talks), (&talks, &ended), (&ended, &told), (&ended, &summary), (&late_ring, &ended), (&missed, &corrected)]
        {
            assert!(!one.is_newer_than(other), "{one:?} after {other:?}");
        }
        assert!(ended.is_newer_than(&ended), "what came last stands");
    }
}
