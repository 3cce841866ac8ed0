//! Bitrix24's shapes: numbers are texts or numbers, yes and no are `Y` and `N`, what is empty is `null`, `""`, `[]` or absent.

use serde_json::Value;

use crate::client::text;
use crate::config::Kind;

/// One record as `get` and `list` give it.
#[derive(Debug, Clone)]
pub struct Record(pub Value);

impl Record {
    /// The record's id; 0 where it has none.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.number("ID")
    }

    /// A whole number, however it is written; 0 where there is none.
    #[must_use]
    pub fn number(&self, field: &str) -> i64 {
        number(&self.0[field])
    }

    /// A text; empty where there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        match &self.0[field] {
            Value::String(it) => it.trim().to_owned(),
            it @ Value::Number(_) => text(it),
            _ => String::new(),
        }
    }

    /// A text that is there.
    #[must_use]
    pub fn present(&self, field: &str) -> Option<String> {
        Some(self.text(field)).filter(|it| !it.is_empty())
    }

    /// The values of a multiple field: `PHONE`, `EMAIL`.
    #[must_use]
    pub fn values(&self, field: &str) -> Vec<String> {
        let value = |it: &Value| it["VALUE"].as_str().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
        self.0[field].as_array().into_iter().flatten().filter_map(value).collect()
    }

    /// True while somebody works on it.
    #[must_use]
    pub fn is_open(&self, kind: Kind) -> bool {
        !matches!(self.text(kind.meaning_field()).as_str(), "S" | "F")
    }
}

/// A whole number, however it is written; 0 where there is none.
#[must_use]
pub fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()).unwrap_or(0)
}

/// Ids without those that came before, and without 0. Not by a set or a sort: they are few, and either is kilobytes.
#[must_use]
pub fn unique(all: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut found = Vec::new();
    for it in all {
        if it > 0 && !found.contains(&it) {
            found.push(it);
        }
    }
    found
}

/// The records of a list. An empty one is `[]` or `{}` or `null`.
#[must_use]
pub fn records(list: &Value) -> Vec<Record> {
    match list {
        Value::Array(items) => items.iter().map(|it| Record(it.clone())).collect(),
        Value::Object(items) => items.values().map(|it| Record(it.clone())).collect(),
        _ => Vec::new(),
    }
}

/// The fields of leads that the connector reads.
pub const LEAD_FIELDS: &[&str] = &[
    "ID",
    "TITLE",
    "NAME",
    "SECOND_NAME",
    "LAST_NAME",
    "COMPANY_TITLE",
    "ADDRESS_CITY",
    "STATUS_ID",
    "STATUS_SEMANTIC_ID",
    "SOURCE_ID",
    "SOURCE_DESCRIPTION",
    "ASSIGNED_BY_ID",
    "CREATED_BY_ID",
    "MODIFY_BY_ID",
    "CONTACT_ID",
    "COMPANY_ID",
    "ORIGINATOR_ID",
    "ORIGIN_ID",
    "UTM_SOURCE",
    "UTM_MEDIUM",
    "UTM_CAMPAIGN",
    "UTM_CONTENT",
    "UTM_TERM",
    "DATE_CREATE",
    "DATE_MODIFY",
    "PHONE",
    "EMAIL",
];

/// The fields of deals that the connector reads.
pub const DEAL_FIELDS: &[&str] = &[
    "ID",
    "TITLE",
    "STAGE_ID",
    "STAGE_SEMANTIC_ID",
    "CATEGORY_ID",
    "SOURCE_ID",
    "SOURCE_DESCRIPTION",
    "ASSIGNED_BY_ID",
    "CREATED_BY_ID",
    "MODIFY_BY_ID",
    "CONTACT_ID",
    "COMPANY_ID",
    "ORIGINATOR_ID",
    "ORIGIN_ID",
    "UTM_SOURCE",
    "UTM_MEDIUM",
    "UTM_CAMPAIGN",
    "UTM_CONTENT",
    "UTM_TERM",
    "DATE_CREATE",
    "DATE_MODIFY",
];

/// The fields of contacts that the connector reads.
pub const CONTACT_FIELDS: &[&str] =
    &["ID", "NAME", "SECOND_NAME", "LAST_NAME", "ADDRESS_CITY", "ORIGIN_ID", "DATE_MODIFY", "PHONE", "EMAIL"];

impl Kind {
    /// The fields that the connector reads.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Lead => LEAD_FIELDS,
            Self::Deal => DEAL_FIELDS,
        }
    }
}
