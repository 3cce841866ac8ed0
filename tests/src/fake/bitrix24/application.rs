//! What Bitrix24 does for applications alone: bindings of events, the queue of offline events, connectors of open lines.
//!
//! <https://apidocs.bitrix24.ru/api-reference/events/offline-events.html>: one entry for each record and event, with the time of the last
//! change; what is fetched with `clear` 0 is reserved under a process until it is cleared, and a later change is an entry of its own.
//! <https://apidocs.bitrix24.ru/api-reference/imopenlines/imconnector/>: a connector is registered, then activated for a line; names of people
//! are letters; an answer is posted once to whoever bound `OnImConnectorMessageAdd`. What it says of statuses of messages that it does not know is
//! not documented: here they are errors, so that a test notices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::list::text;
use super::methods::Fault;
use super::store::{Row, Store};

/// The number of the chat in which operators answer, as Bitrix24 counts chats.
const IN_CHAT: &str = "1807";

/// What applications did here.
#[derive(Debug, Default)]
pub struct Application {
    /// True while an application asks, and not an incoming webhook.
    pub(super) asks: bool,
    /// The company's plan has no confirmed fetching (`rest_offline_extended`).
    pub poor: bool,
    /// Whoever let the application in is no administrator.
    pub modest: bool,
    /// Event, handler, whether it is an offline one.
    bound: Vec<(String, String, bool)>,
    queue: Vec<Row>,
    entries: i64,
    processes: i64,
    connectors: BTreeSet<String>,
    active: BTreeSet<(String, String)>,
    /// What came from people into open lines, as `imconnector.send.messages` has it.
    pub shown: Vec<Value>,
    /// What became of operators' answers: method, then message as `imconnector.send.status.delivery` has it.
    pub statuses: Vec<(String, Value)>,
    /// Answers of operators: chat of the other side by the number of the message.
    answers: BTreeMap<i64, String>,
}

type Answer = Result<Value, Fault>;

