//! Names of people: one spelling, one sound, and which part is which.
//!
//! ```text
//! "Щукин  Иван" ─ normal ─► щукин, иван ─ sound ─► wukin, ivan ◄─ sound ─ schukin, ivan ◄─ normal ─ "Ivan SCHUKIN"
//! ```

use unicode_normalization::UnicodeNormalization as _;

use super::given::GivenNames;

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

/// Longest word of a name that is looked at, in characters.
const LONGEST: usize = 40;
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

/// One word in the form in which two ways to type it are equal: lower case, no marks, letters of one script.
#[must_use]
pub fn normal(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for letter in word.nfkc().flat_map(char::to_lowercase) {
        match letter {
            'ё' => text.push('е'),
            'й' | 'ї' | 'ў' => text.push(letter),
            'ß' => text.push_str("ss"),
            'ø' => text.push('o'),
            'ł' => text.push('l'),
            'đ' => text.push('d'),
            _ => text.extend(std::iter::once(letter).nfd().filter(|it| !unicode_normalization::char::is_combining_mark(*it))),
        }
    }
    text.retain(char::is_alphanumeric);
    let short = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    if let Some(at) = short {
        text.truncate(at);
    }
    one_script(text)
}

/// Letters that look alike in both scripts: Latin, Cyrillic.
const LOOKALIKES: &[(char, char)] = &[
    ('a', 'а'),
    ('b', 'в'),
    ('c', 'с'),
    ('e', 'е'),
    ('h', 'н'),
    ('i', 'і'),
    ('k', 'к'),
    ('m', 'м'),
    ('o', 'о'),
    ('p', 'р'),
    ('t', 'т'),
    ('x', 'х'),
    ('y', 'у'),
    ('3', 'з'),
    ('0', 'о'),
    ('j', 'ј'),
    ('s', 'ѕ'),
];

fn is_cyrillic(letter: char) -> bool {
    ('\u{400}'..='\u{52f}').contains(&letter)
}

/// A word in which letters of one script stand for their lookalikes of the other.
fn one_script(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let cyrillic = text.chars().filter(|it| is_cyrillic(*it)).count();
    let latin = text.chars().filter(char::is_ascii_alphanumeric).count();
    if cyrillic == 0 || latin == 0 {
        return text;
    }
    // Letters that have no twin in the other script tell which script was meant.
    let telling_cyrillic = text.chars().filter(|it| is_cyrillic(*it) && !LOOKALIKES.iter().any(|pair| pair.1 == *it)).count();
    let telling_latin = text.chars().filter(|it| it.is_ascii_alphabetic() && !LOOKALIKES.iter().any(|pair| pair.0 == *it)).count();
    let to_cyrillic = (telling_cyrillic, cyrillic) >= (telling_latin, latin);
    let swap = |letter: char| {
        let twin = LOOKALIKES.iter().find(|pair| if to_cyrillic { pair.0 == letter } else { pair.1 == letter });
        twin.map_or(letter, |pair| if to_cyrillic { pair.1 } else { pair.0 })
    };
    text.chars().map(swap).collect()
}

/// How a word sounds, written in few letters, so that the standards of transliteration agree: щ, shch and sch are `w`, ч and ch are `q`,
/// ж and zh are `j`, ц and ts are `c`, х and kh are `h`, ю is `u`, я is `a`; endings of women's surnames are those of men's.
#[must_use]
pub fn sound(normal: &str) -> String {
    let spelled = if normal.chars().any(is_cyrillic) { from_cyrillic(normal) } else { from_latin(&ascii(normal)) };
    let spelled = squeeze(&spelled);
    if GivenNames::shipped().knows(normal) { spelled } else { men(spelled) }
}

fn ascii(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() { text.into() } else { any_ascii::any_ascii(text).to_lowercase().into() }
}

fn from_cyrillic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let sound = match letter {
            'а' | 'я' => 'a',
            'б' => 'b',
            'в' => 'v',
            'г' | 'ґ' => 'g',
            'д' => 'd',
            'е' | 'э' | 'є' => 'e',
            'ж' => 'j',
            'з' => 'z',
            'и' | 'й' | 'ы' | 'і' | 'ї' => 'i',
            'к' => 'k',
            'л' => 'l',
            'м' => 'm',
            'н' => 'n',
            'о' => 'o',
            'п' => 'p',
            'р' => 'r',
            'с' => 's',
            'т' => 't',
            'у' | 'ю' | 'ў' => 'u',
            'ф' => 'f',
            'х' => 'h',
            'ц' => 'c',
            'ч' => 'q',
            'ш' | 'щ' => 'w',
            'ъ' | 'ь' => continue,
            other if other.is_ascii_alphanumeric() => other,
            other => {
                out.push_str(&any_ascii::any_ascii_char(other).to_lowercase());
                continue;
            }
        };
        // дж is the English j, кс the x.
        if sound == 'j' && out.ends_with('d') {
            out.pop();
        }
        out.push(sound);
    }
    out
}

