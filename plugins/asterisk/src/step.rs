//! What Asterisk says, whichever way it says it.

use patchbay_sdk::json::Object;

/// A channel: one end of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its `Uniqueid`.
    pub id: String,
    /// Its `Linkedid`: the id of the first channel of the call. ARI does not tell.
    pub linked: Option<String>,
    /// `PJSIP/trunk-00000001`
    pub name: String,
    /// `Down`, `Ring`, `Ringing`, `Up`…
    pub state: Option<String>,
    /// The number on this end.
    pub number: Option<String>,
    /// The name that came with it.
    pub caller_name: Option<String>,
    /// Where in the dialplan it is.
    pub context: Option<String>,
    /// What was dialled.
    pub exten: Option<String>,
    /// The application that has it.
    pub app: Option<String>,
    /// When it came to be, milliseconds since 1970.
    pub created: Option<i64>,
}

/// Something that Asterisk says.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Asterisk's name of it: `Newchannel`, `ChannelCreated`.
    pub event: String,
    /// When, milliseconds since 1970. AMI tells it where `timestampevents` is on.
    pub at: Option<i64>,
    /// The channel that it is about.
    pub channel: Channel,
    /// What happened.
    pub what: What,
    /// All that was said.
    pub extra: Object<'static>,
}

/// What happened to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is there, in some state.
    Is,
    /// It calls another one, or that one answers or does not.
    Dials {
        /// Whom.
        peer: Box<Channel>,
        /// `ANSWER`, `BUSY`, `NOANSWER`, `CANCEL`…; none while it rings.
        status: Option<String>,
        /// What was dialled.
        dialled: Option<String>,
    },
    /// It is joined with others.
    Joins {
        /// The bridge.
        bridge: String,
    },
    /// It is gone.
    Gone {
        /// Why, by Q.850.
        cause: Option<i64>,
    },
    /// A variable was set.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// An application of the dialplan has it.
    Application(String),
    /// It waits in a queue.
    Queue(String),
    /// A member of a queue took it.
    Connected {
        /// `PJSIP/101`
        member: String,
    },
    /// It is recorded.
    Recorded(String),
    /// It became part of another call.
    Moved {
        /// A channel of that call.
        to: String,
    },
    /// News of a call that is only told where the call is not known.
    News,
    /// Not about the course of a call: kept as a notice of this name.
    Notice(&'static str),
}
