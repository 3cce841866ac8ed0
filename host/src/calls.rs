//! Telephone calls that we start: the phone of one of us rings, then the other side's.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use patchbay_schemas::Author;
use patchbay_schemas::command::CallStart;
use serde::Deserialize;

use crate::hub::Hub;
use crate::ids::{ConnectionId, ConversationId, OutboxId, WorkspaceId};
use crate::operations::{OperationError, not_found};
use crate::rules::schema::Schema;
use crate::setup::Fault;
use crate::store::outbox::Once;

/// How long somebody waits for a call that was asked for. One that could not be started by then is given up: a phone that rings an hour
/// later is worse than one that does not.
const PATIENCE: SignedDuration = SignedDuration::from_secs(300);

static ALLOWED: LazyLock<Schema> = LazyLock::new(|| Schema::ours("https://patchbay.dev/schemas/v1/command.json#/$defs/call.start"));

/// A call that somebody wants.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewCall {
    /// Whom to call; none: the number that the conversation is with.
    pub number: Option<String>,
    /// Whose phone rings first; none: as the connection is configured.
    pub extension: Option<String>,
    /// Our number that the other side sees; none: the telephone system decides.
    pub line: Option<String>,
    /// The account that the call is made by; none: the conversation's own.
    pub connection: Option<ConnectionId>,
    /// Who asks for it.
    pub author: Option<Author>,
}

impl Hub {
    /// Puts a call into the outbox. What becomes of it comes back as events of the telephone system. With the key of a call that was asked
    /// for before, it is that one.
    pub async fn start_call(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        new: NewCall,
        key: Option<String>,
    ) -> Result<OutboxId, OperationError> {
        let found = self.store.conversation(workspace, conversation).await?.ok_or_else(|| not_found("conversation", conversation))?;
        let own: ConnectionId = found.connection.parse().map_err(|_| not_found("connection", &found.connection))?;
        let connection = self.found(workspace, new.connection.unwrap_or(own)).await?;
        let manifest = self.manifest(&connection)?;
        if !manifest.commands.as_ref().is_some_and(|it| it.kinds.iter().any(|it| it == "call.start")) {
            let reason = format!("the connector `{}` makes no calls: name a connection of a telephone system", connection.connector);
            return Err(OperationError::Refused(reason));
        }
        let number = new.number.or_else(|| is_number(&found.key).then_some(found.key));
        let Some(number) = number else {
            let problem = "the conversation is with no telephone number: name the one to call".to_owned();
            return Err(OperationError::Body(vec![Fault { at: "/number".to_owned(), problem, allowed: None }]));
        };
        let mut call = CallStart { number, extension: new.extension, line: new.line, author: new.author, until: None };
        let written = |call: &CallStart| serde_json::to_value(call).map_err(|error| OperationError::Refused(error.to_string()));
        let once = match key {
            Some(key) => Some(Once::new(key, &format!("call.start {conversation} {} {}", connection.id, written(&call)?))),
            None => None,
        };
        call.until = Some(self.store.clock.now().saturating_add(PATIENCE).unwrap_or(Timestamp::MAX));
        let document = written(&call)?;
        // Numbers are people's: they are not quoted.
        let faults = ALLOWED.masked_faults(&document);
        if !faults.is_empty() {
            return Err(OperationError::Body(faults));
        }
        Ok(self.store.enqueue_call(workspace, connection.id, conversation, &document.to_string(), once.as_ref()).await?)
    }
}

/// True for a key that a telephone system gave the conversation: digits alone.
fn is_number(key: &str) -> bool {
    let digits = key.strip_prefix('+').unwrap_or(key);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
}

/// Why a call must not be started any more; none: it may.
#[must_use]
pub fn too_late(payload: &str, now: Timestamp) -> Option<String> {
    let until = serde_json::from_str::<CallStart>(payload).ok()?.until?;
    (now > until).then(|| format!("hub.too_late: nobody waits for the call since {until}; ask for another one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_told_from_other_keys() {
        for (key, is) in [
            ("79123456789", true),
            ("+79123456789", true),
            ("112", true),
            ("12", false),
            ("-1001", false),
            ("anna@example.com", false),
            ("", false),
        ] {
            assert_eq!(is_number(key), is, "{key}");
        }
    }

    #[test]
    fn a_call_is_started_until_nobody_waits_for_it() {
        let now: Timestamp = "2026-03-14T09:31:53Z".parse().unwrap();
        let call = |until: &str| format!(r#"{{"number":"112","until":"{until}"}}"#);
        assert_eq!(too_late(&call("2026-03-14T09:31:53Z"), now), None);
        assert!(too_late(&call("2026-03-14T09:31:52Z"), now).unwrap().starts_with("hub.too_late: "));
        assert_eq!(too_late(r#"{"number":"112"}"#, now), None);
    }
}