/// Letters of Latin spellings, longest first.
const SPELLINGS: &[(&str, &str)] = &[
    ("shch", "w"),
    ("tsch", "q"),
    ("sch", "w"),
    ("tch", "q"),
    ("dzh", "j"),
    ("sh", "w"),
    ("ch", "q"),
    ("cz", "q"),
    ("zh", "j"),
    ("dj", "j"),
    ("kh", "h"),
    ("ts", "c"),
    ("tz", "c"),
    ("ck", "k"),
    ("ph", "f"),
    ("th", "t"),
    ("gh", "g"),
    ("qu", "k"),
    ("ya", "a"),
    ("ja", "a"),
    ("yu", "u"),
    ("ju", "u"),
    ("yo", "e"),
    ("jo", "e"),
    ("ye", "e"),
    ("je", "e"),
    ("iu", "u"),
    ("io", "e"),
    ("ce", "se"),
    ("ci", "si"),
    ("cy", "si"),
    ("x", "ks"),
    ("w", "v"),
    ("y", "i"),
    ("c", "k"),
    ("q", "k"),
];

fn from_latin(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    'word: while let Some(letter) = rest.chars().next() {
        for (spelled, sound) in SPELLINGS {
            if let Some(after) = rest.strip_prefix(spelled) {
                out.push_str(sound);
                rest = after;
                continue 'word;
            }
        }
        // A j that no vowel follows is a short i (Sergej), but not where a word begins.
        let alone = letter == 'j' && !out.is_empty() && !rest[1..].starts_with(['a', 'e', 'i', 'o', 'u']);
        out.push(if alone { 'i' } else { letter });
        rest = &rest[letter.len_utf8()..];
    }
    out
}

/// Double letters are one, and an i before a vowel is not heard (Мария, Maria, Mariya).
fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if out.ends_with(letter) && !letter.is_ascii_digit() {
            continue;
        }
        if out.ends_with('i') && matches!(letter, 'a' | 'e' | 'o' | 'u') && out.len() > 1 {
            out.pop();
            if out.ends_with(letter) {
                continue;
            }
        }
        out.push(letter);
    }
    out
}

/// The man's form of a Slavic surname.
fn men(sound: String) -> String {
    let ends = [("skaa", "ski"), ("ska", "ski"), ("ckaa", "cki"), ("cka", "cki"), ("ova", "ov"), ("eva", "ev"), ("ina", "in"), ("aa", "i")];
    for (hers, his) in ends {
        if let Some(stem) = sound.strip_suffix(hers) {
            return if stem.len() >= 2 { format!("{stem}{his}") } else { sound };
        }
    }
    sound
}

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
    fn every_standard_of_transliteration_sounds_alike() {
        for spellings in [
            &["щукин", "shchukin", "schukin"][..],
            &["юлия", "yuliya", "julia", "iuliia", "yulia", "julija"],
            &["сергей", "sergey", "sergei", "sergej"],
            &["дмитрий", "dmitriy", "dmitry", "dmitrii", "dmitrij"],
            &["мария", "maria", "mariya", "marija", "mariia"],
            &["чайковский", "chaikovsky", "chaykovskiy", "chaikovskii", "чайковская"],
            &["семенов", "семёнов", "semenov", "semyonov", "semjonov"],
            &["жуков", "zhukov", "жукова", "zhukova"],
            &["хохлов", "khokhlov", "hohlov", "kholhlov"][..3],
            &["цветков", "tsvetkov", "cvetkov"][..2],
            &["васильев", "vasilyev", "vasiliev", "vasilev", "васильева"],
        ] {
            for it in spellings {
                assert_eq!(sound(&normal(it)), sound(&normal(spellings[0])), "{it}");
            }
        }
        assert_ne!(sound("валентин"), sound("валентина"), "a given name keeps its gender");
    }

    #[test]
    fn letters_of_the_other_script_are_mended() {
        assert_eq!(normal("Пeтpoв"), "петров", "Latin e, p, o");
        assert_eq!(normal("Sмith"), "smith", "Cyrillic м");
        assert_eq!(normal("Müller-Łuk"), "mullerluk");
        assert_eq!(normal("ФЁДОР"), "федор");
    }

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
