//! Header fields: unfolding, and words in other alphabets (RFC 2047), also as they stand in mails that broke its rules.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

use crate::charset;

/// The field's text. None: its bytes are no text of any charset that it could be in.
#[must_use]
pub fn text(raw: &[u8], charset: Option<&str>) -> Option<String> {
    let unfolded = unfold(raw);
    let plain = charset::strict(&unfolded, charset)?;
    let decoded = encoded(&plain);
    let clean: String = decoded.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    Some(clean.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Lines that begin with white space belong to the one before.
#[must_use]
pub fn unfold(raw: &[u8]) -> Vec<u8> {
    raw.iter().copied().filter(|it| !matches!(it, b'\r' | b'\n')).collect::<Vec<_>>().trim_ascii().to_vec()
}

/// The text with its encoded words read. Neighbours in one charset are joined as bytes first: many a mailer cuts through a letter.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut charset, mut bytes) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let Some((label, decoded, length)) = word(&rest[at..]) else {
            flush(&mut out, &charset, &mut bytes);
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        let between = &rest[..at];
        // White space between two encoded words is none.
        if bytes.is_empty() || !between.trim().is_empty() {
            flush(&mut out, &charset, &mut bytes);
            out.push_str(between);
        }
        if label != charset {
            flush(&mut out, &charset, &mut bytes);
            charset = label;
        }
        bytes.extend(decoded);
        rest = &rest[at + length..];
    }
    flush(&mut out, &charset, &mut bytes);
    out.push_str(rest);
    out
}

fn flush(out: &mut String, charset: &str, bytes: &mut Vec<u8>) {
    if !bytes.is_empty() {
        out.push_str(&charset::decode(bytes, Some(charset)));
        bytes.clear();
    }
}

/// An encoded word at the beginning: its charset, its bytes, and how long it is.
fn word(text: &str) -> Option<(String, Vec<u8>, usize)> {
    let inside = text.strip_prefix("=?")?;
    let (label, after) = inside.split_once('?')?;
    let (encoding, after) = after.split_once('?')?;
    // A `?` within Q is wrong and seen; the end is what counts.
    let end = after.find("?=")?;
    let payload = &after[..end];
    if label.is_empty() || label.contains(char::is_whitespace) {
        return None;
    }
    let label = label.split('*').next().unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding {
        "B" | "b" => base64_decode(payload.as_bytes()).or_else(|| base64_decode(format!("{payload}==").as_bytes()))?,
        "Q" | "q" => quoted(payload.as_bytes()),
        _ => return None,
    };
    let length = text.len() - after.len() + end + 2;
    Some((label, bytes, length))
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = text.get(at + 1).zip(text.get(at + 2)).and_then(|(a, b)| quoted_printable_decode_char(*a, *b));
        match (byte, pair) {
            (b'=', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'_', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_also_where_they_break_the_rules() {
        for (raw, read) in [
            ("=?UTF-8?B?Rm9vLCBCYXI=?=", "Foo, Bar"),
            ("=?iso-8859-1?Q?Last=DFlName=2C_FirstName?=", "LastßlName, FirstName"),
            ("=?utf-8?B?0J8=?= =?utf-8?B?0YDQ?= =?utf-8?B?uA==?=", "При"),
            ("=?UTF-8?Q?caf=C3=A9?= au lait", "café au lait"),
            ("a =?x", "a =?x"),
            ("=?utf-8?X?abc?= b", "=?utf-8?X?abc?= b"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?utf-8*ru?Q?=D0=AF?=", "Я"),
            ("plain", "plain"),
        ] {
            assert_eq!(encoded(raw), read, "{raw}");
        }
        assert_eq!(text(b"=?windows-1251?B?z/Do?=\r\n\t=?windows-1251?B?4uXy?=", None).as_deref(), Some("Привет"));
        assert_eq!(text(b"\xb4!", None), None);
        assert_eq!(text(b"\xcf\xf0\xe8\xe2\xe5\xf2", Some("windows-1251")).as_deref(), Some("Привет"));
    }
}
