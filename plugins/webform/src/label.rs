//! Names of fields: how they are normalised, and how well one fits a meaning.

use patchbay_sdk::schemas::Extra;
use serde_json::Value;

use crate::words::{Canon, STOP, TABLE, Words};

/// A field's name in normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    words: Vec<String>,
    /// Without stop words and spaces.
    core: String,
    /// With stop words, without spaces.
    whole: String,
}

/// How well a name fits; more is better. Whole names stand above words in a longer name.
pub type Fit = u16;

/// From here on the whole name fits.
pub const WHOLE: Fit = 1000;

/// Longest part of a name that is looked at, bytes: thousands of patterns are tried at each of its words, and a stranger chooses how many
/// there are.
pub const LONGEST: usize = 256;

impl Label {
    /// Splits at case, digits and punctuation, folds accents and look-alike letters, drops digits.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let words = words(&name[..name.floor_char_boundary(LONGEST)]);
        let whole = words.concat();
        let core = words.iter().filter(|it| !STOP.contains(&it.as_str())).map(String::as_str).collect();
        Self { words, core, whole }
    }

    /// How well the name fits the meaning; `None`: not at all.
    #[must_use]
    pub fn fit(&self, canon: Canon) -> Option<Fit> {
        if self.whole.is_empty() {
            return None;
        }
        let row = TABLE.iter().find(|it| it.canon == canon)?;
        let exact = |wanted: &str| squeezed_eq(wanted, &self.whole) || (canon.is_typed() && squeezed_eq(wanted, &self.core));
        if let Some(at) = row.exact.iter().position(|it| exact(it)) {
            return Some(WHOLE + 500 - Fit::try_from(at).unwrap_or(500).min(500));
        }
        if self.is_never(row) {
            return None;
        }
        row.within.iter().position(|it| self.contains(it)).map(|at| 500 - Fit::try_from(at).unwrap_or(500).min(499))
    }

    /// True when a word in the name says that it has not this meaning, whatever else is said of the field.
    #[must_use]
    pub fn excludes(&self, canon: Canon) -> bool {
        TABLE.iter().any(|row| row.canon == canon && self.is_never(row)) && self.fit(canon).is_none()
    }

    fn is_never(&self, row: &Words) -> bool {
        row.never.iter().any(|it| self.contains(it))
    }

    /// True for a name that differs from `name` only in writing; `name` is in lower case and has no digits.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        name.bytes().filter(u8::is_ascii_lowercase).eq(self.whole.bytes())
    }

    /// True when the two names differ only in writing.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        !self.whole.is_empty() && self.whole == other.whole
    }

    /// `utm_source` → `source`.
    #[must_use]
    pub fn utm(&self) -> Option<String> {
        let at = self.words.iter().position(|it| it == "utm" || it.starts_with("utm"))?;
        let first = self.words[at].strip_prefix("utm").unwrap_or_default();
        let rest: Vec<&str> =
            std::iter::once(first).chain(self.words[at + 1..].iter().map(String::as_str)).filter(|it| !it.is_empty()).collect();
        (!rest.is_empty() && rest.len() < 3).then(|| rest.join("_"))
    }

    fn contains(&self, pattern: &str) -> bool {
        // Thousands of patterns are tried for a form, and nearly all fail at their first word.
        let first = pattern.as_bytes().first();
        self.words.iter().enumerate().any(|(at, word)| {
            if first != Some(&b'*') && first != word.as_bytes().first() {
                return false;
            }
            let mut rest = pattern;
            let mut words = std::iter::once(word).chain(&self.words[at + 1..]);
            loop {
                let end = rest.bytes().position(|it| it == b' ');
                let wanted = end.map_or(rest, |end| &rest[..end]);
                if !words.next().is_some_and(|word| word_fits(word, wanted)) {
                    return false;
                }
                let Some(end) = end else { return true };
                rest = &rest[end + 1..];
            }
        })
    }
}

/// The row of a meaning by its name in `mapping`.
#[must_use]
pub fn row(name: &str) -> Option<&'static Words> {
    TABLE.iter().find(|it| it.name == name)
}

/// Lower case letters and digits alone: how keys of containers are compared. Of a key that is longer than any of theirs, its beginning.
#[must_use]
#[inline(never)]
pub fn plain(key: &str) -> String {
    let mut plain = String::with_capacity(key.len().min(LONGEST));
    for it in key[..key.floor_char_boundary(LONGEST)].chars().filter(|it| it.is_alphanumeric()) {
        plain.extend(it.to_lowercase());
    }
    plain
}

/// The first member of an object whose key is one of these, however it is written.
#[must_use]
#[inline(never)]
pub fn member<'a>(object: &'a Extra, keys: &[&str]) -> Option<&'a Value> {
    object.iter().find(|(key, _)| keys.contains(&plain(key).as_str())).map(|it| it.1)
}

fn word_fits(word: &str, wanted: &str) -> bool {
    let word = word.as_bytes();
    match wanted.as_bytes() {
        [stem @ .., b'*'] => word.starts_with(stem),
        [b'*', ending @ ..] => word.ends_with(ending),
        whole => word == whole,
    }
}

