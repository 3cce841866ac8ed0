//! Addresses of a header field (RFC 5322, section 3.4), also where they are not as they should be.

use crate::words;

/// Somebody's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The name beside it.
    pub name: Option<String>,
    /// `anna@example.com`, as written.
    pub address: Option<String>,
}

/// The addresses of a field. Bytes that are no text give no name; the address beside them counts.
#[must_use]
pub fn list(raw: &[u8], charset: Option<&str>) -> Vec<Address> {
    let unfolded = words::unfold(raw);
    let is_text = crate::charset::strict(&unfolded, charset);
    let text = is_text.clone().unwrap_or_else(|| String::from_utf8_lossy(&unfolded).into_owned());
    let mut found: Vec<Address> = split(&text).into_iter().map(|it| one(&it)).filter(|it| *it != Address::default()).collect();
    if is_text.is_none() {
        for it in &mut found {
            it.name = None;
        }
    }
    found
}

/// Cuts at commas and semicolons outside of quotation marks, brackets and comments; the name of a group goes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut angle, mut comment) = (false, false, false, 0_u32);
    for letter in text.chars() {
        let plain = !quoted && comment == 0;
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            '(' if !quoted => comment += 1,
            ')' if !quoted => comment = comment.saturating_sub(1),
            '<' if plain => angle = true,
            '>' if plain => angle = false,
            ',' | ';' if plain && !angle => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            ':' if plain && !angle => {
                part.clear();
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    parts
}

fn one(text: &str) -> Address {
    let (mut phrase, mut comment, mut inside) = (String::new(), String::new(), None::<String>);
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    let mut before_at = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if escaped {
            escaped = false;
            if depth > 0 {
                comment.push(letter);
            } else {
                phrase.push(letter);
            }
            continue;
        }
        match letter {
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => {
                depth += 1;
                if depth > 1 {
                    comment.push('(');
                }
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth > 0 {
                    comment.push(')');
                }
            }
            _ if depth > 0 => comment.push(letter),
            '<' if !quoted => inside = Some(letters.by_ref().take_while(|it| *it != '>').collect()),
            '@' if !quoted && inside.is_none() => {
                before_at = Some(phrase.len());
                phrase.push('@');
            }
            _ if inside.is_none() => phrase.push(letter),
            // What stands behind the bracket says nothing.
            _ => {}
        }
    }
    let bare = before_at.and_then(|_| phrase.split_whitespace().find(|it| is_address(it)));
    if let Some(bare) = bare {
        // An address in the place of the name: whoever reads it sees that one.
        let name = inside.is_none().then(|| name(&comment)).flatten();
        return Address { name, address: Some(bare.to_owned()) };
    }
    let address = inside.map(|it| it.chars().filter(|it| !it.is_whitespace()).collect::<String>());
    // A route of old stands before the last colon.
    let address = address.map(|it| it.rsplit(':').next().unwrap_or_default().to_owned()).filter(|it| is_address(it));
    let has_address = address.is_some();
    Address { name: name(&phrase).or_else(|| name(&comment)).filter(|_| has_address), address }
}

fn name(text: &str) -> Option<String> {
    let decoded = words::encoded(text);
    let clean = decoded.trim().trim_matches(|it| matches!(it, '"' | '\'')).split_whitespace().collect::<Vec<_>>().join(" ");
    // A name that is nothing but an address tells nothing new.
    Some(clean).filter(|it| !it.is_empty() && !is_address(it))
}

/// True for what may be an address.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 320
        && text.rsplit_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.starts_with('.') && text.chars().all(|it| !it.is_whitespace() && !it.is_control())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_whatever_stands_there() {
        let read = |raw: &[u8]| list(raw, None).into_iter().map(|it| (it.name, it.address)).next().unwrap_or_default();
        let some = |text: &str| Some(text.to_owned());
        for (raw, name, address) in [
            (&b"Anna <anna@example.com>"[..], some("Anna"), some("anna@example.com")),
            (b"\"Buck, Jamis\" <jamis@37signals.com>", some("Buck, Jamis"), some("jamis@37signals.com")),
            (b"=?UTF-8?B?Rm9vLCBCYXI=?= <foo.bar@example.com>", some("Foo, Bar"), some("foo.bar@example.com")),
            (b"\"=?UTF-8?B?Rm9vLCBCYXI=?=\" <foo.bar@example.com>", some("Foo, Bar"), some("foo.bar@example.com")),
            (b"bob@example.com (Bob (the builder))", some("Bob (the builder)"), some("bob@example.com")),
            (b"alice@example.com <bob@example.com>", None, some("alice@example.com")),
            (b"\"alice@example.com\" <alice@example.com>", None, some("alice@example.com")),
            (b"<vishnu@chatwoot.com>vishnu@chatwoot.com", None, some("vishnu@chatwoot.com")),
            (b"\"\" (Mail Delivery System)", None, None),
            (b"Team: a@example.com, b@example.com;", None, some("a@example.com")),
            (b"anna@example.com", None, some("anna@example.com")),
            (b"\xd0\x9d\xf1 <a@example.com>", None, some("a@example.com")),
            ("Иван <ivan@example.com>".as_bytes(), some("Иван"), some("ivan@example.com")),
            (b"undisclosed-recipients:;", None, None),
            (b"MAILER-DAEMON", None, None),
            (b"", None, None),
        ] {
            assert_eq!(read(raw), (name, address), "{}", raw.escape_ascii());
        }
        assert_eq!(list(b"a@example.com, \"B, C\" <b@example.com>", None).len(), 2);
    }
}
