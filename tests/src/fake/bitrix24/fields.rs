//! The fields of records: what `crm.lead.fields` and its like say, and how a value comes back.
//!
//! <https://apidocs.bitrix24.ru/api-reference/crm/leads/crm-lead-fields.html>; user fields as in
//! <https://apidocs.bitrix24.ru/api-reference/crm/universal/crm-item-add.html>: money is `300|RUB`, a yes comes back as a JSON one, a day with an hour.

use serde_json::{Map, Value, json};

use super::list::text;
use super::methods::{Fault, local};

/// Fields of the system: name, type, list, title, and what else is true of it.
type Field = (&'static str, &'static str, &'static str, &'static str, &'static str);

const OF_PEOPLE: [Field; 10] = [
    ("ID", "integer", "", "ID", "isReadOnly"),
    ("HONORIFIC", "crm_status", "HONORIFIC", "Обращение", ""),
    ("NAME", "string", "", "Имя", ""),
    ("LAST_NAME", "string", "", "Фамилия", ""),
    ("BIRTHDATE", "date", "", "Дата рождения", ""),
    ("POST", "string", "", "Должность", ""),
    ("ADDRESS_CITY", "string", "", "Город", ""),
    ("PHONE", "crm_multifield", "", "Телефон", "isMultiple"),
    ("WEB", "crm_multifield", "", "Сайт", "isMultiple"),
    ("IM", "crm_multifield", "", "Мессенджер", "isMultiple"),
];

const OF_RECORDS: [Field; 11] = [
    ("TITLE", "string", "", "Название", ""),
    ("SOURCE_ID", "crm_status", "SOURCE", "Источник", ""),
    ("SOURCE_DESCRIPTION", "string", "", "Дополнительно об источнике", ""),
    ("CURRENCY_ID", "crm_currency", "", "Валюта", ""),
    ("OPPORTUNITY", "double", "", "Сумма", ""),
    ("OPENED", "char", "", "Доступен для всех", ""),
    ("COMMENTS", "string", "", "Комментарий", ""),
    ("ASSIGNED_BY_ID", "user", "", "Ответственный", ""),
    ("DATE_CREATE", "datetime", "", "Дата создания", "isReadOnly"),
    ("CONTACT_ID", "crm_contact", "", "Контакт", "isDeprecated"),
    ("ORIGIN_ID", "string", "", "Идентификатор элемента во внешнем источнике", ""),
];

/// Fields that people of the company made: name, type, label, several values.
const MADE: [(&str, &str, &str, bool); 14] = [
    ("UF_CRM_NOTE", "string", "Примечание", false),
    ("UF_CRM_ROOF", "enumeration", "Кровля", false),
    ("UF_CRM_COLOURS", "enumeration", "Цвета", true),
    ("UF_CRM_MEASURE", "date", "День замера", false),
    ("UF_CRM_VISIT", "datetime", "Визит", false),
    ("UF_CRM_VIP", "boolean", "Важный", false),
    ("UF_CRM_BUDGET", "money", "Бюджет", false),
    ("UF_CRM_AREA", "double", "Площадь", false),
    ("UF_CRM_FLOORS", "integer", "Этажей", false),
    ("UF_CRM_LINKS", "url", "Ссылки", true),
    ("UF_CRM_SURVEYOR", "employee", "Замерщик", false),
    ("UF_CRM_INDUSTRY", "crm_status", "Отрасль", false),
    ("UF_CRM_PLAN", "file", "План", false),
    ("UF_CRM_PARTNER", "crm", "Партнёр", false),
];

/// What `crm.<kind>.fields` answers.
pub fn of(kind: &str) -> Value {
    let mut fields = Map::new();
    let more: &[Field] = match kind {
        "lead" => &[("STATUS_ID", "crm_status", "STATUS", "Стадия", "")],
        "deal" => &[
            ("STAGE_ID", "crm_status", "DEAL_STAGE", "Стадия сделки", ""),
            ("CATEGORY_ID", "crm_category", "", "Воронка", "isImmutable"),
            ("CLOSEDATE", "date", "", "Дата завершения", ""),
        ],
        "contact" => &[("CATEGORY_ID", "crm_category", "", "Воронка", "isImmutable")],
        _ => &[],
    };
    let people: &[Field] = if kind == "deal" { &OF_PEOPLE[..1] } else { &OF_PEOPLE };
    let records: &[Field] = if kind == "contact" { &[] } else { &OF_RECORDS };
    for (name, of_type, list, title, is) in people.iter().chain(records).chain(more) {
        let mut field = described(of_type, false, title);
        if !list.is_empty() {
            field["statusType"] = json!(list);
        }
        if !is.is_empty() {
            field[*is] = json!(true);
        }
        fields.insert((*name).to_owned(), field);
    }
    for (name, of_type, label, several) in MADE {
        let mut field = described(of_type, true, name);
        field["isMultiple"] = json!(several);
        for it in ["listLabel", "formLabel", "filterLabel"] {
            field[it] = json!(label);
        }
        match name {
            "UF_CRM_ROOF" => field["items"] = json!([{ "ID": "79", "VALUE": "Скатная" }, { "ID": "80", "VALUE": "Плоская" }]),
            "UF_CRM_COLOURS" => {
                field["items"] =
                    json!([{ "ID": "91", "VALUE": "Красный" }, { "ID": "92", "VALUE": "Синий" }, { "ID": "93", "VALUE": "Серый" }]);
            }
            "UF_CRM_INDUSTRY" => field["statusType"] = json!("INDUSTRY"),
            _ => {}
        }
        fields.insert(name.to_owned(), field);
    }
    Value::Object(fields)
}

fn described(of_type: &str, made: bool, title: &str) -> Value {
    json!({ "type": of_type, "isRequired": false, "isReadOnly": false, "isImmutable": false, "isMultiple": false, "isDynamic": made, "title": title })
}

/// A value as it is kept and comes back: everything becomes a text, but for lists and a yes.
pub fn kept(table: &str, field: &str, value: Value) -> Result<Value, Fault> {
    let all = of(table);
    let wrong = || Fault::new(400, "", format!("Поле \"{field}\" заполнено неверно."));
    let plain = || Some(text(&value)).filter(|it| !it.is_empty()).map_or(Value::Null, Value::from);
    let field = &all[field];
    if value.is_array() || value.is_object() {
        let items = |it: &Value| field["items"].as_array().is_none_or(|all| all.iter().any(|known| known["ID"] == text(it)));
        return if value.as_array().is_none_or(|it| it.iter().all(items)) { Ok(value) } else { Err(wrong()) };
    }
    let given = text(&value);
    if given.is_empty() {
        return Ok(Value::Null);
    }
    Ok(match field["type"].as_str().unwrap_or("") {
        "boolean" => json!(given == "1"),
        "date" => json!(format!("{}T03:00:00+03:00", given.parse::<jiff::civil::Date>().map_err(|_| wrong())?)),
        "datetime" => local(&value)?,
        "double" => json!(format!("{:.2}", given.parse::<f64>().map_err(|_| wrong())?)),
        "money" if !given.split_once('|').is_some_and(|(sum, currency)| sum.parse::<f64>().is_ok() && currency.len() == 3) => {
            return Err(wrong());
        }
        "enumeration" if !field["items"].as_array().into_iter().flatten().any(|it| it["ID"] == *given) => return Err(wrong()),
        _ => plain(),
    })
}

/// `crm.category.list`
pub fn pipelines() -> Value {
    json!({ "categories": [
        { "id": 2, "name": "Опт", "sort": 200, "entityTypeId": 2, "isDefault": "N" },
        { "id": 0, "name": "Общая", "sort": 300, "entityTypeId": 2, "isDefault": "Y" },
    ] })
}

/// `crm.currency.list`
pub fn currencies() -> Value {
    json!([
        { "CURRENCY": "RUB", "BASE": "Y", "FULL_NAME": "Российский рубль" },
        { "CURRENCY": "USD", "BASE": "N", "FULL_NAME": "Доллар США" },
    ])
}
