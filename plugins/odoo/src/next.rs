//! The next contact: one planned activity of the record, moved when the hub moves it.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Timestamp;

use crate::ask::{Search, arguments, ids, term};
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
        let domain = vec![term("res_model", "=", "crm.lead"), term("res_id", "=", id), term("summary", "=like", [SUMMARY, "%"].concat())];
        let fields = ["date_deadline", "summary"];
        if let Some(ours) = client.search("mail.activity", Search::new(domain, &fields).order("id").limit(1))?.first() {
            if ours.text("date_deadline") != day || ours.text("summary") != summary {
                let vals = arguments([("date_deadline", day.into()), ("summary", summary.into())]);
                client.call("mail.activity", "write", arguments([("ids", ids(&[ours.id()])), ("vals", vals.into())]))?;
            }
            return Ok(());
        }
    }
    let mut arguments = arguments([
        ("ids", ids(&[id])),
        ("act_type_xmlid", config.activity_type.as_str().into()),
        ("summary", summary.into()),
        ("date_deadline", day.into()),
    ]);
    if user != 0 {
        arguments.put("user_id", user);
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
