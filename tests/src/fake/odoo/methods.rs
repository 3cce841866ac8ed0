//! The methods of the models, as far as a CRM connector calls them.

use serde_json::{Value, json};

use super::customers::{self, WIZARD};
use super::domain::Domain;
use super::store::{Kind, Row, Store, fields_of, kind_of, row};

/// An error as the JSON-2 API answers it.
#[derive(Debug)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// The exception's name with its module.
    pub name: String,
    /// Its text.
    pub message: String,
}

impl Fault {
    /// Any error.
    pub fn new(status: u16, name: &str, message: impl Into<String>) -> Self {
        Self { status, name: name.to_owned(), message: message.into() }
    }

    /// Python's `ValueError`: 500, since Odoo has no status for it.
    pub fn value_error(message: impl Into<String>) -> Self {
        Self::new(500, "builtins.ValueError", message)
    }

    fn missing(model: &str, id: i64) -> Self {
        let message = format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: 2)");
        Self::new(404, "odoo.exceptions.MissingError", message)
    }
}

type Answer = Result<Value, Fault>;

/// Calls a method with named arguments.
pub fn call(store: &mut Store, model: &str, method: &str, arguments: &Value) -> Answer {
    if fields_of(model).is_empty() {
        return Err(Fault::new(404, "werkzeug.exceptions.NotFound", format!("the model '{model}' does not exist")));
    }
    let ids: Vec<i64> = arguments["ids"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    if !ids.is_empty() && matches!(method, "load" | "search" | "search_read" | "search_count" | "create" | "name_create" | "name_search") {
        let message = format!("cannot call {model}.{method} with ids");
        return Err(Fault::new(422, "werkzeug.exceptions.UnprocessableEntity", message));
    }
    let lead = model == "crm.lead";
    match method {
        "search_read" => search(store, model, arguments).and_then(|ids| read(store, model, &ids, &arguments["fields"])),
        "search" => search(store, model, arguments).map(|it| json!(it)),
        "search_count" => search(store, model, arguments).map(|it| json!(it.len())),
        "read" => read(store, model, &ids, &arguments["fields"]),
        "fields_get" => Ok(fields_get(model, arguments)),
        "name_search" => Ok(store.named(model, text(&arguments["name"])).map_or_else(|| json!([]), |id| json!([[id, arguments["name"]]]))),
        "name_create" => name_create(store, model, text(&arguments["name"])),
        "create" => create(store, model, arguments),
        "write" => write(store, model, &ids, arguments.get("vals")),
        "unlink" => {
            exist(store, model, &ids)?;
            for id in &ids {
                store.remove(model, *id);
            }
            Ok(json!(true))
        }
        "has_access" => Ok(json!(true)),
        "context_get" if model == "res.users" => Ok(json!({ "lang": "en_US", "tz": false, "uid": 2 })),
        "load" if lead => load(store, arguments),
        "action_set_won" if lead => change(store, &ids, &json!({ "active": true, "stage_id": 4, "probability": 100 })),
        "action_set_lost" if lead => {
            let reason = arguments.get("lost_reason_id").cloned().unwrap_or(json!(false));
            change(store, &ids, &json!({ "active": false, "probability": 0, "lost_reason_id": reason }))
        }
        "action_unarchive" if lead => {
            exist(store, model, &ids)?;
            let archived: Vec<i64> = ids.into_iter().filter(|id| store.get(model, *id).is_some_and(|it| it["active"] == false)).collect();
            change(store, &archived, &json!({ "active": true, "probability": 10, "lost_reason_id": false }))
        }
        "merge_opportunity" if lead => merge(store, ids),
        "action_merge" if model == WIZARD => exist(store, model, &ids).map(|()| customers::merge(store, &ids)),
        "message_post" if lead => message_post(store, &ids, arguments),
        "activity_schedule" if lead => activity_schedule(store, &ids, arguments),
        "action_feedback" if model == "mail.activity" => write(store, model, &ids, Some(&json!({ "active": false }))),
        _ => Err(Fault::new(404, "werkzeug.exceptions.NotFound", format!("The method '{model}.{method}' does not exist"))),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn exist(store: &Store, model: &str, ids: &[i64]) -> Result<(), Fault> {
    ids.iter().find(|id| store.get(model, **id).is_none()).map_or(Ok(()), |id| Err(Fault::missing(model, *id)))
}

fn search(store: &Store, model: &str, arguments: &Value) -> Result<Vec<i64>, Fault> {
    let domain = Domain::parse(model, &arguments["domain"])?;
    let active_test = arguments["context"]["active_test"] != false;
    let limit = arguments["limit"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    let order = arguments["order"].as_str().unwrap_or(if model == "crm.stage" { "sequence" } else { "id" });
    Ok(store.search(model, &domain, active_test, order, limit))
}

fn read(store: &Store, model: &str, ids: &[i64], fields: &Value) -> Answer {
    let wanted: Vec<&str> = fields.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(unknown) = wanted.iter().find(|it| kind_of(model, it).is_none()) {
        return Err(Fault::value_error(format!("Invalid field '{unknown}' on '{model}'")));
    }
    let rows = ids.iter().filter_map(|id| store.get(model, *id));
    Ok(rows
        .map(|row| {
            let mut shown = Row::new();
            shown.insert("id".to_owned(), row["id"].clone());
            for field in &wanted {
                let value = &row[*field];
                let value = match kind_of(model, field) {
                    Some(Kind::Link(to)) => value.as_i64().map_or(json!(false), |id| json!([id, name_of(store, to, id)])),
                    Some(Kind::Time) => value.as_str().map_or(json!(false), |it| json!(it.get(..19).unwrap_or(it))),
                    _ => value.clone(),
                };
                shown.insert((*field).to_owned(), value);
            }
            Value::Object(shown)
        })
        .collect())
}

/// Fields with what Odoo says of them; `write_…` and the like are for looking only.
fn fields_get(model: &str, arguments: &Value) -> Value {
    let only: Option<Vec<&str>> = arguments["allfields"].as_array().map(|it| it.iter().map(text).collect());
    let fields = fields_of(model).iter().filter(|(name, _)| only.as_ref().is_none_or(|it| it.contains(name)));
    let described = fields.map(|(name, kind)| {
        let (odoo, more) = match kind {
            Kind::Text => ("char", json!({})),
            Kind::Day => ("date", json!({})),
            Kind::Time => ("datetime", json!({})),
            Kind::Number if *name == "id" => ("integer", json!({})),
            Kind::Number => ("monetary", json!({})),
            Kind::Flag => ("boolean", json!({})),
            Kind::Choice(words) => ("selection", json!({ "selection": words.iter().map(|it| [it, it]).collect::<Vec<_>>() })),
            Kind::Link(to) => ("many2one", json!({ "relation": to })),
            Kind::Links(to) => ("many2many", json!({ "relation": to })),
        };
        let computed = matches!(*name, "id" | "create_date" | "write_date" | "write_uid" | "won_status" | "email_normalized");
        let mut field =
            json!({ "type": odoo, "string": name.replace('_', " "), "required": *name == "name", "readonly": computed, "store": true });
        field.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        ((*name).to_owned(), field)
    });
    Value::Object(described.collect())
}

fn name_of(store: &Store, model: &str, id: i64) -> String {
    store.get(model, id).map(|it| text(&it["name"]).to_owned()).unwrap_or_default()
}

fn name_create(store: &mut Store, model: &str, name: &str) -> Answer {
    if model == "crm.tag" && store.named(model, name).is_some() {
        let message = "The operation cannot be completed: Tag name already exists!";
        return Err(Fault::new(422, "odoo.exceptions.ValidationError", message));
    }
    let id = store.insert(model, row(json!({ "name": name })));
    Ok(json!([id, name]))
}

fn create(store: &mut Store, model: &str, arguments: &Value) -> Answer {
    let mut rows = Vec::new();
    for values in arguments["vals_list"].as_array().into_iter().flatten() {
        rows.push(checked(store, model, values)?);
    }
    Ok(rows.into_iter().map(|it| json!(store.insert(model, it))).collect())
}

fn write(store: &mut Store, model: &str, ids: &[i64], vals: Option<&Value>) -> Answer {
    let Some(vals) = vals else {
        return Err(Fault::new(422, "werkzeug.exceptions.UnprocessableEntity", "missing a required argument: 'vals'"));
    };
    exist(store, model, ids)?;
    for id in ids {
        let mut values = checked(store, model, vals)?;
        for (field, value) in &mut values {
            if matches!(kind_of(model, field), Some(Kind::Links(_))) {
                let mut links = store.get(model, *id).and_then(|it| it[field].as_array().cloned()).unwrap_or_default();
                links.extend(value.as_array().into_iter().flatten().map(|it| it[1].clone()));
                links.dedup();
                *value = links.into();
            }
        }
        store.update(model, *id, values);
    }
    Ok(json!(true))
}

fn change(store: &mut Store, ids: &[i64], values: &Value) -> Answer {
    write(store, "crm.lead", ids, Some(values))
}

/// Values that a record may have: Odoo names the first that it may not.
fn checked(store: &Store, model: &str, values: &Value) -> Result<Row, Fault> {
    let mut row = Row::new();
    for (field, value) in values.as_object().into_iter().flatten() {
        match kind_of(model, field) {
            None if field == "res_model_id" => {}
            None => return Err(Fault::value_error(format!("Invalid field '{field}' in '{model}'"))),
            Some(Kind::Choice(words)) if !words.contains(&text(value)) => {
                return Err(Fault::value_error(format!("Wrong value for {model}.{field}: '{}'", text(value))));
            }
            Some(Kind::Link(to)) => match value.as_i64() {
                Some(id) if store.get(to, id).is_none() => return Err(Fault::missing(to, id)),
                _ => {}
            },
            Some(_) => {}
        }
        row.insert(field.clone(), value.clone());
    }
    Ok(row)
}

/// A value of an import, once it is known that the line will do.
enum Cell {
    Value(Value),
    Link(&'static str, String),
    Links(&'static str, Vec<String>),
}

/// A line of an import: its external id, its fields.
type Line = (Option<String>, Vec<(String, Cell)>);

fn load(store: &mut Store, arguments: &Value) -> Answer {
    let columns: Vec<&str> = arguments["fields"].as_array().into_iter().flatten().map(text).collect();
    let may_create = &arguments["context"]["name_create_enabled_fields"];
    let mut lines: Vec<Line> = Vec::new();
    let mut messages = Vec::new();
    for (number, data) in arguments["data"].as_array().into_iter().flatten().enumerate() {
        let mut line: Line = (None, Vec::new());
        for (column, value) in columns.iter().zip(data.as_array().into_iter().flatten()) {
            if *column == "id" {
                line.0 = value.as_str().map(str::to_owned);
                continue;
            }
            match cell(store, column, value, may_create)? {
                Ok(cell) => line.1.push((column.split('/').next().unwrap_or("").to_owned(), cell)),
                Err((field, message)) => messages.push(json!({
                    "rows": { "from": number, "to": number }, "record": number, "type": "error", "field": field, "message": message,
                })),
            }
        }
        let known = line.0.as_deref().is_some_and(|it| store.external_id(it).is_some());
        let named = line.1.iter().any(|(field, cell)| field == "name" && matches!(cell, Cell::Value(it) if it.is_string()));
        if !known && !named {
            let message = "Missing required value for the field 'Opportunity' (name).\nModel: 'Lead' (crm.lead)\n- create/update: a mandatory field is not set\n";
            messages.push(
                json!({ "rows": { "from": number, "to": number }, "record": number, "type": "error", "field": "name", "message": message }),
            );
        }
        lines.push(line);
    }
    if !messages.is_empty() {
        return Ok(json!({ "ids": false, "messages": messages, "nextrow": 0 }));
    }
    let ids: Vec<i64> = lines.into_iter().map(|(external, cells)| import(store, external, cells)).collect();
    Ok(json!({ "ids": ids, "messages": [], "nextrow": 0 }))
}

fn import(store: &mut Store, external: Option<String>, cells: Vec<(String, Cell)>) -> i64 {
    let mut values = Row::new();
    for (field, cell) in cells {
        let mut link =
            |model: &str, name: &str| store.named(model, name).unwrap_or_else(|| store.insert(model, row(json!({ "name": name }))));
        let value = match cell {
            Cell::Value(value) => value,
            Cell::Link(model, name) => json!(link(model, &name)),
            Cell::Links(model, names) => names.iter().map(|it| json!(link(model, it))).collect(),
        };
        values.insert(field, value);
    }
    let known = external.as_deref().and_then(|it| store.external_id(it));
    if let Some(id) = known {
        store.update("crm.lead", id, values);
        return id;
    }
    let id = store.insert("crm.lead", values);
    if let Some(name) = external {
        store.name_external(&name, id);
    }
    id
}

/// A cell of an import, or the field and the message that say why not.
fn cell(store: &Store, column: &str, value: &Value, may_create: &Value) -> Result<Result<Cell, (String, String)>, Fault> {
    let (field, by_id) = column.strip_suffix("/.id").map_or((column, false), |it| (it, true));
    let Some(kind) = kind_of("crm.lead", field) else {
        return Err(Fault::value_error(format!("Invalid field name '{field}'")));
    };
    let given = text(value);
    let unknown = |what: &str, label: &str| (field.to_owned(), format!("No matching record found for {what} '{given}' in field '{label}'"));
    let missing = |model: &str, name: &str| store.named(model, name).is_none() && may_create[field] != true;
    let label = match field {
        "stage_id" => "Stage",
        "user_id" => "Salesperson",
        other => other,
    };
    Ok(match kind {
        Kind::Link(_) if given.is_empty() => Ok(Cell::Value(json!(false))),
        Kind::Link(model) if by_id => match given.parse::<i64>() {
            Ok(id) if store.get(model, id).is_some() => Ok(Cell::Value(json!(id))),
            _ => Err(unknown("database id", label)),
        },
        Kind::Link(model) if missing(model, given) => Err(unknown("name", label)),
        Kind::Link(model) => Ok(Cell::Link(model, given.to_owned())),
        Kind::Links(model) if by_id => {
            let ids: Option<Vec<i64>> = given.split(',').map(|it| it.parse().ok().filter(|it| store.get(model, *it).is_some())).collect();
            ids.map_or_else(|| Err(unknown("database id", label)), |ids| Ok(Cell::Value(json!(ids))))
        }
        Kind::Links(model) => {
            let names: Vec<String> = given.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            if names.iter().any(|it| missing(model, it)) { Err(unknown("name", label)) } else { Ok(Cell::Links(model, names)) }
        }
        Kind::Choice(words) if !words.contains(&given) => {
            Err((field.to_owned(), format!("Value '{given}' not found in selection field '{label}'")))
        }
        _ if given.is_empty() => Ok(Cell::Value(json!(false))),
        Kind::Number => match given.parse::<f64>() {
            Ok(number) => Ok(Cell::Value(json!(number))),
            Err(_) => Err((field.to_owned(), format!("'{given}' does not seem to be a number for field '{label}'"))),
        },
        _ => Ok(Cell::Value(json!(given))),
    })
}

fn message_post(store: &mut Store, ids: &[i64], arguments: &Value) -> Answer {
    let [lead] = ids else { return Err(Fault::value_error("Expected singleton: crm.lead()")) };
    exist(store, "crm.lead", ids)?;
    let body = text(&arguments["body"]);
    let escaped = || format!("<p>{}</p>", body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let body = if arguments["body_is_html"] == true { body.to_owned() } else { escaped() };
    let date = arguments.get("date").cloned().unwrap_or_else(|| json!(super::store::now()));
    let kind = arguments.get("message_type").cloned().unwrap_or(json!("notification"));
    let id = store.insert(
        "mail.message",
        row(json!({
            "model": "crm.lead", "res_id": lead, "body": body, "date": date, "message_type": kind, "message_id": arguments.get("message_id").cloned().unwrap_or(json!(false)),
        })),
    );
    Ok(json!([id]))
}

fn activity_schedule(store: &mut Store, ids: &[i64], arguments: &Value) -> Answer {
    exist(store, "crm.lead", ids)?;
    let made = ids.iter().map(|lead| {
        let values = json!({
            "res_model": "crm.lead", "res_id": lead, "summary": arguments["summary"], "date_deadline": arguments["date_deadline"],
            "user_id": arguments.get("user_id").cloned().unwrap_or(json!(false)),
        });
        json!(store.insert("mail.activity", row(values)))
    });
    Ok(made.collect())
}

/// The oldest of those that came furthest stays; it gets the histories, the tags and what it had not itself, and the others go.
fn merge(store: &mut Store, mut ids: Vec<i64>) -> Answer {
    exist(store, "crm.lead", &ids)?;
    if ids.len() < 2 {
        let message = "Select at least two Leads/Opportunities from the list to merge them.";
        return Err(Fault::new(422, "odoo.exceptions.UserError", message));
    }
    ids.sort_by_key(|id| (store.get("crm.lead", *id).map(|it| -it["stage_id"].as_i64().unwrap_or(0)), *id));
    let head = ids[0];
    let mut merged = store.get("crm.lead", head).cloned().unwrap_or_default();
    for tail in &ids[1..] {
        for (field, theirs) in store.get("crm.lead", *tail).cloned().unwrap_or_default() {
            let ours = merged.entry(field.clone()).or_insert(json!(false));
            if field == "description" && ours.is_string() && theirs.is_string() {
                *ours = json!(format!("{}<br><br>{}", text(ours), text(&theirs)));
            } else if let (Value::Array(ours), Value::Array(theirs)) = (&mut *ours, &theirs) {
                ours.extend(theirs.iter().cloned());
            } else if *ours == false && field != "active" {
                *ours = theirs;
            }
        }
        for model in ["mail.message", "mail.activity"] {
            let moved: Vec<i64> = if model == "mail.message" { store.notes(*tail) } else { store.activities(*tail) }
                .iter()
                .filter_map(|it| it["id"].as_i64())
                .collect();
            for id in moved {
                store.update(model, id, row(json!({ "res_id": head })));
            }
        }
        store.remove("crm.lead", *tail);
    }
    store.update("crm.lead", head, merged);
    Ok(json!([head]))
}
