//! The next contact: one to-do of the record, moved when the hub moves it.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::{Timestamp, time};

use crate::ask::{Command, command, list, parameters};
use crate::client::Client;
use crate::config::Kind;
use crate::payload::{Record, records};

/// What our to-do is called.
pub const TITLE: &str = "Next contact";

/// The name of the command in its batch.
pub const NAME: &str = "todo";

/// The command that plans the next contact of a record that has no to-do of ours.
#[must_use]
pub fn add(kind: Kind, record: Node<'static>, at: Timestamp, user: i64) -> Command<'static> {
    let mut fields = parameters([
        ("ownerTypeId", kind.number().into()),
        ("ownerId", record),
        ("deadline", time::written(at).into()),
        ("title", TITLE.into()),
    ]);
    if user != 0 {
        fields.put("responsibleId", user);
    }
    command(NAME, "crm.activity.todo.add", fields)
}

/// The command that moves our to-do.
#[must_use]
pub fn shift(kind: Kind, record: i64, todo: i64, at: Timestamp) -> Command<'static> {
    let fields = parameters([
        ("id", todo.into()),
        ("ownerTypeId", kind.number().into()),
        ("ownerId", record.into()),
        ("value", time::written(at).into()),
    ]);
    command(NAME, "crm.activity.todo.updateDeadline", fields)
}

/// Our to-do of a record, while it is not done.
pub fn find(client: Client<'_>, kind: Kind, record: i64) -> Result<Option<Record>, Failure> {
    let filter = parameters([
        ("OWNER_TYPE_ID", kind.number().into()),
        ("OWNER_ID", record.into()),
        ("PROVIDER_ID", "CRM_TODO".into()),
        ("COMPLETED", "N".into()),
        ("SUBJECT", TITLE.into()),
    ]);
    let found = client.call("crm.activity.list", &list(filter, ("ID", "DESC"), &["ID", "SUBJECT", "DEADLINE"]))?;
    Ok(records(&found).into_iter().find(|it| it.text("SUBJECT") == TITLE))
}

/// When an activity is due. What has no deadline is due in the year 9999.
#[must_use]
pub fn due(activity: &Record) -> Option<Timestamp> {
    time::parse(&activity.text("DEADLINE")).filter(|it| it.as_second() < NEVER_S)
}

/// The year 9000: no deadline of a person lies behind it.
const NEVER_S: i64 = 221_845_392_000;