fn squeezed_eq(spaced: &str, squeezed: &str) -> bool {
    spaced.bytes().filter(|it| *it != b' ').eq(squeezed.bytes())
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let mut near_digit = false;
    for now in name.chars() {
        let boundary =
            !now.is_alphabetic() || (now.is_uppercase() && before.is_lowercase()) || (before.is_ascii_digit() && now.is_alphabetic());
        if boundary {
            close(&mut words, &mut word, near_digit || now.is_ascii_digit());
            near_digit = before.is_ascii_digit() || now.is_ascii_digit();
        }
        if now.is_alphabetic() {
            for lower in now.to_lowercase() {
                fold(lower, &mut word);
            }
        }
        before = now;
    }
    close(&mut words, &mut word, near_digit);
    words
}

/// A single letter beside a digit is a counter (`q3_`, `1d2f`), not a word.
fn close(words: &mut Vec<String>, word: &mut String, near_digit: bool) {
    if !word.is_empty() {
        let counter = near_digit && word.len() == 1;
        let done = one_alphabet(std::mem::take(word));
        if !counter {
            words.push(done);
        }
    }
}

fn fold(lower: char, word: &mut String) {
    match lower {
        'ё' => word.push('е'),
        'à'..='å' => word.push('a'),
        'ç' => word.push('c'),
        'è'..='ë' => word.push('e'),
        'ì'..='ï' => word.push('i'),
        'ñ' => word.push('n'),
        'ò'..='ö' => word.push('o'),
        'ù'..='ü' => word.push('u'),
        'ß' => word.push_str("ss"),
        // Combining marks and the soft hyphen: what decomposed text leaves over.
        '\u{300}'..='\u{36f}' | '\u{ad}' => {}
        _ => word.push(lower),
    }
}

const CYRILLIC: [char; 13] = ['а', 'с', 'е', 'о', 'р', 'х', 'у', 'к', 'м', 'т', 'н', 'в', 'і'];
const LATIN: [char; 13] = ['a', 'c', 'e', 'o', 'p', 'x', 'y', 'k', 'm', 't', 'h', 'b', 'i'];

/// A word in two alphabets (`тeлефон` with a Latin `e`) is written in the one that has more letters in it.
fn one_alphabet(word: String) -> String {
    let cyrillic = word.chars().filter(|it| ('\u{400}'..='\u{4ff}').contains(it)).count();
    let latin = word.chars().filter(char::is_ascii_alphabetic).count();
    if cyrillic == 0 || latin == 0 {
        return word;
    }
    let (from, to) = if cyrillic >= latin { (LATIN, CYRILLIC) } else { (CYRILLIC, LATIN) };
    word.chars().map(|it| from.iter().position(|like| *like == it).map_or(it, |at| to[at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_however_they_are_written() {
        let cases = [
            ("Phone_2", Canon::Phone),
            ("your-phone", Canon::Phone),
            ("Ваш телефон*", Canon::Phone),
            ("тeлефон", Canon::Phone),
            ("q8_telefonecom", Canon::Phone),
            ("phoneNumber", Canon::Phone),
            ("Téléphone", Canon::Phone),
            ("E-mail", Canon::Email),
            ("q7_email7", Canon::Email),
            ("Электронная почта", Canon::Email),
            ("emailAddress", Canon::Email),
            ("\\nEnter your email, please", Canon::Email),
            ("What's your full name?", Canon::FullName),
            ("q6_nomeCompleto6", Canon::FullName),
            ("field:first_name_1d2f", Canon::Given),
            ("Prénom", Canon::Given),
            ("Фамилия", Canon::Family),
            ("Hello, what's your name?", Canon::Name),
            ("q69_1Name69", Canon::Name),
            ("companyName", Canon::Company),
            ("Город", Canon::City),
            ("Textarea", Canon::Message),
            ("Ваш вопрос", Canon::Message),
            ("q25_consentimentoPara", Canon::Consent),
            ("form_submission_id", Canon::SubmissionId),
            ("submittedAt", Canon::SubmittedAt),
            ("Имя", Canon::Name),
        ];
        for (name, canon) in cases {
            assert!(Label::new(name).fit(canon).is_some(), "{name} is {canon:?}: {:?}", Label::new(name));
        }
    }

    #[test]
    fn somebody_elses_fields_are_left_alone() {
        let cases = [
            ("form_owner_email", Canon::Email),
            ("Телефон друга", Canon::Phone),
            ("workshop name", Canon::Name),
            ("company name", Canon::Name),
            ("page name", Canon::Name),
            ("employees", Canon::Name),
            ("website name", Canon::Name),
            ("product name", Canon::FullName),
            ("experience", Canon::Message),
            ("company size", Canon::Company),
        ];
        for (name, canon) in cases {
            assert_eq!(Label::new(name).fit(canon), None, "{name} is no {canon:?}");
        }
    }

    #[test]
    fn campaign_tags_lose_their_prefix() {
        assert_eq!(Label::new("utm_source").utm().as_deref(), Some("source"));
        assert_eq!(Label::new("utmCampaign").utm().as_deref(), Some("campaign"));
        assert_eq!(Label::new("source").utm(), None);
    }
}
