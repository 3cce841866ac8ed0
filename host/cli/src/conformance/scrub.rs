//! A cassette without the people who were on it.
//!
//! Secrets never reach a cassette: the host places them behind the connector's request, and answers come without them. People do: what
//! looks like an address, a telephone number or a name is replaced, the same by the same, so that a cassette plays as it was recorded.
//! What stands in the case's own files is the author's to choose and stays.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use patchbay_host::plugin::cassette::{Answer, Exchange};

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

/// Lines of letters and of line protocols whose value begins with the name of somebody, or is one.
const NAMED_LINES: [&str; 8] = ["from", "to", "cc", "reply-to", "sender", "calleridname", "connectedlinename", "destcalleridname"];

/// Replaces people by numbered ones.
#[derive(Default)]
pub struct Scrub {
    own: String,
    secrets: Vec<String>,
    replaced: BTreeMap<(String, Writing), String>,
    writing: Writing,
}

/// How long what stands in the place of a text may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Writing {
    /// As long as it is.
    #[default]
    Free,
    /// As many bytes as before: line protocols say how many follow.
    SameLength,
}

impl Scrub {
    /// What stands in `own`, the text of the case, stays; the secrets go wherever they stand.
    #[must_use]
    pub fn new(own: String, secrets: Vec<String>) -> Self {
        Self { own, secrets, ..Self::default() }
    }

    /// The cassette without people.
    pub fn cassette(&mut self, exchanges: Vec<Exchange>) -> Vec<Exchange> {
        exchanges.into_iter().map(|it| self.exchange(it)).collect()
    }

    /// Frames of a stream without people: JSON, or lines.
    pub fn frames(&mut self, frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        frames.into_iter().map(|it| self.frame(&it)).collect()
    }

    fn frame(&mut self, frame: &[u8]) -> Vec<u8> {
        if let Ok(mut document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(frame) {
            self.value(None, &mut document);
            return document.to_string().into_bytes();
        }
        let text = String::from_utf8_lossy(frame);
        let lines: Vec<String> = text.split("\r\n").flat_map(|it| it.split('\n')).map(|it| self.line(it)).collect();
        lines.join("\r\n").into_bytes()
    }

    /// How many different texts were replaced.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.replaced.len()
    }

    fn exchange(&mut self, mut it: Exchange) -> Exchange {
        // Answers first: what a connector repeats of them is replaced alike.
        let Answer { headers, body, dialogue, .. } = &mut it.response;
        headers.retain(|name, _| {
            HEADERS.contains(&name.as_str()) || name.contains("rate") || name.contains("limit") || name.contains("usage")
        });
        for it in headers.values_mut() {
            *it = self.text(it);
        }
        self.value(None, body);
        self.writing = Writing::SameLength;
        // The server first here too: the connector repeats what it said.
        for by in ["S", "C"] {
            dialogue.iter_mut().filter(|it| it.starts_with(by)).for_each(|it| *it = self.said(it));
        }
        self.writing = Writing::Free;
        it.request.headers.clear();
        it.request.path = self.text(&it.request.path);
        self.value(None, &mut it.request.body);
        it
    }

    /// A line of a dialogue, with what says whose it is in front.
    fn said(&mut self, line: &str) -> String {
        if let Some(bytes) = line.strip_prefix("S=").and_then(|it| STANDARD.decode(it.trim()).ok()) {
            // Each byte is a letter here, so that what is no text stays as it was.
            let text: String = bytes.iter().map(|it| char::from(*it)).collect();
            let clean: Vec<u8> = self.line(&text).chars().filter_map(|it| u8::try_from(u32::from(it)).ok()).collect();
            return format!("S= {}", STANDARD.encode(clean));
        }
        match line.split_at_checked(2) {
            Some((by @ ("S:" | "C:"), rest)) => [by, &self.line(rest)].concat(),
            _ => line.to_owned(),
        }
    }

    /// A line of a letter or of a protocol.
    fn line(&mut self, line: &str) -> String {
        let named = line.split_once(": ").filter(|it| NAMED_LINES.contains(&it.0.trim().to_ascii_lowercase().as_str()));
        let Some((head, value)) = named else { return self.text(line) };
        // Of `Anna Petrova <anna@example.com>` the name is what stands before the address.
        let end = value.find('<').unwrap_or(if value.contains('@') { 0 } else { value.len() });
        let name = value[..end].trim().trim_matches('"');
        if name.is_empty() {
            return self.text(line);
        }
        let other = self.instead(name, |number| format!("Person {number}"));
        [head, ": ", &value[..end].replacen(name, &other, 1), &self.text(&value[end..])].concat()
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
            // A number with a blank behind it ends where something else begins.
            if word.ends_with(' ') && !is_of_number(letter) {
                let kept = word.trim_end().len();
                out += &self.word(&word[..kept]);
                out += &word[kept..];
                word.clear();
            }
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
        // The end of a sentence is no part of an address.
        let address = word.trim_end_matches(['.', ':', '!', ')']);
        if address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
            return self.instead(address, |number| format!("person{number}@example.com")) + &word[address.len()..];
        }
        if is_number {
            return self.instead(word, |number| format!("+7000{number:07}"));
        }
        self.replaced.get(&(word.to_owned(), self.writing)).cloned().unwrap_or_else(|| word.to_owned())
    }

    fn instead(&mut self, text: &str, other: impl Fn(usize) -> String) -> String {
        if text.is_empty() || self.own.contains(text) {
            return text.to_owned();
        }
        let (number, writing) = (self.replaced.len() + 1, self.writing);
        let other = || match writing {
            Writing::Free => other(number),
            Writing::SameLength => as_long(text, &other(number)),
        };
        self.replaced.entry((text.to_owned(), writing)).or_insert_with(other).clone()
    }
}

