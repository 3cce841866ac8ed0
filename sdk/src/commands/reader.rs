//! An object of the hub, read strictly.

use std::cell::Cell;
use std::collections::BTreeMap;

use patchbay_schemas::{Extra, Timestamp, time};
use serde_json::Value;

use crate::json::{Error, Node, Object};

/// An object of the hub. What is not of the kind asked for is a fault, null is as good as nothing, names that nobody asks for are left
/// alone.
///
/// The first fault is noted, something stands in for the value, and reading goes on: in the end the whole is refused. Leaving early at
/// each field would be most of the machine code.
pub struct Reader<'a, 'f> {
    fields: Object<'a>,
    fault: &'f Cell<Option<Error>>,
}

/// Reads a document.
pub fn read<T>(text: &[u8], reader: fn(Reader) -> T) -> Result<T, Error> {
    let fault = Cell::default();
    let found = reader(Reader::of(Some(Node::parse(text)?), "the payload", &fault));
    fault.into_inner().map_or(Ok(found), Err)
}

impl<'a, 'f> Reader<'a, 'f> {
    #[inline(never)]
    fn of(node: Option<Node<'a>>, name: &str, fault: &'f Cell<Option<Error>>) -> Self {
        let fields = node.and_then(Node::object);
        if fields.is_none() {
            note(fault, name, "is not an object");
        }
        Self { fields: fields.unwrap_or_default(), fault }
    }

    /// Notes what is wrong with a field.
    #[cold]
    #[inline(never)]
    pub fn wrong(&self, name: &str, what: &str) {
        note(self.fault, name, what);
    }

    /// Takes any value.
    #[inline(never)]
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.fields.take(name)
    }

    /// Takes a text.
    #[inline(never)]
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.fields.text(name);
        if text.is_none() && self.fields.take(name).is_some() {
            self.wrong(name, "is not a text");
        }
        text
    }

    /// Takes a text that must be there.
    #[inline(never)]
    pub fn needed(&mut self, name: &str) -> String {
        if self.is_without(name) {
            self.wrong(name, "is missing");
        }
        self.text(name).unwrap_or_default()
    }

    /// Takes a yes or no.
    #[inline(never)]
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name) {
            None => None,
            Some(Node::Bool(it)) => Some(it),
            Some(_) => {
                self.wrong(name, "is neither true nor false");
                None
            }
        }
    }

    /// Takes one of the words that a type is written as.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, it)| *it);
        if found.is_none() {
            self.wrong(name, "is not one of the known values");
        }
        found
    }

    /// Takes one of the words that a type is written as, which must be there.
    pub fn needed_word<T: Copy, const N: usize>(&mut self, name: &str, words: &[(&str, T); N]) -> T {
        const { assert!(N > 0, "the first stands in where none fits") };
        if self.is_without(name) {
            self.wrong(name, "is missing");
        }
        self.word(name, words).unwrap_or(words[0].1)
    }

    /// True where nothing stands under this name.
    #[inline(never)]
    pub fn is_without(&self, name: &str) -> bool {
        self.fields.peek(name).is_none()
    }

    /// Takes a number.
    #[inline(never)]
    pub fn number(&mut self, name: &str) -> Option<f64> {
        let found = self.take(name)?.as_f64();
        if found.is_none() {
            self.wrong(name, "is not a number");
        }
        found
    }

    /// Takes a whole number that is not negative and not above `most`. It may be written with a fraction of zero.
    #[inline(never)]
    pub fn whole(&mut self, name: &str, most: u64) -> Option<u64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
        let whole = |it: f64| (it.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&it)).then_some(it as u64);
        let found = match self.take(name)? {
            Node::Number(it) => it.as_u64().or_else(|| it.as_f64().filter(|_| it.is_f64()).and_then(whole)),
            _ => None,
        };
        let found = found.filter(|it| *it <= most);
        if found.is_none() {
            self.wrong(name, "is not a whole number, or too large");
        }
        found
    }

    /// Takes a moment.
    #[inline(never)]
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        let found = time::parse(&text);
        if found.is_none() {
            self.wrong(name, "is not a time with an offset");
        }
        found
    }

    /// Takes a moment that must be there.
    #[inline(never)]
    pub fn needed_time(&mut self, name: &str) -> Timestamp {
        if self.is_without(name) {
            self.wrong(name, "is missing");
        }
        self.time(name).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Takes an object.
    #[inline(never)]
    pub fn object(&mut self, name: &str) -> Option<Self> {
        let node = self.take(name)?;
        Some(Self::of(Some(node), name, self.fault))
    }

    /// Takes an object that must be there.
    #[inline(never)]
    pub fn needed_object(&mut self, name: &str) -> Self {
        let node = self.take(name);
        Self::of(node, name, self.fault)
    }

    /// Takes a list.
    #[inline(never)]
    pub fn list(&mut self, name: &str) -> Vec<Node<'a>> {
        self.take(name).map_or_else(Vec::new, |it| self.items(it, name))
    }

    /// The items of a value, which must be a list.
    #[inline(never)]
    pub fn items(&self, node: Node<'a>, name: &str) -> Vec<Node<'a>> {
        let Node::List(items) = node else {
            self.wrong(name, "is not a list");
            return Vec::new();
        };
        items
    }

    /// Takes a list of objects, and reads each.
    pub fn objects<T>(&mut self, name: &str, read: fn(Self) -> T) -> Vec<T> {
        self.list(name).into_iter().map(|it| read(Self::of(Some(it), name, self.fault))).collect()
    }

    /// Reads a value, which must be an object.
    pub fn inner(&self, node: Node<'a>, name: &str) -> Self {
        Self::of(Some(node), name, self.fault)
    }

    /// Takes a list of texts.
    #[inline(never)]
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for it in self.list(name) {
            match it {
                Node::Text(text) => texts.push(text.into_owned()),
                _ => self.wrong(name, "holds something else than texts"),
            }
        }
        texts
    }

    /// Takes an object of any fields.
    #[inline(never)]
    pub fn extra(&mut self, name: &str) -> Extra {
        self.object(name).map(|it| it.fields.rest()).unwrap_or_default()
    }

    /// Takes an object whose fields are texts.
    #[inline(never)]
    pub fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, value) in self.extra(name) {
            match value {
                Value::String(text) => {
                    texts.insert(key, text);
                }
                Value::Null => {}
                _ => self.wrong(name, "holds something else than texts"),
            }
        }
        texts
    }
}

#[cold]
#[inline(never)]
fn note(fault: &Cell<Option<Error>>, name: &str, what: &str) {
    let earlier = fault.take();
    fault.set(earlier.or_else(|| Some(Error::of(&["`", name, "` ", what]))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_named() {
        let reader = |mut it: Reader| (it.needed("id"), it.text("name"), it.whole("count", 9));
        let fault = |text: &str| read(text.as_bytes(), reader).expect_err("a fault").to_string();
        assert_eq!(fault(r#"{"name": 5, "count": 10}"#), "`id` is missing");
        assert_eq!(fault(r#"{"id": "1", "name": 5}"#), "`name` is not a text");
        assert_eq!(fault(r#"{"id": "1", "count": 10}"#), "`count` is not a whole number, or too large");
        assert_eq!(fault("[]"), "`the payload` is not an object");
        assert_eq!(fault("{"), "not JSON at byte 1: expected a name");
        assert_eq!(read(br#"{"id": "1", "name": null, "count": 9.0, "new": {}}"#, reader), Ok(("1".to_owned(), None, Some(9))));
    }
}
