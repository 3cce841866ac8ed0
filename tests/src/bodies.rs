//! What vendors post in the tests, and what must never stand in a log.

use serde_json::{Value, json};

/// A bot's token. No bot has it.
pub const BOT_TOKEN: &str = "123456789:AAtests-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// What Telegram sends along so that the hub knows it is Telegram.
pub const WEBHOOK_SECRET: &str = "webhook-secret-of-the-tests";
/// The key that the scripted vendor's connections hold.
pub const API_KEY: &str = "api-key-of-the-tests-5d41402abc4b";
/// How people are reached in the tests.
pub const PHONE: &str = "+7 912 345-67-89";
/// The same as the hub keeps it.
pub const PHONE_E164: &str = "+79123456789";
/// An address.
pub const EMAIL: &str = "anna.petrova@example.com";
/// A person's last name.
pub const LAST_NAME: &str = "Петрова-Тестовая";

/// What must never stand in a log or on a screen unasked: secrets and people.
pub const PRIVATE: [&str; 20] = [
    BOT_TOKEN,
    WEBHOOK_SECRET,
    API_KEY,
    crate::fake::bitrix24::ACCESS,
    crate::fake::bitrix24::APPLICATION.1,
    crate::fake::bitrix24::CODE,
    crate::fake::bitrix24::REFRESH,
    crate::fake::bitrix24::TOKEN,
    crate::fake::mango::KEY,
    crate::fake::mango::SALT,
    crate::fake::oauth2::ACCESS,
    crate::fake::oauth2::REFRESH,
    crate::fake::odoo::KEY,
    crate::fake::whatsapp::APP_SECRET,
    crate::fake::whatsapp::TOKEN,
    crate::fake::whatsapp::VERIFY_TOKEN,
    PHONE,
    PHONE_E164,
    EMAIL,
    LAST_NAME,
];

/// The header by which Telegram proves itself.
pub const TELEGRAM_HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// A text message of a private chat, as Telegram posts it.
#[must_use]
pub fn telegram(update: i64, chat: i64, text: &str) -> Value {
    let person = json!({ "id": chat, "is_bot": false, "first_name": "Анна", "last_name": LAST_NAME, "language_code": "ru" });
    json!({
        "update_id": update,
        "message": {
            "message_id": update, "date": 1_760_000_000 + update, "from": person, "text": text,
            "chat": { "id": chat, "type": "private", "first_name": "Анна", "last_name": LAST_NAME },
        },
    })
}

/// A form with an id of its own, as a site posts it.
#[must_use]
pub fn form(id: &str, phone: &str, message: &str) -> Value {
    json!({ "submission_id": id, "name": format!("Анна {LAST_NAME}"), "phone": phone, "message": message })
}

/// An event for the scripted vendor's connector: a message of the person with this handle.
#[must_use]
pub fn message(id: &str, handle: &str, text: &str) -> Value {
    json!({
        "id": id, "kind": "message",
        "payload": {
            "direction": "in", "text": text, "message": {}, "conversation": { "key": handle },
            "person": { "identities": [{ "kind": "handle", "value": handle, "assurance": "vendor" }], "name": { "full": format!("Person {handle}") } },
        },
    })
}
