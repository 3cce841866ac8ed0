//! Cities, streets, postcodes and companies.

use super::sound::sound;
use super::spelling::normal;

/// Words of streets in short, so that `st` and `street`, `ул.` and `улица` are one.
const STREET_WORDS: &[(&str, &str)] = &[
    ("street", "st"),
    ("str", "st"),
    ("road", "rd"),
    ("avenue", "ave"),
    ("av", "ave"),
    ("drive", "dr"),
    ("crescent", "cres"),
    ("place", "pl"),
    ("court", "ct"),
    ("circuit", "cct"),
    ("close", "cl"),
    ("terrace", "tce"),
    ("lane", "ln"),
    ("boulevard", "blvd"),
    ("square", "sq"),
    ("highway", "hwy"),
    ("parade", "pde"),
    ("улица", "ул"),
    ("проспект", "пр"),
    ("просп", "пр"),
    ("пркт", "пр"),
    ("переулок", "пер"),
    ("бульвар", "бр"),
    ("шоссе", "ш"),
    ("площадь", "пл"),
    ("набережная", "наб"),
    ("проезд", "прд"),
    ("strasse", "str"),
    ("straße", "str"),
];
/// Words of streets that tell nothing.
const IDLE: &[&str] = &[
    "ул", "пр", "пер", "дом", "д", "кв", "корп", "стр", "st", "rd", "ave", "dr", "cres", "pl", "ct", "cct", "cl", "tce", "ln", "unit",
    "apt", "flat",
];
/// What stands before a city's name.
const CITY_WORDS: &[&str] = &["г", "гор", "город", "city", "пос", "пгт", "село", "деревня", "область"];
/// Legal forms of companies.
const LEGAL_FORMS: &[&str] = &[
    "ооо",
    "оао",
    "зао",
    "пао",
    "ао",
    "ип",
    "нко",
    "тоо",
    "llc",
    "ltd",
    "inc",
    "gmbh",
    "ag",
    "sa",
    "sarl",
    "bv",
    "oy",
    "corp",
    "co",
    "company",
    "limited",
    "plc",
    "llp",
    "ooo",
    "oao",
    "zao",
    "pao",
    "the",
    "и",
    "and",
    "ltda",
    "srl",
    "spa",
    "компания",
    "фирма",
];

/// A street address in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Street {
    /// The number of the house: the first word with a digit.
    pub house: Option<String>,
    /// The words, sorted, without those that tell nothing.
    pub words: Vec<String>,
}

/// Most words of an address that are looked at.
const MOST_WORDS: usize = 8;

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|it: char| !(it.is_alphanumeric() || it == '\'')).map(normal).filter(|it| !it.is_empty())
}

/// The parts of a street address.
#[must_use]
pub fn street(text: &str) -> Street {
    let mut found = Street::default();
    for word in words(text) {
        if word.starts_with(|it: char| it.is_ascii_digit()) {
            if found.house.is_none() {
                found.house = Some(word);
            } else if found.words.len() < MOST_WORDS {
                found.words.push(word);
            }
            continue;
        }
        let short = STREET_WORDS.iter().find(|(long, _)| *long == word).map_or(word.as_str(), |(_, short)| *short);
        if !IDLE.contains(&short) && found.words.len() < MOST_WORDS {
            found.words.push(if word.is_ascii() { word } else { sound(&word) });
        }
    }
    found.words.sort();
    found.words.dedup();
    found
}

/// A city or state as it sounds, words joined.
#[must_use]
pub fn place(text: &str) -> Option<String> {
    let joined: String =
        words(text).filter(|it| !CITY_WORDS.contains(&it.as_str())).map(|it| if it.is_ascii() { it } else { sound(&it) }).collect();
    (!joined.is_empty()).then_some(joined)
}

/// A postcode or another code: letters and digits.
#[must_use]
pub fn code(text: &str) -> Option<String> {
    // Tables lose the zeros in front, and spreadsheets add a fraction.
    let text = text.trim().trim_end_matches(".0");
    let code: String = text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!code.is_empty() && code.len() <= 32).then_some(code)
}

/// A company's name without its legal form.
#[must_use]
pub fn company(text: &str) -> Option<String> {
    let all: Vec<String> = words(text).collect();
    let telling: Vec<&String> = all.iter().filter(|it| !LEGAL_FORMS.contains(&it.as_str())).collect();
    let chosen = if telling.is_empty() { all.iter().collect() } else { telling };
    let joined: String = chosen.into_iter().take(MOST_WORDS).map(|it| sound(it)).collect();
    (!joined.is_empty()).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(street("ул. Ленина, д. 5"), street("улица Ленина 5"));
        assert_eq!(street("6 Tullaroop Street"), street("tullaroop st. 6"));
        assert_eq!(place("г. Москва"), place("Moskva").map(|_| sound("москва")));
        assert_eq!(code("SW1A 1AA").as_deref(), Some("sw1a1aa"));
        assert_eq!(company("ООО «Ромашка»"), company("Romashka LLC"));
        assert_eq!(place(" - "), None);
    }
}
