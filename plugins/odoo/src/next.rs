//! The next contact: one planned activity of the record, moved when the hub moves it.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Timestamp;
use serde_json::json;

use crate::client::Client;
use crate::config::Config;
use crate::payload::Record;
use crate::time;

/// How our activity begins; the minute in office time follows, since Odoo plans by days.
pub const SUMMARY: &str = "Next contact ";

/// When a day's activity of somebody else is due.
const MORNING: &str = "09:00";

/// Plans the next contact: moves our activity where there is one, else adds it. `look` is false for a record just made.
pub fn plan(client: Client<'_>, config: &Config, id: i64, at: Timestamp, user: i64, look: bool) -> Result<(), Failure> {
    let (day, minute) = time::local(at, config.offset_s());
    let summary = format!("{SUMMARY}{minute}");
    if look {
        let domain = json!([["res_model", "=", "crm.lead"], ["res_id", "=", id], ["summary", "=like", format!("{SUMMARY}%")]]);
        let fields = ["date_deadline", "summary"];
        if let Some(ours) =
            client.search("mail.activity", json!({ "domain": domain, "fields": fields, "order": "id", "limit": 1 }))?.first()
        {
            if ours.text("date_deadline") != day || ours.text("summary") != summary {
                let vals = json!({ "date_deadline": day, "summary": summary });
                client.call("mail.activity", "write", json!({ "ids": [ours.id()], "vals": vals }))?;
            }
            return Ok(());
        }
    }
    let mut arguments = json!({ "ids": [id], "act_type_xmlid": config.activity_type, "summary": summary, "date_deadline": day });
    if user != 0 {
        arguments["user_id"] = json!(user);
    }
    client.call("crm.lead", "activity_schedule", arguments)?;
    Ok(())
}

/// When an activity is due. Ours knows the minute.
#[must_use]
pub fn due(activity: &Record, config: &Config) -> Option<Timestamp> {
    let minute = activity.text("summary").strip_prefix(SUMMARY).unwrap_or(MORNING);
    time::from_local(activity.text("date_deadline"), minute, config.offset_s())
}
