//! Length and cutting of text in UTF-16 units, as messengers count: Telegram says so, of others no way of counting gives more.

/// Length in UTF-16 units.
#[must_use]
pub fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Cuts a text into pieces of at most `limit` units: after a paragraph, else a line, else a word, else anywhere between two
/// characters. White space at a cut goes away.
///
/// ```
/// use patchbay_sdk::text::pieces;
///
/// assert_eq!(pieces("one two\n\nthree four\nfive", 20), ["one two\n\nthree four", "five"]);
/// ```
#[must_use]
pub fn pieces(text: &str, limit: usize) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at_checked(cut(rest, limit)).unwrap_or((rest, ""));
        found.push(piece.trim_end());
        rest = later.trim_start();
    }
    found
}

fn cut(text: &str, limit: usize) -> usize {
    let mut units = 0;
    let Some((end, _)) = text.char_indices().find(|(_, it)| {
        units += it.len_utf16();
        units > limit
    }) else {
        return text.len();
    };
    // A piece has one character at least, however wide.
    let end = end.max(text.chars().next().map_or(0, char::len_utf8));
    // The character after the piece counts too: a piece may end right before a line break. Only the second half of the piece
    // is looked at, so that pieces do not become tiny.
    let from = end / 2 + 1;
    let window = text.as_bytes().get(from..=end).unwrap_or_default();
    let paragraph = window.windows(2).rposition(|it| it == b"\n\n");
    let line = || window.iter().rposition(|it| *it == b'\n');
    let word = || window.iter().rposition(|it| *it == b' ');
    paragraph.or_else(line).or_else(word).map_or(end, |it| from + it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_is_one_piece() {
        assert_eq!(pieces("  Anna\nBob ", 8), ["Anna\nBob"]);
        assert_eq!(pieces(" \n ", 8), Vec::<&str>::new());
    }

    #[test]
    fn a_long_text_is_cut_at_the_best_place_in_the_second_half() {
        assert_eq!(pieces("one two\n\nthree four\nfive", 20), ["one two\n\nthree four", "five"]);
        assert_eq!(pieces("one two three\n\nfour\nfive", 20), ["one two three", "four\nfive"]);
        assert_eq!(pieces("one two three", 9), ["one two", "three"]);
        assert_eq!(pieces("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn units_are_those_of_utf_16_and_no_character_is_torn() {
        assert_eq!(length("a😀я"), 4);
        assert_eq!(pieces("😀😀😀", 5), ["😀😀", "😀"]);
        assert_eq!(pieces("яяяяя", 2), ["яя", "яя", "я"]);
        assert_eq!(pieces("😀a😀", 1), ["😀", "a", "😀"]);
    }

    #[test]
    fn nothing_but_white_space_is_lost() {
        let text: String = (0..3000).map(|it| if it % 7 == 0 { "слово 😀\n".to_owned() } else { format!("w{it} ") }).collect();
        let found = pieces(&text, 4096);
        assert!(found.len() > 1 && found.iter().all(|it| length(it) <= 4096));
        let words = |it: &str| it.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found.iter().flat_map(|it| words(it)).collect::<Vec<_>>(), words(&text));
    }
}
