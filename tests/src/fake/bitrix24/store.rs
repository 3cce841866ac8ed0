//! The records of a fake Bitrix24, in its own shapes: numbers are texts, yes and no are `Y` and `N`, what is empty is `null`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::application::Application;

/// What a record is.
pub type Row = Map<String, Value>;

/// Tables and what else there is.
#[derive(Debug)]
pub struct Store {
    tables: BTreeMap<&'static str, BTreeMap<i64, Row>>,
    /// Seconds that its clock is ahead.
    ahead: i64,
    /// Events for the outgoing webhook: name and id.
    pub(super) events: Vec<(String, i64)>,
    /// Rights of the incoming webhook.
    pub scopes: Vec<&'static str>,
    /// 1: with leads, 2: without.
    pub mode: i64,
    /// The method that has no time left.
    pub(super) spent: Option<String>,
    /// The title that a rule of the company forbids.
    pub(super) refused: Option<String>,
    /// What applications did.
    pub application: Application,
}

/// Hours that its clock is east of Greenwich.
const OFFSET_S: i64 = 3 * 3_600;

impl Default for Store {
    fn default() -> Self {
        let mut store = Self {
            tables: BTreeMap::new(),
            ahead: 0,
            events: Vec::new(),
            scopes: vec!["crm", "user_brief"],
            mode: 1,
            spent: None,
            refused: None,
            application: Application::default(),
        };
        for (id, name, last, email, active) in [
            (1, "Иван", "Хозяинов", "owner@company.example", true),
            (7, "Анна", "Ли", "anna@company.example", true),
            (8, "Пётр", "Ушедший", "gone@company.example", false),
        ] {
            let user = json!({ "ID": id.to_string(), "NAME": name, "LAST_NAME": last, "EMAIL": email, "ACTIVE": active });
            store.table("user").insert(id, user.as_object().expect("an object").clone());
        }
        store
    }
}

impl Store {
    pub(super) fn table(&mut self, name: &'static str) -> &mut BTreeMap<i64, Row> {
        self.tables.entry(name).or_default()
    }

    /// Its clock goes forward.
    pub fn pass(&mut self, seconds: i64) {
        self.ahead += seconds;
    }

    /// Seconds since 1970 on its clock.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
        i64::try_from(since.as_secs()).expect("it is in this century") + self.ahead
    }

    /// Its time as it writes it: `2026-11-22T14:00:00+03:00`.
    #[must_use]
    pub fn now(&self) -> String {
        let local = jiff::Timestamp::from_second(self.now_s() + OFFSET_S).expect("it is in this century").to_string();
        format!("{}+03:00", local.trim_end_matches('Z'))
    }

    /// Adds a record.
    pub(super) fn add(&mut self, table: &'static str, mut row: Row) -> i64 {
        // Each kind of record counts for itself, so that their numbers overlap as the real ones do.
        let id = self.table(table).keys().last().copied().unwrap_or(0) + 1;
        let now = self.now();
        row.insert("ID".to_owned(), json!(id.to_string()));
        for field in ["DATE_CREATE", "DATE_MODIFY", "CREATED", "LAST_UPDATED"] {
            row.insert(field.to_owned(), json!(now));
        }
        self.table(table).insert(id, row);
        id
    }

    /// All records of a table: `lead`, `deal`, `contact`, `company`, `activity`, `comment`, `user`.
    #[must_use]
    pub fn all(&self, table: &str) -> Vec<Value> {
        self.tables.get(table).into_iter().flatten().map(|(_, row)| Value::Object(row.clone())).collect()
    }

    /// One record.
    #[must_use]
    pub fn get(&self, table: &str, id: &str) -> Option<Value> {
        let id: i64 = id.parse().ok()?;
        self.tables.get(table)?.get(&id).map(|it| Value::Object(it.clone()))
    }

    /// The comments of a record, oldest first.
    #[must_use]
    pub fn comments(&self, kind: &str, id: &str) -> Vec<String> {
        let of = |it: &Value| it["ENTITY_TYPE"] == kind && it["ENTITY_ID"] == id;
        self.all("comment").iter().filter(|it| of(it)).map(|it| it["COMMENT"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The activities of a record that are not done.
    #[must_use]
    pub fn open_activities(&self, id: &str) -> Vec<Value> {
        self.all("activity").into_iter().filter(|it| it["OWNER_ID"] == id && it["COMPLETED"] == "N").collect()
    }

    /// This method has no time left.
    pub fn exhaust(&mut self, method: Option<&str>) {
        self.spent = method.map(str::to_owned);
    }

    /// No record gets this title: a required field, a robot or a rule of the company stands against it.
    pub fn refuse(&mut self, title: &str) {
        self.refused = Some(title.to_owned());
    }

    /// Stages and sources: code, name, meaning.
    pub(super) fn entries(of: &str) -> Vec<(String, &'static str, &'static str)> {
        let list: &[(&str, &str, &str)] = match of {
            "STATUS" => &[
                ("NEW", "Не обработан", "process"),
                ("IN_PROCESS", "В работе", "process"),
                ("UC_QUAL", "Квалифицирован", "process"),
                ("CONVERTED", "Качественный лид", "success"),
                ("UC_DEAR", "Слишком дорого", "apology"),
                ("JUNK", "Некачественный лид", "failure"),
            ],
            "SOURCE" => &[
                ("CALL", "Звонок", "process"),
                ("EMAIL", "Электронная почта", "process"),
                ("WEBFORM", "CRM-форма", "process"),
                ("UC_DIRECT", "yandex", "process"),
                ("OTHER", "Другое", "process"),
            ],
            "DEAL_STAGE" => &[
                ("NEW", "Новая", "process"),
                ("PREPARATION", "Подготовка документов", "process"),
                ("WON", "Сделка успешна", "success"),
                ("LOSE", "Сделка провалена", "failure"),
            ],
            "DEAL_STAGE_2" => &[("C2:NEW", "Знакомство", "process"), ("C2:WON", "Оплачена", "success"), ("C2:LOSE", "Отказ", "failure")],
            "HONORIFIC" => &[("HNR_RU_1", "г-н", ""), ("HNR_RU_2", "г-жа", "")],
            "INDUSTRY" => &[("IT", "Информационные технологии", ""), ("OTHER", "Другое", "")],
            _ => &[],
        };
        list.iter().map(|(code, name, meaning)| ((*code).to_owned(), *name, *meaning)).collect()
    }
}
