//! A question whether two people are one, asked for what is not theirs to say.

use patchbay_schemas::Timestamp;

use crate::ids::{ConnectionId, ContactId, QuestionId, WorkspaceId};

/// A row of `questions`.
#[derive(Debug, Clone, Copy)]
pub struct NewQuestion {
    /// Its id.
    pub id: QuestionId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// A contact.
    pub one: ContactId,
    /// Another.
    pub other: ContactId,
    /// Why.
    pub asked_by: AskedBy,
    /// When.
    pub at: Timestamp,
}

/// Why somebody is asked whether two people are one, where it is not what they say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// A link that was made for the one was opened by the other.
    Link,
    /// A record of the one's lead names the other.
    Record,
    /// People of this sink put the record of the one's lead into that of the other's.
    MergedRecord(ConnectionId),
    /// People of this sink put the record of the one's lead under the contact of the other's.
    MergedPerson(ConnectionId),
}

impl AskedBy {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Record => "record",
            Self::MergedRecord(_) => "merged_record",
            Self::MergedPerson(_) => "merged_person",
        }
    }

    /// The sink whose people did what is asked about.
    #[must_use]
    pub fn sink(self) -> Option<ConnectionId> {
        match self {
            Self::Link | Self::Record => None,
            Self::MergedRecord(it) | Self::MergedPerson(it) => Some(it),
        }
    }
}