/// Calls a method of applications; None: it is none of them.
pub(super) fn call(store: &mut Store, method: &str, it: &Value) -> Option<Answer> {
    if !method.starts_with("event.") && !method.starts_with("imconnector.") && method != "feature.get" {
        return None;
    }
    if method != "feature.get" && !store.application.asks {
        let why = "Current authorization type is denied for this method Application context required";
        return Some(Err(Fault::new(403, "WRONG_AUTH_TYPE", why)));
    }
    if method.starts_with("event.offline.") && store.application.modest {
        return Some(Err(Fault::new(403, "ACCESS_DENIED", "Access denied!")));
    }
    let app = &mut store.application;
    Some(match method {
        "feature.get" => Ok(json!({ "value": if app.poor { "N" } else { "Y" } })),
        "event.bind" => app.bind(it),
        "event.get" => Ok(app
            .bound
            .iter()
            .map(
                |(event, handler, offline)| json!({ "event": event, "handler": handler, "auth_type": "0", "offline": i32::from(*offline) }),
            )
            .collect()),
        "event.offline.list" => Ok(app.queue.iter().take(50).map(|it| Value::Object(it.clone())).collect()),
        "event.offline.get" => Ok(app.fetch(it)),
        "event.offline.clear" => {
            let process = text(&it["process_id"]);
            app.queue.retain(|it| process.is_empty() || text(&it["PROCESS_ID"]) != process);
            Ok(json!(true))
        }
        "imconnector.register" => Ok(app.register(it)),
        "imconnector.activate" => app.activate(it),
        "imconnector.connector.data.set" => argument(it, &["CONNECTOR", "LINE", "DATA"]).map(|()| json!(true)),
        "imconnector.send.messages" => argument(it, &["CONNECTOR", "LINE", "MESSAGES"]).map(|()| app.show(it)),
        "imconnector.send.status.delivery" | "imconnector.send.status.reading" => {
            argument(it, &["CONNECTOR", "LINE", "MESSAGES"]).and_then(|()| app.mark(method, it))
        }
        _ => Err(Fault::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    })
}

fn argument(it: &Value, names: &[&str]) -> Result<(), Fault> {
    let empty = |name: &&&str| it[**name].is_null() || it[**name] == "";
    match names.iter().find(empty) {
        Some(name) => Err(Fault::new(400, "ERROR_ARGUMENT", format!("Argument '{name}' is null or empty"))),
        None => Ok(()),
    }
}

impl Application {
    fn bind(&mut self, it: &Value) -> Answer {
        let (event, handler) = (text(&it["event"]).to_uppercase(), text(&it["handler"]));
        let offline = it["event_type"] == "offline";
        if offline && self.modest {
            return Err(Fault::new(403, "ACCESS_DENIED", "Access denied! Offline events binding requires administrator access rights"));
        }
        if handler.is_empty() && !offline {
            return Err(Fault::new(400, "ERROR_ARGUMENT", "Argument 'HANDLER' is null or empty"));
        }
        if self.bound.contains(&(event.clone(), handler.clone(), offline)) {
            return Err(Fault::new(400, "ERROR_CORE", "Unable to set event handler: Handler already binded"));
        }
        self.bound.push((event, handler, offline));
        Ok(json!(true))
    }

    /// Something happened to a record.
    pub(super) fn note(&mut self, event: &str, id: i64, now: &str) {
        if !self.bound.iter().any(|(it, _, offline)| *offline && it == event) {
            return;
        }
        let message = id.to_string();
        let same = |it: &&mut Row| it["EVENT_NAME"] == event && it["MESSAGE_ID"] == message.as_str() && it["PROCESS_ID"] == "";
        if let Some(entry) = self.queue.iter_mut().find(same) {
            entry.insert("TIMESTAMP_X".to_owned(), json!(now));
            return;
        }
        self.entries += 1;
        let entry = json!({
            "ID": self.entries.to_string(), "TIMESTAMP_X": now, "EVENT_NAME": event, "EVENT_DATA": { "FIELDS": { "ID": id } },
            "EVENT_ADDITIONAL": false, "MESSAGE_ID": message, "PROCESS_ID": "", "ERROR": "0",
        });
        self.queue.push(entry.as_object().expect("an object").clone());
    }

    /// Entries that wait, reserved ones too.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn fetch(&mut self, it: &Value) -> Value {
        let limit = text(&it["limit"]).parse().unwrap_or(50).min(50);
        let clear = text(&it["clear"]) != "0";
        self.processes += 1;
        let process = format!("process{:026}", self.processes);
        let mut events = Vec::new();
        for entry in self.queue.iter_mut().filter(|it| it["PROCESS_ID"] == "").take(limit) {
            entry.insert("PROCESS_ID".to_owned(), json!(process));
            let mut shown = entry.clone();
            shown.remove("PROCESS_ID");
            shown.remove("ERROR");
            events.push(Value::Object(shown));
        }
        if clear {
            self.queue.retain(|it| it["PROCESS_ID"] != process.as_str());
        }
        json!({ "process_id": if clear { Value::Null } else { json!(process) }, "events": events })
    }

    fn register(&mut self, it: &Value) -> Value {
        let id = text(&it["ID"]).to_lowercase();
        let refused = |code: &str, why: &str| json!({ "result": false, "error": code, "error_description": why });
        if id.is_empty() || id.contains('.') {
            return refused("CONNECTOR_ID_REQUIRED", "Не указан ID коннектора");
        }
        if text(&it["NAME"]).is_empty() {
            return refused("NAME_REQUIRED", "Не указано имя коннектора");
        }
        if !text(&it["ICON"]["DATA_IMAGE"]).starts_with("data:image/svg+xml,") {
            return refused("ICON_REQUIRED", "Не указана иконка коннектора");
        }
        if text(&it["PLACEMENT_HANDLER"]).is_empty() {
            return refused("NO_PLACEMENT_HANDLER", "Не удалось получить URL обработчика встраивания");
        }
        self.connectors.insert(id);
        json!({ "result": true })
    }

    fn activate(&mut self, it: &Value) -> Answer {
        argument(it, &["CONNECTOR", "LINE", "ACTIVE"])?;
        let (connector, line) = (text(&it["CONNECTOR"]), text(&it["LINE"]));
        if !self.connectors.contains(&connector) {
            return Err(Fault::new(400, "IMCONNECTOR_NO_CORRECT_PROVIDER", "Не удалось найти подходящий провайдер для коннектора"));
        }
        self.active.insert((connector, line));
        Ok(json!(true))
    }

    fn show(&mut self, it: &Value) -> Value {
        let active = self.active.contains(&(text(&it["CONNECTOR"]), text(&it["LINE"])));
        let results: Vec<Value> = it["MESSAGES"].as_array().into_iter().flatten().map(|it| self.shown_one(it, active)).collect();
        json!({ "SUCCESS": active, "DATA": { "RESULT": results } })
    }

    fn mark(&mut self, method: &str, it: &Value) -> Answer {
        if !self.active.contains(&(text(&it["CONNECTOR"]), text(&it["LINE"]))) {
            return Err(Fault::new(400, "IMCONNECTOR_NO_CORRECT_PROVIDER", "Не удалось найти подходящий провайдер для коннектора"));
        }
        for message in it["MESSAGES"].as_array().into_iter().flatten() {
            let number = text(&message["im"]["message_id"]).parse().unwrap_or(0);
            let ids = message["message"]["id"].as_array().is_some_and(|it| !it.is_empty());
            let is_known = self.answers.get(&number).is_some_and(|chat| message["chat"]["id"] == chat.as_str());
            if !ids || !is_known || text(&message["im"]["chat_id"]) != IN_CHAT {
                return Err(Fault::new(400, "ERROR_ARGUMENT", format!("there is no such message in this chat: {message}")));
            }
            self.statuses.push((method.to_owned(), message.clone()));
        }
        Ok(json!({ "SUCCESS": true, "DATA": [] }))
    }

    fn shown_one(&mut self, it: &Value, active: bool) -> Value {
        let is_name = |it: &Value| text(it).chars().count() <= 25 && text(it).chars().all(|it| it.is_alphabetic() || " -'".contains(it));
        let refused = |why: &str| json!({ "SUCCESS": false, "ERRORS": [why] });
        let chat = text(&it["chat"]["id"]);
        if !active {
            return refused("Коннектор не активен");
        }
        if text(&it["user"]["id"]).is_empty() || chat.is_empty() {
            return refused("Не указан пользователь или чат");
        }
        if !is_name(&it["user"]["name"]) || !is_name(&it["user"]["last_name"]) {
            return refused("Имя содержит недопустимые символы");
        }
        if text(&it["message"]["text"]).is_empty() && it["message"]["files"].as_array().is_none_or(Vec::is_empty) {
            return refused("Пустое сообщение");
        }
        self.shown.push(it.clone());
        let known: BTreeSet<String> = self.shown.iter().map(|it| text(&it["chat"]["id"])).collect();
        let number = known.iter().position(|it| *it == chat).unwrap_or(0) + 300;
        json!({ "user": "585", "message": it["message"], "chat": it["chat"], "SUCCESS": true, "session": { "ID": number.to_string(), "CHAT_ID": (number + 1_400).to_string() } })
    }

    /// An operator's answer: where it is posted, and what. None: nobody wrote from this chat, or nobody bound the event.
    pub(super) fn answer(&mut self, chat: &str, words: &str, ts: i64, token: &str) -> Option<(String, String)> {
        let (_, handler, _) = self.bound.iter().find(|(event, _, offline)| event == "ONIMCONNECTORMESSAGEADD" && !offline)?;
        let (connector, line) = self.active.first()?;
        self.shown.iter().find(|it| it["chat"]["id"] == chat)?;
        let number = 86_001 + i64::try_from(self.answers.len()).unwrap_or(0);
        self.answers.insert(number, chat.to_owned());
        let of = |name: &str| format!("data[MESSAGES][0]{name}");
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("event", "ONIMCONNECTORMESSAGEADD")
            .append_pair("event_handler_id", "555")
            .append_pair("data[CONNECTOR]", connector)
            .append_pair("data[LINE]", line)
            .append_pair(&of("[im][chat_id]"), IN_CHAT)
            .append_pair(&of("[im][message_id]"), &number.to_string())
            .append_pair(&of("[message][user_id]"), "7")
            .append_pair(&of("[message][text]"), words)
            .append_pair(&of("[chat][id]"), chat)
            .append_pair("ts", &ts.to_string())
            .append_pair("auth[domain]", "company.bitrix24.example")
            .append_pair("auth[member_id]", "a223c6b3710f85df22e9377d6c4f7553")
            .append_pair("auth[application_token]", token)
            .finish();
        Some((handler.clone(), body))
    }
}
