//! One spelling of a word, whoever typed it on whatever keyboard.

use unicode_normalization::UnicodeNormalization as _;

/// Longest word of a name that is looked at, in characters.
const LONGEST: usize = 40;

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

/// True of a letter of the Cyrillic script.
pub(super) fn is_cyrillic(letter: char) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_the_other_script_are_mended() {
        assert_eq!(normal("Пeтpoв"), "петров", "Latin e, p, o");
        assert_eq!(normal("Sмith"), "smith", "Cyrillic м");
        assert_eq!(normal("Müller-Łuk"), "mullerluk");
        assert_eq!(normal("ФЁДОР"), "федор");
    }
}
