//! One end of a call: an employee of the PBX by the extension, somebody outside by the number.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::{Identity, Person};

/// One end of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The employee's extension.
    pub extension: Option<String>,
    /// The number that is called or calls: a telephone number, or a SIP address.
    pub number: Option<String>,
    /// Our line, where it stands with the party.
    pub line: Option<String>,
}

impl Party {
    /// Takes `from` or `to`. Some programs that speak Mango's language write the number alone.
    #[must_use]
    pub fn take(fields: &mut Object, name: &'static str) -> Self {
        if let Some(number) = fields.text(name) {
            return Self { number: Some(number).filter(|it| !it.is_empty()), ..Self::default() };
        }
        let Some(mut party) = fields.object(name) else { return Self::default() };
        let found =
            Self { extension: word(&mut party, "extension"), number: word(&mut party, "number"), line: word(&mut party, "line_number") };
        if !party.is_empty() {
            fields.put(name, party);
        }
        found
    }
}

/// The person behind a number outside. A caller who hides the number is nobody who could be recognised.
#[must_use]
pub fn person(number: Option<&str>) -> Person {
    let identity = number.and_then(|it| {
        if is_phone(it) {
            Some(Identity::phone(it))
        } else if it.starts_with("sip:") || it.contains('@') {
            Some(Identity::handle(it))
        } else {
            None
        }
    });
    Person { identities: identity.into_iter().collect(), ..Person::default() }
}

/// True for what people dial: digits, with what is written between them.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    let is_part = |it: u8| it.is_ascii_digit() || matches!(it, b'+' | b' ' | b'-' | b'(' | b')');
    text.bytes().filter(u8::is_ascii_digit).count() > 2 && text.bytes().all(is_part)
}

/// The digits alone.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Takes a text that is not empty; a number counts as its digits.
#[inline(never)]
pub fn word(fields: &mut Object, name: &str) -> Option<String> {
    let word = match fields.text(name) {
        Some(word) => word,
        None => fields.int(name)?.to_string(),
    };
    Some(word).filter(|it| !it.is_empty())
}

/// Takes a whole number, which Mango writes as a number in some places and as a text in others.
#[inline(never)]
pub fn int(fields: &mut Object, name: &str) -> Option<i64> {
    if let Some(number) = fields.int(name) {
        return Some(number);
    }
    let number = fields.peek_text(name)?.trim().parse().ok()?;
    fields.take(name).map(|_| number)
}
