//! A document that is being written.

use patchbay_schemas::{Extra, Timestamp, time};
use serde_json::{Number, Value};

use super::number;
use super::plain::plain;

/// Room for an ordinary event from the start.
const ROOM: usize = 2 << 10;

/// A document that is being written. What is written by hand calls its methods, what is written by `derive` comes through [`Serializer`].
pub struct Writer {
    out: String,
}

/// Objects, lists and fields. Not inlined: they are called for every field of every event.
impl Writer {
    pub fn roomy() -> Self {
        Self { out: String::with_capacity(ROOM) }
    }

    pub fn finish(self) -> String {
        self.out
    }

    #[inline(never)]
    pub fn begin(&mut self) {
        self.open('{');
    }

    #[inline(never)]
    pub fn end(&mut self) {
        self.open('}');
    }

    pub fn begin_list(&mut self) {
        self.open('[');
    }

    pub fn end_list(&mut self) {
        self.open(']');
    }

    /// What stands before a value: `"name":`. Names of our own need no escapes.
    #[inline(never)]
    pub fn name(&mut self, name: &'static str) {
        self.out.reserve(name.len() + 4);
        self.next();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push('"');
        self.out.push(':');
    }

    /// `"name":{`
    #[inline(never)]
    pub fn begin_field(&mut self, name: &'static str) {
        self.name(name);
        self.open('{');
    }

    /// A field with a text.
    #[inline(never)]
    pub fn word_field(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.text(text);
    }

    /// A field with a text, where there is one.
    #[inline(never)]
    #[expect(clippy::ref_option, reason = "the code of the many callers is half as long")]
    pub fn text_field(&mut self, name: &'static str, text: &Option<String>) {
        if let Some(text) = text {
            self.word_field(name, text);
        }
    }

    /// A field with a moment, where there is one.
    #[inline(never)]
    #[expect(clippy::ref_option, reason = "the code of the many callers is half as long")]
    pub fn time_field(&mut self, name: &'static str, time: &Option<Timestamp>) {
        if let Some(time) = time {
            self.word_field(name, &time::written(*time));
        }
    }

    /// A field with a whole number, where there is one.
    #[inline(never)]
    pub fn whole_field(&mut self, name: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.name(name);
            self.unsigned(number);
        }
    }

    pub fn flag(&mut self, it: bool) {
        self.word(if it { "true" } else { "false" });
    }

    #[inline(never)]
    pub fn texts(&mut self, texts: &[String]) {
        self.begin_list();
        for it in texts {
            self.next();
            self.text(it);
        }
        self.end_list();
    }

    #[inline(never)]
    pub fn fields(&mut self, fields: &Extra) {
        self.begin();
        for (name, value) in fields {
            self.key(name);
            self.value(value);
        }
        self.end();
    }

    #[inline(never)]
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.word("null"),
            Value::Bool(it) => self.flag(*it),
            Value::Number(it) => self.number(it),
            Value::String(it) => self.text(it),
            Value::Array(items) => {
                self.begin_list();
                for it in items {
                    self.next();
                    self.value(it);
                }
                self.end_list();
            }
            Value::Object(fields) => self.fields(fields),
        }
    }

    #[inline(never)]
    fn number(&mut self, number: &Number) {
        match (number.as_u64(), number.as_i64()) {
            (Some(it), _) => self.unsigned(it),
            (None, Some(it)) => self.signed(it),
            (None, None) => self.float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }
}

impl Writer {
    /// The parts that every type needs are not inlined: their copies would be most of the code.
    #[inline(never)]
    pub fn text(&mut self, text: &str) {
        self.out.reserve(text.len() + 3);
        self.out.push('"');
        let mut rest = text;
        loop {
            // Special bytes are ASCII: a text can be cut before and after them.
            let (plain, special) = rest.split_at_checked(plain(rest.as_bytes())).unwrap_or((rest, ""));
            self.out.push_str(plain);
            let Some(byte) = special.bytes().next() else { break };
            self.escape(byte);
            rest = special.get(1..).unwrap_or_default();
        }
        self.out.push('"');
    }

    #[cold]
    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            b'"' | b'\\' => char::from(byte),
            _ => {
                let digit = |it: u8| char::from(if it < 10 { b'0' + it } else { b'a' + it - 10 });
                self.word("\\u00");
                self.out.push(digit(byte >> 4));
                self.out.push(digit(byte & 15));
                return;
            }
        };
        self.out.push('\\');
        self.out.push(short);
    }

    /// What stands before an element: a comma, unless it is the first.
    #[inline(never)]
    pub fn next(&mut self) {
        if !matches!(self.out.as_bytes().last(), Some(b'{' | b'[')) {
            self.out.push(',');
        }
    }

    #[inline(never)]
    pub fn key(&mut self, key: &str) {
        self.next();
        self.text(key);
        self.out.push(':');
    }

    pub fn open(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    #[inline(never)]
    pub fn signed(&mut self, number: i64) {
        if number < 0 {
            self.out.push('-');
        }
        number::whole(&mut self.out, number.unsigned_abs());
    }

    #[inline(never)]
    pub fn float(&mut self, number: f64) {
        if number.is_finite() { number::float(&mut self.out, number) } else { self.word("null") }
    }

    pub fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }

    #[inline(never)]
    pub fn unsigned(&mut self, number: u64) {
        number::whole(&mut self.out, number);
    }

    /// How much is written.
    pub fn length(&self) -> usize {
        self.out.len()
    }

    /// True where what was written from there on is a text.
    pub fn is_text_at(&self, place: usize) -> bool {
        self.out.as_bytes().get(place) == Some(&b'"')
    }
}
