//! A cassette without the people who were on it.
//!
//! Secrets never reach a cassette: the host places them behind the connector's request, and answers come without them. People do: what
//! looks like an address, a telephone number or a name is replaced, the same by the same, so that a cassette plays as it was recorded.
//! What stands in the case's own files is the author's to choose and stays.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plugin::cassette::{Answer, Exchange};

/// Headers of an answer that a connector may look at; all others may hold anything.
const HEADERS: [&str; 4] = ["content-type", "retry-after", "link", "location"];
/// Fields whose text is the name of somebody, in part or in whole.
const NAMES: [&str; 14] = [
    "first_name",
    "last_name",
    "middle_name",
    "full_name",
    "display_name",
    "username",
    "user_name",
    "contact_name",
    "partner_name",
    "firstname",
    "lastname",
    "fullname",
    "nickname",
    "surname",
];

/// Replaces people by numbered ones.
#[derive(Default)]
pub struct Scrub {
    own: String,
    secrets: Vec<String>,
    replaced: BTreeMap<String, String>,
}

impl Scrub {
    /// What stands in `own`, the text of the case, stays; the secrets go wherever they stand.
    #[must_use]
    pub fn new(own: String, secrets: Vec<String>) -> Self {
        Self { own, secrets, replaced: BTreeMap::new() }
    }

    /// The cassette without people.
    pub fn cassette(&mut self, exchanges: Vec<Exchange>) -> Vec<Exchange> {
        exchanges.into_iter().map(|it| self.exchange(it)).collect()
    }

    /// How many different texts were replaced.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.replaced.len()
    }

    fn exchange(&mut self, mut it: Exchange) -> Exchange {
        // Answers first: what a connector repeats of them is replaced alike.
        let Answer { headers, body, .. } = &mut it.response;
        headers.retain(|name, _| {
            HEADERS.contains(&name.as_str()) || name.contains("rate") || name.contains("limit") || name.contains("usage")
        });
        for it in headers.values_mut() {
            *it = self.text(it);
        }
        self.value(None, body);
        it.request.headers.clear();
        it.request.path = self.text(&it.request.path);
        self.value(None, &mut it.request.body);
        it
    }

    fn value(&mut self, name: Option<&str>, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| self.value(Some(name), value)),
            Value::Array(items) => items.iter_mut().for_each(|it| self.value(name, it)),
            Value::String(text) if name.is_some_and(|it| NAMES.contains(&it)) => {
                *text = self.instead(text, |number| format!("Person {number}"));
            }
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    /// A text with the addresses and numbers in it replaced, and whatever was replaced elsewhere.
    fn text(&mut self, text: &str) -> String {
        let text = &self.secrets.iter().filter(|it| !it.is_empty()).fold(text.to_owned(), |text, it| text.replace(it, "[secret]"));
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        for letter in text.chars() {
            // Phones are written with blanks and brackets in them: those belong to the word while it is a number.
            let goes_on = !matches!(letter, ' ' | '\n' | '\t' | ',' | ';' | '<' | '>' | '"' | '\'' | '/' | '?' | '&' | '=')
                || (letter == ' ' && !word.is_empty() && word.chars().all(is_of_number));
            if goes_on {
                word.push(letter);
                continue;
            }
            let kept = word.trim_end().len();
            out += &self.word(&word[..kept]);
            out += &word[kept..];
            word.clear();
            out.push(letter);
        }
        let kept = word.trim_end().len();
        out += &self.word(&word[..kept]);
        out += &word[kept..];
        out
    }

    fn word(&mut self, word: &str) -> String {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_number =
            (10..=15).contains(&digits) && word.chars().all(is_of_number) && (word.starts_with('+') || word.contains(['(', ' ']));
        let is_address = word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if is_address {
            return self.instead(word, |number| format!("person{number}@example.com"));
        }
        if is_number {
            return self.instead(word, |number| format!("+7000{number:07}"));
        }
        self.replaced.get(word).cloned().unwrap_or_else(|| word.to_owned())
    }

    fn instead(&mut self, text: &str, other: impl Fn(usize) -> String) -> String {
        if text.is_empty() || self.own.contains(text) {
            return text.to_owned();
        }
        let number = self.replaced.len() + 1;
        self.replaced.entry(text.to_owned()).or_insert_with(|| other(number)).clone()
    }
}

fn is_of_number(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '+' | '(' | ')' | '-' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_are_replaced_alike_and_the_authors_own_stay() {
        let text = json!([
            { "request": { "endpoint": "api", "method": "GET", "path": "/find?email=anna@shop.ru&phone=+79123456789", "headers": { "x": "y" } },
              "response": { "status": 200, "headers": { "set-cookie": "session", "retry-after": "3" },
                            "body": [{ "id": "4217", "echo": "token hush", "first_name": "Boris", "email": "boris@mail.ru", "note": "call +7 (912) 000-11-22, or boris@mail.ru" }] } },
            { "request": { "endpoint": "api", "method": "POST", "path": "/leads/4217", "body": { "mail": "boris@mail.ru", "at": "2026-03-14T09:26:53Z" } },
              "response": { "status": 200 } },
        ]);
        let exchanges: Vec<Exchange> = serde_json::from_value(text).unwrap();
        let mut scrub = Scrub::new("anna@shop.ru +79123456789".to_owned(), vec!["hush".to_owned()]);
        let clean = scrub.cassette(exchanges);
        assert_eq!(clean[0].request.path, "/find?email=anna@shop.ru&phone=+79123456789");
        let all = serde_json::to_string(&clean).unwrap();
        assert!(!all.contains("oris") && !all.contains("000-11") && !all.contains("session") && !all.contains("hush"), "{all}");
        assert_eq!(clean[0].response.body[0]["email"], clean[1].request.body["mail"]);
        assert_eq!(clean[0].response.body[0]["note"], "call +70000000003, or person1@example.com");
        assert_eq!((&clean[0].response.body[0]["id"], &clean[1].request.body["at"]), (&json!("4217"), &json!("2026-03-14T09:26:53Z")));
        assert_eq!(clean[0].response.headers.keys().collect::<Vec<_>>(), ["retry-after"]);
        assert_eq!(scrub.replaced(), 3);
    }
}
