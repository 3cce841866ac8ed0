//! Odoo's shapes: a record is a JSON object in which an empty field is `false` and a link is `[id, name]`.

use serde_json::Value;

/// One record as `read` and `search_read` give it.
#[derive(Debug, Clone)]
pub struct Record(pub Value);

impl Record {
    /// The record's id; 0 where it has none.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.0["id"].as_i64().unwrap_or(0)
    }

    /// A text; empty where the field is `false`.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or("").trim()
    }

    /// A text that is there.
    #[must_use]
    pub fn present(&self, field: &str) -> Option<String> {
        let text = self.text(field);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The id of a link; 0 where the field is `false`.
    #[must_use]
    pub fn link(&self, field: &str) -> i64 {
        self.0[field][0].as_i64().unwrap_or(0)
    }

    /// The name of a link; empty where the field is `false`.
    #[must_use]
    pub fn link_name(&self, field: &str) -> &str {
        self.0[field][1].as_str().unwrap_or("").trim()
    }

    /// The ids of a list of links.
    #[must_use]
    pub fn links(&self, field: &str) -> Vec<i64> {
        self.0[field].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
    }
}

/// The fields of `crm.lead` that the connector reads.
pub const LEAD_FIELDS: [&str; 22] = [
    "name",
    "contact_name",
    "phone",
    "email_from",
    "partner_name",
    "city",
    "description",
    "priority",
    "type",
    "active",
    "won_status",
    "stage_id",
    "lost_reason_id",
    "user_id",
    "tag_ids",
    "source_id",
    "medium_id",
    "campaign_id",
    "create_date",
    "write_date",
    "write_uid",
    "partner_id",
];
