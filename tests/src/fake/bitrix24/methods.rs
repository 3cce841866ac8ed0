//! The methods, as far as a CRM connector calls them.

use serde_json::{Map, Value, json};

use super::application;
use super::fields;
use super::list::{PAGE, fitting, selected, text};
use super::query;
use super::store::{Row, Store};

/// An error as Bitrix24 answers it.
#[derive(Debug, Clone)]
pub struct Fault {
    /// HTTP status, where it is not inside a batch.
    pub status: u16,
    /// `error`; the older methods of the CRM have none.
    pub code: String,
    /// `error_description`
    pub text: String,
}

impl Fault {
    /// Any error.
    pub fn new(status: u16, code: &str, text: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), text: text.into() }
    }

    /// As it stands in an answer.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({ "error": self.code, "error_description": self.text })
    }
}

type Answer = Result<Value, Fault>;

/// The kinds of record with `add`, `update`, `get`, `list` and `delete`.
const KINDS: [&str; 4] = ["lead", "deal", "contact", "company"];

/// The most commands of a batch.
const MOST_COMMANDS: usize = 50;

/// Calls a method.
pub fn call(store: &mut Store, method: &str, parameters: &Value) -> Answer {
    let scope = if method.starts_with("crm.") {
        "crm"
    } else if method.starts_with("user.") {
        "user_brief"
    } else if method.starts_with("imconnector.") {
        "imopenlines"
    } else {
        ""
    };
    if !scope.is_empty() && !store.scopes.contains(&scope) {
        return Err(Fault::new(403, "insufficient_scope", ""));
    }
    if store.spent.as_deref() == Some(method) {
        return Err(Fault::new(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."));
    }
    if let Some((kind, verb)) = method.strip_prefix("crm.").and_then(|it| it.split_once('.'))
        && let Some(kind) = KINDS.into_iter().find(|it| *it == kind)
    {
        return of_kind(store, kind, verb, parameters);
    }
    if let Some(answer) = application::call(store, method, parameters) {
        return answer;
    }
    match method {
        "batch" => Ok(batch(store, parameters)),
        "profile" => Ok(json!({ "ID": "1", "ADMIN": true, "NAME": "Иван", "LAST_NAME": "Хозяинов" })),
        "scope" => Ok(json!(store.scopes)),
        "crm.settings.mode.get" => Ok(json!(store.mode)),
        "crm.status.list" => Ok(lists(&text(&parameters["filter"]["ENTITY_ID"]))),
        "crm.category.list" => Ok(fields::pipelines()),
        "crm.currency.list" => Ok(fields::currencies()),
        "crm.currency.base.get" => Ok(json!("RUB")),
        "server.time" => Ok(json!(store.now())),
        "user.get" => Ok(users(store, parameters)),
        "crm.duplicate.findbycomm" => duplicates(store, parameters),
        "crm.activity.list" => Ok(list(store, "activity", parameters)),
        "crm.activity.add" => activity(store, &parameters["fields"]),
        "crm.activity.update" => change(store, "activity", parameters),
        "crm.activity.todo.add" => todo(store, parameters),
        "crm.activity.todo.updateDeadline" => {
            let fields = json!({ "DEADLINE": local(&parameters["value"])? });
            change(store, "activity", &json!({ "id": parameters["id"], "fields": fields })).map(|_| json!({ "id": parameters["id"] }))
        }
        "crm.timeline.comment.add" => comment(store, &parameters["fields"]),
        "crm.timeline.comment.list" => Ok(list(store, "comment", parameters)),
        _ => Err(Fault::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn of_kind(store: &mut Store, kind: &'static str, verb: &str, parameters: &Value) -> Answer {
    match verb {
        "fields" => Ok(fields::of(kind)),
        "list" => Ok(list(store, kind, parameters)),
        "get" => {
            let id = id_of(parameters);
            store.get(kind, &id).ok_or_else(|| Fault::new(400, "", "Not found"))
        }
        "add" => {
            let row = filled(kind, Row::new(), &parameters["fields"])?;
            if store.refused.is_some() && store.refused.as_deref() == row.get("TITLE").and_then(Value::as_str) {
                return Err(Fault::new(400, "", "Поле \"Название\" заполнено неверно."));
            }
            let id = store.add(kind, row);
            store.events.push((event(kind, "ADD"), id));
            Ok(json!(id))
        }
        "update" => {
            let done = change(store, kind, parameters)?;
            store.events.push((event(kind, "UPDATE"), id_of(parameters).parse().unwrap_or(0)));
            Ok(done)
        }
        "delete" => {
            let id: i64 = id_of(parameters).parse().unwrap_or(0);
            store.table(kind).remove(&id).ok_or_else(|| Fault::new(400, "", "Not found"))?;
            store.events.push((event(kind, "DELETE"), id));
            Ok(json!(true))
        }
        _ => Err(Fault::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

/// The entries of a list; of all of them where none is named.
fn lists(wanted: &str) -> Value {
    let names = ["STATUS", "SOURCE", "DEAL_STAGE", "DEAL_STAGE_2", "HONORIFIC", "INDUSTRY"];
    let of = |list: &str| {
        let entry = |(code, name, meaning): (String, &str, &str)| json!({ "ENTITY_ID": list, "STATUS_ID": code, "NAME": name, "SEMANTICS": null, "EXTRA": { "SEMANTICS": meaning, "COLOR": "#39A8EF" } });
        Store::entries(list).into_iter().map(entry).collect::<Vec<_>>()
    };
    names.into_iter().filter(|it| wanted.is_empty() || *it == wanted).flat_map(of).collect()
}

fn event(kind: &str, verb: &str) -> String {
    format!("ONCRM{}{verb}", kind.to_uppercase())
}

fn id_of(parameters: &Value) -> String {
    let id = text(&parameters["id"]);
    if id.is_empty() { text(&parameters["ID"]) } else { id }
}

/// A page. The next one's start travels in a batch beside the result, and nobody here asks for it.
fn list(store: &mut Store, table: &'static str, parameters: &Value) -> Value {
    let rows = store.table(table).values().cloned().collect();
    let start = text(&parameters["start"]).parse::<i64>().unwrap_or(0).max(0);
    let found = fitting(rows, parameters);
    let page = found.iter().skip(usize::try_from(start).unwrap_or(0)).take(PAGE);
    page.map(|it| selected(it, parameters)).collect()
}

fn change(store: &mut Store, table: &'static str, parameters: &Value) -> Answer {
    let id: i64 = id_of(parameters).parse().unwrap_or(0);
    let Some(row) = store.table(table).get(&id).cloned() else { return Err(Fault::new(400, "", "Not found")) };
    let mut row = filled(table, row, &parameters["fields"])?;
    let now = store.now();
    for field in ["DATE_MODIFY", "LAST_UPDATED"] {
        row.insert(field.to_owned(), json!(now));
    }
    store.table(table).insert(id, row);
    Ok(json!(true))
}

/// A row with these fields: everything becomes a text, values of a multiple field without an id are added to what there is.
fn filled(table: &str, mut row: Row, fields: &Value) -> Result<Row, Fault> {
    let fields = fields.as_object().cloned().unwrap_or_default();
    for (field, value) in fields {
        let value = match value {
            Value::Array(new) if matches!(field.as_str(), "PHONE" | "EMAIL" | "WEB" | "IM") => {
                let mut all = row.get(&field).and_then(Value::as_array).cloned().unwrap_or_default();
                for it in new {
                    let id = (all.len() + 1).to_string();
                    all.push(json!({ "ID": id, "VALUE_TYPE": it["VALUE_TYPE"], "VALUE": it["VALUE"], "TYPE_ID": field }));
                }
                Value::Array(all)
            }
            it => fields::kept(table, &field, it)?,
        };
        row.insert(field, value);
    }
    if matches!(table, "lead" | "deal") {
        let (stage, meaning, list) = match table {
            "lead" => ("STATUS_ID", "STATUS_SEMANTIC_ID", "STATUS".to_owned()),
            _ => ("STAGE_ID", "STAGE_SEMANTIC_ID", of_pipeline(&row)),
        };
        row.entry("ASSIGNED_BY_ID").or_insert_with(|| json!("1"));
        row.entry("TITLE").or_insert_with(|| json!("Без названия"));
        let entries = Store::entries(&list);
        let first = entries.first().map(|(code, ..)| json!(code)).unwrap_or_default();
        let code = text(row.entry(stage).or_insert(first));
        let means = entries.iter().find(|(it, ..)| *it == code).map_or("process", |(_, _, meaning)| meaning);
        let means = match means {
            "success" => "S",
            "failure" | "apology" => "F",
            _ => "P",
        };
        row.insert(meaning.to_owned(), json!(means));
    }
    if table == "company" && row.get("TITLE").is_none_or(Value::is_null) {
        return Err(Fault::new(400, "", "Поле \"Название компании\" обязательно для заполнения."));
    }
    Ok(row)
}

fn of_pipeline(row: &Row) -> String {
    match row.get("CATEGORY_ID").map(text).as_deref() {
        None | Some("" | "0") => "DEAL_STAGE".to_owned(),
        Some(pipeline) => format!("DEAL_STAGE_{pipeline}"),
    }
}

/// Compares digits, as they stand there.
fn duplicates(store: &Store, parameters: &Value) -> Answer {
    let kind = text(&parameters["type"]);
    if !matches!(kind.as_str(), "PHONE" | "EMAIL") {
        return Err(Fault::new(400, "Communication type is not defined", "Parameter 'type' is required."));
    }
    let Some(values) = parameters["values"].as_array() else {
        return Err(Fault::new(400, "Communication values is not defined", "Parameter 'values' is required."));
    };
    let plain =
        |it: &str| -> String { if kind == "PHONE" { it.chars().filter(char::is_ascii_digit).collect() } else { it.trim().to_lowercase() } };
    let wanted: Vec<String> = values.iter().take(20).map(|it| plain(&text(it))).collect();
    let mut found = Map::new();
    for table in ["lead", "contact", "company"] {
        let has = |it: &Value| it[&kind].as_array().into_iter().flatten().any(|it| wanted.contains(&plain(&text(&it["VALUE"]))));
        let ids: Vec<i64> = store.all(table).iter().filter(|it| has(it)).filter_map(|it| text(&it["ID"]).parse().ok()).collect();
        if !ids.is_empty() {
            found.insert(table.to_uppercase(), json!(ids));
        }
    }
    // PHP writes an empty map as a list.
    Ok(if found.is_empty() { json!([]) } else { Value::Object(found) })
}

fn users(store: &mut Store, parameters: &Value) -> Value {
    let filter = parameters["FILTER"].as_object().cloned().unwrap_or_default();
    let fits = |row: &Row| {
        filter.iter().all(|(key, wanted)| match key.as_str() {
            "ID" if wanted.is_array() => wanted.as_array().into_iter().flatten().any(|it| text(it) == text(&row["ID"])),
            "ID" => text(wanted) == text(&row["ID"]),
            "EMAIL" => text(wanted).eq_ignore_ascii_case(&text(&row["EMAIL"])),
            "ACTIVE" => row["ACTIVE"] == matches!(text(wanted).as_str(), "1" | "true" | "Y"),
            "NAME_SEARCH" => {
                let name = format!("{} {}", text(&row["NAME"]), text(&row["LAST_NAME"])).to_lowercase();
                text(wanted).to_lowercase().split_whitespace().all(|it| name.contains(it))
            }
            _ => true,
        })
    };
    let start = text(&parameters["start"]).parse().unwrap_or(0);
    store.table("user").values().filter(|it| fits(it)).skip(start).take(PAGE).map(|it| Value::Object(it.clone())).collect()
}

/// The record that an activity or a comment belongs to.
fn owner(store: &Store, kind: &str, id: &str) -> Result<(), Fault> {
    store.get(kind, id).map(|_| ()).ok_or_else(|| Fault::new(400, "OWNER_NOT_FOUND", "Owner was not found"))
}

fn owner_kind(number: &Value) -> &'static str {
    match text(number).as_str() {
        "1" => "lead",
        "2" => "deal",
        "3" => "contact",
        _ => "company",
    }
}

fn activity(store: &mut Store, fields: &Value) -> Answer {
    owner(store, owner_kind(&fields["OWNER_TYPE_ID"]), &text(&fields["OWNER_ID"]))?;
    if fields["COMMUNICATIONS"].as_array().is_none_or(Vec::is_empty) {
        return Err(Fault::new(400, "", "The field COMMUNICATIONS is not defined or invalid."));
    }
    if text(&fields["RESPONSIBLE_ID"]).is_empty() {
        return Err(Fault::new(400, "", "The field RESPONSIBLE_ID is not defined or invalid."));
    }
    let mut row = filled("activity", Row::new(), fields)?;
    row.insert("DEADLINE".to_owned(), fields["START_TIME"].clone());
    Ok(json!(store.add("activity", row)))
}

fn todo(store: &mut Store, parameters: &Value) -> Answer {
    owner(store, owner_kind(&parameters["ownerTypeId"]), &text(&parameters["ownerId"]))?;
    let row = json!({
        "OWNER_TYPE_ID": text(&parameters["ownerTypeId"]), "OWNER_ID": text(&parameters["ownerId"]), "PROVIDER_ID": "CRM_TODO",
        "TYPE_ID": "6", "SUBJECT": text(&parameters["title"]), "DEADLINE": local(&parameters["deadline"])?, "COMPLETED": "N",
        "RESPONSIBLE_ID": text(&parameters["responsibleId"]),
    });
    let id = store.add("activity", row.as_object().expect("an object").clone());
    Ok(json!({ "id": id }))
}

/// A time as Bitrix24 gives it back: on its own clock.
pub fn local(time: &Value) -> Answer {
    let at: jiff::Timestamp = text(time).parse().map_err(|_| Fault::new(400, "WRONG_DATETIME_FORMAT", "Wrong datetime format"))?;
    let local = jiff::Timestamp::from_second(at.as_second() + 3 * 3_600).expect("it is in this century").to_string();
    Ok(json!(format!("{}+03:00", local.trim_end_matches('Z'))))
}

fn comment(store: &mut Store, fields: &Value) -> Answer {
    let kind = text(&fields["ENTITY_TYPE"]);
    owner(store, &kind, &text(&fields["ENTITY_ID"]))?;
    if text(&fields["COMMENT"]).is_empty() {
        return Err(Fault::new(400, "INVALID_ARG_VALUE", "Comment message is empty"));
    }
    let row = filled("comment", Row::new(), fields)?;
    Ok(json!(store.add("comment", row)))
}

fn batch(store: &mut Store, parameters: &Value) -> Value {
    let names = parameters["order"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let halt = matches!(text(&parameters["halt"]).as_str(), "1" | "true");
    let (mut results, mut errors) = (Map::new(), Map::new());
    for (at, name) in names.enumerate() {
        let command = text(&parameters["cmd"][name]);
        let (method, query) = command.split_once('?').unwrap_or((&command, ""));
        let answered = if at >= MOST_COMMANDS {
            Err(Fault::new(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"))
        } else if method == "batch" {
            Err(Fault::new(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"))
        } else {
            call(store, method, &query::parameters(query, &results))
        };
        match answered {
            Ok(result) => drop(results.insert(name.to_owned(), result)),
            Err(fault) => {
                errors.insert(name.to_owned(), fault.value());
                if halt {
                    break;
                }
            }
        }
    }
    let or_list = |it: Map<String, Value>| if it.is_empty() { json!([]) } else { Value::Object(it) };
    json!({ "result": or_list(results), "result_error": or_list(errors), "result_total": [], "result_next": [], "result_time": [] })
}
