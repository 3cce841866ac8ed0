//! Names of people: which part is which. What two spellings of one part have in common is found in [`super::spelling`] and [`super::sound`].
//!
//! ```text
//! "Щукин  Иван" ─ normal ─► щукин, иван ─ sound ─► wukin, ivan ◄─ sound ─ schukin, ivan ◄─ normal ─ "Ivan SCHUKIN"
//! ```

use super::given::GivenNames;
use super::spelling::normal;

/// The parts of a name, each in its normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameParts {
    /// Given names, initials among them.
    pub given: Vec<String>,
    /// Surnames.
    pub surname: Vec<String>,
    /// Patronymic.
    pub patronymic: Option<String>,
}

impl NameParts {
    /// True when nothing of a name is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.surname.is_empty() && self.patronymic.is_none()
    }
}

/// Most words of one name that are looked at.
const MOST_WORDS: usize = 6;

/// What people put before and after names, and what is no part of one.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "sir",
    "dame",
    "lord",
    "lady",
    "rev",
    "jr",
    "sr",
    "phd",
    "md",
    "esq",
    "herr",
    "frau",
    "г-н",
    "г-жа",
    "господин",
    "госпожа",
    "гн",
    "гжа",
    "ип",
    "д-р",
];
/// Words that bind a surname to what follows.
const PARTICLES: &[&str] = &[
    "de", "del", "della", "di", "da", "dos", "das", "du", "la", "le", "van", "von", "der", "ten", "ter", "el", "bin", "ibn", "of", "the",
    "y", "e",
];

/// Words of a name as they were written, titles left out.
fn words(text: &str) -> Vec<String> {
    let apart =
        |it: char| !(it.is_alphanumeric() || matches!(it, '\'' | '’' | 'ʼ' | '`') || unicode_normalization::char::is_combining_mark(it));
    let mut found: Vec<String> = Vec::new();
    for word in text.split(apart) {
        let word = normal(word);
        // г-н, г-жа, д-р: what is left of them when the dash parts words.
        if matches!(word.as_str(), "н" | "жа" | "р") && found.last().is_some_and(|it| matches!(it.as_str(), "г" | "д")) {
            found.pop();
            continue;
        }
        if !word.is_empty() && !TITLES.contains(&word.as_str()) {
            found.push(word);
        }
        if found.len() == MOST_WORDS {
            break;
        }
    }
    found
}

/// True of a Russian patronymic: Иванович, Ivanovna, Ильинична, Оглы.
#[must_use]
pub fn is_patronymic(word: &str) -> bool {
    const ENDS: &[&str] =
        &["ович", "евич", "овна", "евна", "инична", "ична", "ovich", "evich", "ovna", "evna", "inichna", "yevich", "кызы", "оглы"];
    ENDS.iter().any(|end| word.len() > end.len() + 2 && word.ends_with(end))
        || matches!(word, "ильич" | "ilyich" | "ilich" | "кузьмич" | "лукич")
}

/// True of a word that ends as Slavic surnames do.
fn is_slavic_surname(word: &str) -> bool {
    const ENDS: &[&str] = &[
        "ов", "ова", "ев", "ева", "ин", "ина", "ын", "ына", "ский", "ская", "цкий", "цкая", "енко", "чук", "юк", "ых", "их", "ко", "ov",
        "ova", "ev", "eva", "sky", "skiy", "skaya", "skii", "enko", "chuk", "yuk",
    ];
    word.chars().count() > 3 && ENDS.iter().any(|end| word.ends_with(end))
}

/// The parts of a name of which given name and surname were said apart. Either may hold more than belongs there.
#[must_use]
pub fn parts(given: &str, surname: &str, full: &str) -> NameParts {
    let mut found = if given.trim().is_empty() && surname.trim().is_empty() { whole(full) } else { NameParts::default() };
    let known = !(given.trim().is_empty() || surname.trim().is_empty());
    for word in words(given) {
        // "Иван Иванович" is often one field.
        if is_patronymic(&word) && known && found.patronymic.is_none() && !found.given.is_empty() {
            found.patronymic = Some(word);
        } else {
            found.given.push(word);
        }
    }
    found.surname.extend(words(surname));
    if known && turned(&found) {
        std::mem::swap(&mut found.given, &mut found.surname);
    }
    binding(&mut found.surname);
    found
}

