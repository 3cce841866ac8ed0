//! Parses JSON text (RFC 8259) into nodes that borrow from it.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::object::Field;
use super::plain::plain;
use super::{Error, Node, Object, number};

/// Deepest nesting: each level is one call on the stack of the connector.
const DEEPEST: u32 = 128;
/// Fields that are open at once in an ordinary document.
const ROOM: usize = 32;

/// Parses a document. The error says at which byte it stops being JSON.
#[inline(never)]
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    Ok(node(text)?.value())
}

#[inline(never)]
pub(super) fn node(text: &[u8]) -> Result<Node<'_>, Error> {
    let text = std::str::from_utf8(text).map_err(|error| Error(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, depth: 0, open: Vec::with_capacity(ROOM) };
    parser.element("")?;
    match parser.open.pop().and_then(|it| it.node) {
        Some(node) if parser.at == text.len() => Ok(node),
        _ => Err(parser.wrong("the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// The fields of the objects and lists that are still open, the innermost last: each takes its own when it closes.
    ///
    /// A node is written there where it is made. Handed from function to function it would be moved in other pieces than it was
    /// written in, for which a processor waits: that was a third of the parsing.
    open: Vec<Field<'a>>,
}

impl<'a> Parser<'a> {
    #[cold]
    #[inline(never)]
    fn wrong(&self, expected: &str) -> Error {
        Error(format!("not JSON at byte {}: expected {expected}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// A value and the white space around it: one more field.
    #[inline(never)]
    fn element(&mut self, name: &'a str) -> Result<(), Error> {
        self.space();
        match self.peek() {
            Some(b'"') => {
                if let Some(text) = self.plain() {
                    self.push(name, Node::Text(Cow::Borrowed(text)));
                } else {
                    let text = self.escaped()?;
                    self.push(name, Node::Text(Cow::Owned(text)));
                }
            }
            Some(b'{') => self.nested(name, Self::object)?,
            Some(b'[') => self.nested(name, Self::array)?,
            Some(b'-' | b'0'..=b'9') => {
                if let Some(number) = self.whole() {
                    self.push(name, Node::Number(number.into()));
                } else {
                    let number = self.number()?;
                    self.push(name, Node::Number(number));
                }
            }
            Some(b't') => self.word(name, "true", Node::Bool(true))?,
            Some(b'f') => self.word(name, "false", Node::Bool(false))?,
            Some(b'n') => self.word(name, "null", Node::Null)?,
            _ => return Err(self.wrong("a value")),
        }
        self.space();
        Ok(())
    }

    #[inline]
    fn push(&mut self, name: &'a str, node: Node<'a>) {
        self.open.push(Field::new(Cow::Borrowed(name), node));
    }

    fn word(&mut self, name: &'a str, word: &str, node: Node<'a>) -> Result<(), Error> {
        if !self.bytes.get(self.at..).is_some_and(|it| it.starts_with(word.as_bytes())) {
            return Err(self.wrong(word));
        }
        self.at += word.len();
        self.push(name, node);
        Ok(())
    }

    fn nested(&mut self, name: &'a str, read: fn(&mut Self, &'a str) -> Result<(), Error>) -> Result<(), Error> {
        if self.depth == DEEPEST {
            return Err(self.wrong("less nesting"));
        }
        self.at += 1;
        self.depth += 1;
        self.space();
        read(self, name)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, name: &'a str) -> Result<(), Error> {
        let start = self.open.len();
        while !self.eat(b'}') {
            if self.open.len() > start {
                if !self.eat(b',') {
                    return Err(self.wrong("`,` or `}`"));
                }
                self.space();
            }
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a name"));
            }
            let plain = self.plain();
            let escaped = if plain.is_none() { Some(self.escaped()?) } else { None };
            self.space();
            if !self.eat(b':') {
                return Err(self.wrong("`:`"));
            }
            self.element(plain.unwrap_or_default())?;
            if let (Some(name), Some(field)) = (escaped, self.open.last_mut()) {
                field.name = Cow::Owned(name);
            }
        }
        let fields = self.open.drain(start..).collect();
        self.push(name, Node::Object(Object::new(fields)));
        Ok(())
    }

    fn array(&mut self, name: &'a str) -> Result<(), Error> {
        let start = self.open.len();
        while !self.eat(b']') {
            if self.open.len() > start && !self.eat(b',') {
                return Err(self.wrong("`,` or `]`"));
            }
            self.element("")?;
        }
        let items = self.open.drain(start..).filter_map(|it| it.node).collect();
        self.push(name, Node::List(items));
        Ok(())
    }

    /// A text without escapes, as most are: it stays where it is. None: nothing was read.
    #[inline(never)]
    fn plain(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let end = start + plain(self.bytes.get(start..)?);
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// Any text.
    #[inline(never)]
    fn escaped(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            self.at += plain(self.bytes.get(start..).unwrap_or_default());
            text.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.escape()?;
                    text.push(escaped);
                }
                _ => return Err(self.wrong("the end of the text")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Error> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(it @ (b'"' | b'\\' | b'/')) => char::from(it),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut unit = self.hex()?;
                if (0xD800..0xDC00).contains(&unit) {
                    if !(self.eat(b'\\') && self.eat(b'u')) {
                        return Err(self.wrong("the second half of a surrogate pair"));
                    }
                    let low = self.hex()?.wrapping_sub(0xDC00);
                    if low >= 0x400 {
                        return Err(self.wrong("the second half of a surrogate pair"));
                    }
                    unit = 0x10000 + ((unit - 0xD800) << 10 | low);
                }
                char::from_u32(unit).ok_or_else(|| self.wrong("a character"))?
            }
            _ => return Err(self.wrong("an escape")),
        })
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|it| char::from(it).to_digit(16)).ok_or_else(|| self.wrong("four hexadecimal digits"))?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// A whole number of at most 18 digits, as most are; minus zero is none of them. None: nothing was read.
    fn whole(&mut self) -> Option<i64> {
        let mut number = 0;
        let mut count = 0;
        let is_negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(is_negative);
        let rest = self.bytes.get(start..)?;
        while let Some(digit @ b'0'..=b'9') = rest.get(count) {
            if count == 18 {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            count += 1;
        }
        let is_zero = rest.first() == Some(&b'0');
        if count == 0 || (is_zero && (count > 1 || is_negative)) || matches!(rest.get(count), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at = start + count;
        Some(if is_negative { -number } else { number })
    }

    /// Any number.
    #[inline(never)]
    fn number(&mut self) -> Result<Number, Error> {
        let is_negative = self.eat(b'-');
        let mut digits = Digits::default();
        if !self.eat(b'0') && self.digits(&mut digits) == 0 {
            return Err(self.wrong("a digit"));
        }
        let mut is_whole = true;
        if self.eat(b'.') {
            is_whole = false;
            let places = self.digits(&mut digits);
            if places == 0 {
                return Err(self.wrong("a digit"));
            }
            digits.exponent -= places;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            let is_small = self.eat(b'-');
            if !is_small {
                self.eat(b'+');
            }
            let mut power = Digits::default();
            if self.digits(&mut power) == 0 {
                return Err(self.wrong("a digit"));
            }
            let power = if power.exponent > 0 { i64::from(i32::MAX) } else { i64::try_from(power.mantissa).unwrap_or(i64::MAX) };
            digits.exponent = digits.exponent.saturating_add(if is_small { -power } else { power });
        }
        if is_whole && digits.exponent == 0 {
            if !is_negative {
                return Ok(digits.mantissa.into());
            }
            match 0_i64.checked_sub_unsigned(digits.mantissa) {
                Some(it) if it != 0 => return Ok(it.into()),
                _ => {}
            }
        }
        let number = number::scaled(digits.mantissa, digits.exponent);
        Number::from_f64(if is_negative { -number } else { number }).ok_or_else(|| self.wrong("a smaller number"))
    }

    /// Reads digits: how many there were.
    fn digits(&mut self, into: &mut Digits) -> i64 {
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            into.push(digit - b'0');
            self.at += 1;
            count += 1;
        }
        count
    }
}

/// One more digit always fits behind such a number.
const SAFE: u64 = (u64::MAX - 9) / 10;

/// A number as its first digits and the power of ten that they stand before.
#[derive(Default)]
struct Digits {
    mantissa: u64,
    exponent: i64,
}

impl Digits {
    fn push(&mut self, digit: u8) {
        if self.mantissa <= SAFE && self.exponent == 0 {
            self.mantissa = self.mantissa * 10 + u64::from(digit);
        } else {
            self.push_last(digit);
        }
    }

    #[cold]
    fn push_last(&mut self, digit: u8) {
        let longer = self.mantissa.checked_mul(10).and_then(|it| it.checked_add(digit.into()));
        match longer {
            Some(longer) if self.exponent == 0 => self.mantissa = longer,
            // More digits than any `f64` can tell apart: only their number counts.
            _ => self.exponent += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::parse;

    const DOCUMENT: &str = r#" {"a": [1, -2.5e3, 0.125, 18446744073709551615, -9223372036854775808, 1e2, -0, 0],
        "b\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\": {"c": null, "d": [true, false, [], {}], "a": "", "a": "яблоко 😀"}, "": "x"} "#;

    /// Both refuse it, or both make the same of it; beyond 15 digits numbers may differ in their last bits.
    fn agrees(text: &[u8]) {
        let theirs: Option<Value> = serde_json::from_slice(text).ok();
        assert_eq!(parse(text).ok().map(blunt), theirs.map(blunt), "{}", String::from_utf8_lossy(text));
    }

    fn blunt(value: Value) -> Value {
        match value {
            Value::Number(it) if it.is_f64() => Value::String(it.as_f64().map(|it| format!("{it:.13e}")).unwrap_or_default()),
            Value::Array(items) => items.into_iter().map(blunt).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, it)| (name, blunt(it))).collect(),
            other => other,
        }
    }

    #[test]
    fn a_document_is_what_serde_json_makes_of_it() {
        agrees(DOCUMENT.as_bytes());
        for text in [
            "0",
            "-1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+2",
            "-",
            "--1",
            "+1",
            "1 2",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "\"",
            "",
            " ",
            "nul",
            "nulll",
            "tru",
            "1e400",
            "-1e-400",
            "1e99999999999999999999",
            "18446744073709551616",
            "123456789012345678901234567890",
            "-9223372036854775809",
            "999999999999999999",
            "-999999999999999999",
            "1000000000000000000",
            "9999999999999999999",
            "-1000000000000000000",
            "-0.0",
            "-0",
            "-01",
            "-1001293752024",
            "-5e1",
            "0.1",
            "3.141592653589793",
            "[[[]]",
            "\u{feff}1",
            "NaN",
        ] {
            agrees(text.as_bytes());
        }
    }

    #[test]
    fn damaged_documents_are_refused_just_where_serde_json_refuses_them() {
        let whole = DOCUMENT.as_bytes();
        let mut seed = 1_u32;
        for at in 0..whole.len() {
            agrees(&whole[..at]);
            for _ in 0..40 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mut damaged = whole.to_vec();
                damaged[at] = b"\"\\{}[],:01.eE+-truefalsn u\n\x00\xc3\xff"[(seed >> 16) as usize % 30];
                agrees(&damaged);
            }
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        let fits = format!("{}{}", "[".repeat(127), "]".repeat(127));
        agrees(fits.as_bytes());
    }

    #[test]
    fn an_error_says_where_and_what() {
        assert_eq!(parse(b"{\"a\": x}").expect_err("x").to_string(), "not JSON at byte 6: expected a value");
        assert_eq!(parse(b"\"\xff\"").expect_err("x").to_string(), "not UTF-8 at byte 1");
    }
}
