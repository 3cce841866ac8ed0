//! Bytes to text, whatever the label says: many mails bear a wrong one, or none.

use mail_parser::decoders::charsets::map::charset_decoder;

/// The text of these bytes. The label is believed where the bytes fit it; bytes that are UTF-8 are UTF-8 whatever an ASCII-like label says.
#[must_use]
pub fn decode(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.map(|it| it.trim().to_ascii_lowercase()).filter(|it| !it.is_empty());
    let is_plain =
        label.as_deref().is_none_or(|it| matches!(it, "us-ascii" | "ascii" | "utf-8" | "utf8" | "iso-8859-1" | "latin1" | "unknown-8bit"));
    // Only a text with bytes beyond ASCII says anything of its charset; ISO 2022 has escapes instead of such bytes.
    if (!bytes.is_ascii() || label.is_none())
        && is_plain
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    match label.as_deref().and_then(|it| charset_decoder(it.as_bytes())) {
        Some(decode) if !is_plain || bytes.is_ascii() => decode(bytes),
        _ => guess(bytes),
    }
}

/// Text of an unknown charset, or none where it is no text of any that we know.
#[must_use]
pub fn strict(bytes: &[u8], label: Option<&str>) -> Option<String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let label = label.map(str::to_ascii_lowercase)?;
    let is_eight_bit = !matches!(label.as_str(), "us-ascii" | "ascii" | "utf-8" | "utf8" | "utf-7" | "unknown-8bit");
    charset_decoder(label.as_bytes()).filter(|_| is_eight_bit).map(|decode| decode(bytes))
}

/// Bytes without a label that fits: UTF-8 as far as it goes, else Cyrillic of the one kind or the other, else Western.
fn guess(bytes: &[u8]) -> String {
    let lossy = String::from_utf8_lossy(bytes);
    let broken = lossy.matches(char::REPLACEMENT_CHARACTER).count();
    let whole = lossy.chars().filter(|it| !it.is_ascii()).count() - broken;
    if broken == 0 || whole > 4 * broken {
        return lossy.into_owned();
    }
    let with = |charset: &str| charset_decoder(charset.as_bytes()).map_or_else(String::new, |decode| decode(bytes));
    let high = bytes.iter().filter(|it| **it >= 0x80).count();
    let letters = bytes.iter().filter(|it| **it >= 0xc0).count();
    // Cyrillic words are made of such bytes; in a Western text they stand alone among ASCII letters.
    let in_a_row = bytes.windows(2).filter(|it| it[0] >= 0xc0 && it[1] >= 0xc0).count();
    if letters * 10 < high * 8 || in_a_row * 2 < letters {
        return with("windows-1252");
    }
    // Most letters are small: they lie above 0xe0 in windows-1251 and below it in KOI8-R.
    let above = bytes.iter().filter(|it| **it >= 0xe0).count();
    with(if above * 2 >= letters { "windows-1251" } else { "koi8-r" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_spite_of_its_label() {
        let cyrillic = b"\xcf\xf0\xe8\xe2\xe5\xf2, \xea\xe0\xea \xe4\xe5\xeb\xe0";
        assert_eq!(decode(cyrillic, Some("windows-1251")), "Привет, как дела");
        for wrong in [None, Some("us-ascii"), Some("utf-8"), Some("no-such-charset")] {
            assert_eq!(decode(cyrillic, wrong), "Привет, как дела", "{wrong:?}");
        }
        assert_eq!(decode(b"\xf0\xd2\xc9\xd7\xc5\xd4", Some("KOI8-R")), "Привет");
        assert_eq!(decode(b"\xf0\xd2\xc9\xd7\xc5\xd4", None), "Привет");
        assert_eq!(decode("Привет".as_bytes(), Some("us-ascii")), "Привет");
        assert_eq!(decode(b"caf\xe9 cr\xe8me", None), "café crème");
        assert_eq!(decode(b"\x1b$B$9$_\x1b(B", Some("iso-2022-jp")), "すみ");
        assert_eq!(decode(b"\x82\xa0", Some("Shift_JIS")), "あ");
        assert_eq!(strict(b"\xd0\x9d\xf1 \xff", None), None);
        assert_eq!(strict(b"\xcf\xf0\xe8", Some("windows-1251")).as_deref(), Some("При"));
    }
}