/// True where the given name stands in the surname's field and the other way round, as far as the list of given names knows.
fn turned(found: &NameParts) -> bool {
    let names = GivenNames::shipped();
    let knows = |words: &[String]| words.iter().any(|it| names.knows(it));
    !knows(&found.given) && knows(&found.surname) && !found.surname.iter().any(|it| is_slavic_surname(it))
}

/// Leaves particles out where something else is left.
fn binding(words: &mut Vec<String>) {
    if words.iter().any(|it| !PARTICLES.contains(&it.as_str())) {
        words.retain(|it| !PARTICLES.contains(&it.as_str()));
    }
}

/// The parts of a name that was said in one piece, in either order.
fn whole(full: &str) -> NameParts {
    let names = GivenNames::shipped();
    let comma = full.split_once(',').filter(|(before, after)| before.split_whitespace().count() == 1 && !words(after).is_empty());
    if let Some((surname, given)) = comma {
        let mut found = NameParts { surname: words(surname), ..NameParts::default() };
        for word in words(given) {
            if is_patronymic(&word) { found.patronymic = Some(word) } else { found.given.push(word) }
        }
        return found;
    }
    let mut found = NameParts::default();
    let mut rest = words(full);
    binding(&mut rest);
    if rest.len() >= 2
        && let Some(at) = rest.iter().position(|it| is_patronymic(it))
        // Абрамович is a surname where no other word can be one.
        && (rest.len() > 2 || rest.iter().enumerate().any(|(other, word)| other != at && names.knows(word) && at > other))
    {
        found.patronymic = Some(rest.remove(at));
        // The given name stands before the patronymic.
        if at > 0 {
            found.given.push(rest.remove(at - 1));
            found.surname = rest;
            return found;
        }
    }
    match rest.as_slice() {
        [] => {}
        [only] => {
            if names.knows(only) || !is_slavic_surname(only) {
                found.given.push(only.clone());
            } else {
                found.surname.push(only.clone());
            }
        }
        [first, .., last] => {
            let turned =
                (names.knows(last) && !names.knows(first)) || (is_slavic_surname(first) && !is_slavic_surname(last) && !names.knows(first));
            if turned {
                found.surname.push(first.clone());
                found.given.extend(rest.iter().skip(1).cloned());
            } else {
                found.surname.push(last.clone());
                found.given.extend(rest.iter().take(rest.len() - 1).cloned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parted_in_every_order() {
        let is = |given: &[&str], surname: &[&str], patronymic: Option<&str>| NameParts {
            given: given.iter().map(|it| (*it).to_owned()).collect(),
            surname: surname.iter().map(|it| (*it).to_owned()).collect(),
            patronymic: patronymic.map(str::to_owned),
        };
        for full in ["Иван Петров", "Петров Иван", "Петров, Иван", "г-н Иван ПЕТРОВ"] {
            assert_eq!(parts("", "", full), is(&["иван"], &["петров"], None), "{full}");
        }
        for full in ["Иван Сергеевич Петров", "Петров Иван Сергеевич"] {
            assert_eq!(parts("", "", full), is(&["иван"], &["петров"], Some("сергеевич")), "{full}");
        }
        assert_eq!(parts("Watson", "Noah", ""), is(&["noah"], &["watson"], None), "the fields are exchanged");
        assert_eq!(parts("", "", "Анна Сергеевна"), is(&["анна"], &[], Some("сергеевна")));
        assert_eq!(parts("", "", "Абрамович Роман"), is(&["роман"], &["абрамович"], None));
        assert_eq!(parts("", "", "Анна"), is(&["анна"], &[], None));
        assert_eq!(parts("", "", "Петрова"), is(&[], &["петрова"], None));
        assert!(parts("", "", " ❤ ").is_empty());
    }
}