/// The other text with as many bytes as the first: something is put in front, or taken out where it says least.
fn as_long(text: &str, other: &str) -> String {
    let (wanted, letters) = (text.len(), other.len());
    let number = other.strip_prefix('+');
    if wanted >= letters {
        let filler = if number.is_some() { "0" } else { "x" }.repeat(wanted - letters);
        return number.map_or_else(|| [&filler, other].concat(), |it| ["+", &filler, it].concat());
    }
    let excess = letters - wanted;
    match (number, other.split_once('@')) {
        (Some(number), _) => ["+", number.get(excess..).unwrap_or_default()].concat(),
        (None, Some((name, host))) => {
            let head = [name.trim_start_matches("person"), "@"].concat();
            let rest = wanted.saturating_sub(head.len()).min(host.len());
            [&head, &host[host.len() - rest..]].concat()
        }
        (None, None) => other[excess..].to_owned(),
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
    fn a_dialogue_keeps_the_length_of_what_is_said_and_the_secret_its_name() {
        let mail = "From: Boris Ivanov <boris@mail.ru>\r\n";
        let latin = [&[0xff_u8][..], b" boris@mail.ru +79120001122\r\n"].concat();
        let lines = [
            "S: * 1 FETCH (BODY[] {35}".to_owned(),
            format!("S: {}", mail.trim_end()),
            format!("S= {}", STANDARD.encode(&latin)),
            "C: RCPT TO:<boris@mail.ru>".to_owned(),
            "C: a1 LOGIN {password}".to_owned(),
            "S: CallerIDName: Boris".to_owned(),
            "SILENCE".to_owned(),
        ];
        let text = json!([{ "request": { "endpoint": "imap", "method": "CONNECT" }, "response": { "dialogue": lines } }]);
        let mut scrub = Scrub::new(String::new(), vec!["hush".to_owned()]);
        let clean = scrub.cassette(serde_json::from_value(text).unwrap()).remove(0).response.dialogue;
        let decoded = STANDARD.decode(clean[2].trim_start_matches("S= ")).unwrap();
        let all = clean.join("\n") + &String::from_utf8_lossy(&decoded);
        assert!(!all.contains("oris") && !all.contains("Ivanov") && !all.contains("0001122"), "{all}");
        for (before, after) in lines.iter().zip(&clean) {
            assert_eq!(before.len(), after.len(), "{before}");
        }
        assert_eq!((decoded.len(), decoded[0]), (latin.len(), 0xff));
        let address = clean[3].trim_start_matches("C: RCPT TO:").to_owned();
        assert!(clean[1].ends_with(&address), "the same by the same: {clean:?}");
        assert_eq!((clean[4].as_str(), clean[6].as_str()), ("C: a1 LOGIN {password}", "SILENCE"));
    }

    #[test]
    fn frames_of_a_stream_are_scrubbed_as_what_they_are() {
        let mut scrub = Scrub::new(String::new(), Vec::new());
        let frames = vec![
            br#"{ "type": "call", "caller": { "full_name": "Boris", "number": "+79120001122" } }"#.to_vec(),
            b"Event: Newchannel\r\nCallerIDNum: +79120001122\r\nCallerIDName: Boris Ivanov\r\nExten: 100".to_vec(),
        ];
        let clean: Vec<String> = scrub.frames(frames).into_iter().map(|it| String::from_utf8(it).unwrap()).collect();
        let first: Value = serde_json::from_str(&clean[0]).unwrap();
        assert_eq!(first["caller"], json!({ "full_name": "Person 1", "number": "+70000000002" }));
        assert_eq!(clean[1], "Event: Newchannel\r\nCallerIDNum: +70000000002\r\nCallerIDName: Person 3\r\nExten: 100");
    }

    #[test]
    fn people_are_replaced_alike_and_the_authors_own_stay() {
        let text = json!([
            { "request": { "endpoint": "api", "method": "GET", "path": "/find?email=anna@shop.ru&phone=+79123456789", "headers": { "x": "y" } },
              "response": { "status": 200, "headers": { "set-cookie": "session", "retry-after": "3" },
                            "body": [{ "id": "4217", "echo": "token hush", "first_name": "Boris", "email": "boris@mail.ru", "note": "call +7 (912) 000-11-22 or boris@mail.ru." }] } },
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
        assert_eq!(clean[0].response.body[0]["note"], "call +70000000003 or person1@example.com.");
        assert_eq!((&clean[0].response.body[0]["id"], &clean[1].request.body["at"]), (&json!("4217"), &json!("2026-03-14T09:26:53Z")));
        assert_eq!(clean[0].response.headers.keys().collect::<Vec<_>>(), ["retry-after"]);
        assert_eq!(scrub.replaced(), 3);
    }
}
