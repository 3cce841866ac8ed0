//! Finds a person's phones, addresses and accounts in texts that nobody has read: raw payloads, reasons, what connectors remember.

use patchbay_schemas::IdentityKind;

/// Digits at the end of a phone number by which it is found in any spelling.
const TAIL: usize = 10;
/// Fewest digits of a number, and fewest characters of an account or a name, that are looked for: less would be found everywhere.
const SHORTEST: usize = 5;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needles {
    /// Last digits of phones.
    phones: Vec<String>,
    /// Addresses and accounts, in lower case.
    words: Vec<String>,
    /// Names of several words, in lower case.
    names: Vec<String>,
}

impl Needles {
    /// An identity as it is stored: an account is `scope:id`.
    pub fn identity(&mut self, kind: IdentityKind, value: &str) {
        match kind {
            IdentityKind::Phone => {
                let digits: String = value.chars().filter(char::is_ascii_digit).collect();
                let tail = digits[digits.len().saturating_sub(TAIL)..].to_owned();
                if tail.len() >= SHORTEST {
                    push(&mut self.phones, tail);
                }
            }
            IdentityKind::Email => push(&mut self.words, value.to_lowercase()),
            IdentityKind::Handle => self.account(value.rsplit_once(':').map_or(value, |it| it.1)),
        }
    }

    /// The id or the name of an account.
    pub fn account(&mut self, account: &str) {
        let account = account.trim_start_matches('@').to_lowercase();
        if account.chars().count() >= SHORTEST {
            push(&mut self.words, account);
        }
    }

    /// A name; one that is a single word says nothing of anybody.
    pub fn name(&mut self, name: &str) {
        let name = name.trim().to_lowercase();
        if name.split_whitespace().count() > 1 {
            push(&mut self.names, name);
        }
    }

    /// True where there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.phones.is_empty() && self.words.is_empty() && self.names.is_empty()
    }

    /// True where a phone, an address or an account stands in the bytes.
    #[must_use]
    pub fn found_in(&self, bytes: &[u8]) -> bool {
        readings(bytes).iter().any(|text| {
            let digits = digits(text);
            self.phones.iter().any(|it| digits.contains(it)) || self.words.iter().any(|it| has_word(text, it))
        })
    }

    /// True where a whole name stands in the bytes.
    #[must_use]
    pub fn named_in(&self, bytes: &[u8]) -> bool {
        readings(bytes).iter().any(|text| self.names.iter().any(|it| has_word(text, it)))
    }

    /// True where anything stands in the bytes of a database file, as the database writes it.
    #[must_use]
    pub fn stored_in(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        [&self.phones, &self.words, &self.names].into_iter().flatten().any(|it| text.contains(it.as_str()))
    }

    /// Bytes of the longest thing that is looked for.
    #[must_use]
    pub fn longest(&self) -> usize {
        [&self.phones, &self.words, &self.names].into_iter().flatten().map(String::len).max().unwrap_or(0)
    }
}

fn push(list: &mut Vec<String>, text: String) {
    if !text.is_empty() && !list.contains(&text) {
        list.push(text);
    }
}

/// The bytes as text in lower case: as they are, with JSON's escapes read, with a form's escapes read.
fn readings(bytes: &[u8]) -> Vec<String> {
    let plain = String::from_utf8_lossy(bytes).into_owned();
    let mut found = Vec::with_capacity(3);
    if plain.contains("\\u") {
        found.push(unescaped(&plain).to_lowercase());
    }
    if plain.contains('%') {
        found.push(String::from_utf8_lossy(&decoded(plain.as_bytes())).to_lowercase());
    }
    found.push(plain.to_lowercase());
    found
}

/// Digits that stand together but for what people write between them; anything else parts them.
fn digits(text: &str) -> String {
    let mut run = String::with_capacity(text.len() / 4);
    for it in text.chars() {
        if it.is_ascii_digit() {
            run.push(it);
        } else if !matches!(it, ' ' | '\u{a0}' | '(' | ')' | '-' | '.' | '+') && !run.ends_with('|') {
            run.push('|');
        }
    }
    run
}

/// True where the word is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        [before, after].into_iter().flatten().all(|it| !it.is_alphanumeric())
    })
}

fn unescaped(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        read.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let code = rest.get(..4).and_then(|it| u32::from_str_radix(it, 16).ok());
        match code.and_then(char::from_u32) {
            Some(it) => {
                read.push(it);
                rest = &rest[4..];
            }
            None => read.push_str("\\u"),
        }
    }
    read + rest
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut read = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok()).and_then(|it| u8::from_str_radix(it, 16).ok());
        match (byte, hex) {
            (b'%', Some(it)) => {
                read.push(it);
                at += 3;
            }
            (b'+', _) => {
                read.push(b' ');
                at += 1;
            }
            _ => {
                read.push(*byte);
                at += 1;
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_in_any_spelling_and_nobody_else() {
        let mut needles = Needles::default();
        needles.identity(IdentityKind::Phone, "+79123456789");
        needles.identity(IdentityKind::Email, "anna@example.com");
        needles.identity(IdentityKind::Handle, "telegram:4815162342");
        needles.account("@anna_petrova");
        needles.name("Анна Петрова");
        needles.name("Анна");
        for text in [
            "8 (912) 345-67-89",
            "{\"caller\":\"79123456789\"}",
            "phone=%2B7+912+345-67-89&x=1",
            "Anna@Example.com",
            "mail=anna%40example.com",
            "{\"id\":4815162342}",
            "https://t.me/anna_petrova",
            "{\"mail\":\"anna\\u0040example.com\"}",
        ] {
            assert!(needles.found_in(text.as_bytes()), "{text}");
        }
        for text in ["+79123456780", "joanna@example.com", "48151623421", "anna_petrova2", "912,345,67,89", "Анна Петрова", "\\u12", "%4"]
        {
            assert!(!needles.found_in(text.as_bytes()), "{text}");
        }
        assert!(
            needles.named_in("АННА Петрова".as_bytes())
                && needles.named_in(br"\u0410\u043d\u043d\u0430 \u041f\u0435\u0442\u0440\u043e\u0432\u0430")
        );
        assert!(!needles.named_in("Анна Сидорова".as_bytes()), "a first name alone says nothing");
        assert!(needles.stored_in("…\0+79123456789\0…".as_bytes()) && !needles.stored_in(b"8 (912) 345-67-89"));
        assert!(Needles::default().is_empty() && !Needles::default().found_in(b"x"));
    }

    #[test]
    fn what_is_too_short_is_not_looked_for() {
        let mut needles = Needles::default();
        needles.identity(IdentityKind::Handle, "telegram:42");
        needles.identity(IdentityKind::Phone, "+112");
        assert!(needles.is_empty());
    }
}
