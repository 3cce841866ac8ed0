//! The form-encoded body that Mango posts, and the one that it takes: `vpbx_api_key`, `sign`, `json`.

/// The field of a form, decoded. None: it is not there.
#[must_use]
pub fn field(body: &[u8], name: &str) -> Option<Vec<u8>> {
    body.split(|it| *it == b'&').find_map(|pair| {
        let at = pair.iter().position(|it| *it == b'=')?;
        (decoded(&pair[..at]) == name.as_bytes()).then(|| decoded(&pair[at + 1..]))
    })
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => found.push(b' '),
            b'%' => match (after.first().and_then(|it| digit(*it)), after.get(1).and_then(|it| digit(*it))) {
                (Some(high), Some(low)) => {
                    found.push(high << 4 | low);
                    rest = &after[2..];
                }
                _ => found.push(b'%'),
            },
            byte => found.push(*byte),
        }
    }
    found
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A text as the value of a form field.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut found = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => found.push(char::from(byte)),
            _ => {
                found.push('%');
                found.push(hex(byte >> 4));
                found.push(hex(byte & 15));
            }
        }
    }
    found
}

/// Bytes in hexadecimal.
#[must_use]
pub fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|it| [hex(it >> 4), hex(it & 15)]).collect()
}

fn hex(four_bits: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(four_bits & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_and_decoded() {
        let body = b"vpbx_api_key=k&json=%7B%22a%22%3A+%22%D1%8F%22%7D&sign=1%2";
        assert_eq!(field(body, "json").as_deref(), Some("{\"a\": \"я\"}".as_bytes()));
        assert_eq!(field(body, "sign").as_deref(), Some(b"1%2".as_slice()));
        assert_eq!(field(body, "other"), None);
        assert_eq!(field(b"", "json"), None);
        assert_eq!(field(b"json", "json"), None);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let text = "{\"text\":\"Привет & 1+1=2 %\"}";
        let body = ["a=1&json=", &encoded(text)].concat();
        assert_eq!(field(body.as_bytes(), "json").as_deref(), Some(text.as_bytes()));
        assert_eq!(in_hex(&[0, 255, 16]), "00ff10");
    }
}
