//! A JSON object that is read by taking fields out of it, in the document where it stands.

use std::borrow::Cow;
use std::mem;

use patchbay_schemas::Extra;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Node;

/// An object of the vendor, or one made for it.
///
/// Nothing is copied before it is taken, and what nobody takes becomes values of its own only in [`rest`](Self::rest). A list in the
/// order of the document, searched from one end: such objects have a dozen fields. Little is inlined or generic: each connector would
/// carry dozens of copies.
///
/// A field that is not of the kind asked for is left where it is, so that it travels in `extra`: vendors change their objects, and a
/// message must not be lost over one of their fields. Of a name that stands there twice the last counts.
///
/// ```
/// use patchbay_sdk::json::Node;
///
/// let mut update = Node::parse(br#"{"id": 7, "text": "hi", "date": "soon"}"#).unwrap().object().unwrap();
/// assert_eq!((update.int("id"), update.text("text"), update.int("date")), (Some(7), Some("hi".to_owned()), None));
/// assert_eq!(update.rest()["date"], "soon");
///
/// let mut answer = patchbay_sdk::json::Object::default();
/// answer.put("chat_id", 7);
/// answer.put("text", "hi");
/// assert_eq!(patchbay_sdk::json::write(&answer).unwrap(), r#"{"chat_id":7,"text":"hi"}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<'a>(Vec<Field<'a>>);

/// A field and its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) name: Cow<'a, str>,
    /// None: it was taken.
    pub(super) node: Option<Node<'a>>,
}

impl<'a> Field<'a> {
    pub(super) fn new(name: Cow<'a, str>, node: Node<'a>) -> Self {
        Self { name, node: Some(node) }
    }

    /// Names are nearly always different.
    #[inline]
    fn is(&self, name: &str) -> bool {
        self.name.len() == name.len()
            && self.name.as_bytes().first() == name.as_bytes().first()
            && *self.name == *name
            && self.node.is_some()
    }
}

impl<'a> Object<'a> {
    pub(super) fn new(fields: Vec<Field<'a>>) -> Self {
        Self(fields)
    }

    /// A look at any field that stays where it is, null too.
    #[inline(never)]
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.0.iter().rev().find(|it| it.is(name)).and_then(|it| it.node.as_ref())
    }

    /// The place of a value, out of which it can be taken.
    #[inline(never)]
    fn find(&mut self, name: &str) -> Option<&mut Option<Node<'a>>> {
        let mut found: Option<&mut Option<Node<'a>>> = None;
        for field in &mut self.0 {
            if field.is(name)
                && let Some(earlier) = found.replace(&mut field.node)
            {
                *earlier = None;
            }
        }
        found
    }

    #[inline(never)]
    fn take_if(&mut self, name: &str, fits: fn(&Node) -> bool) -> Option<Node<'a>> {
        self.find(name)?.take_if(|it| fits(it))
    }

    /// Takes any value; null counts as absent.
    #[inline(never)]
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.take_if(name, |_| true).filter(|it| !matches!(it, Node::Null))
    }

    /// Takes a text.
    #[inline(never)]
    pub fn text(&mut self, name: &str) -> Option<String> {
        let place = self.find(name)?;
        let Some(Node::Text(text)) = place else { return None };
        let text = mem::take(text).into_owned();
        *place = None;
        Some(text)
    }

    /// Takes a whole number.
    #[inline(never)]
    pub fn int(&mut self, name: &str) -> Option<i64> {
        let place = self.find(name)?;
        let number = place.as_ref().and_then(Node::as_i64)?;
        *place = None;
        Some(number)
    }

    /// Takes a yes or no; absent is no.
    #[inline(never)]
    pub fn flag(&mut self, name: &str) -> bool {
        let Some(place) = self.find(name) else { return false };
        let Some(Node::Bool(yes)) = *place else { return false };
        *place = None;
        yes
    }

    /// Takes an object.
    #[inline(never)]
    pub fn object(&mut self, name: &str) -> Option<Self> {
        self.take_if(name, |it| matches!(it, Node::Object(_))).and_then(Node::object)
    }

    /// Takes a list.
    #[inline(never)]
    pub fn list(&mut self, name: &str) -> Vec<Node<'a>> {
        match self.take_if(name, |it| matches!(it, Node::List(_))) {
            Some(Node::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// A look at a field that stays where it is; null counts as absent.
    #[inline(never)]
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&Node<'a>> {
        self.get(name).filter(|it| !matches!(it, Node::Null))
    }

    /// A look at a text that stays where it is.
    #[inline(never)]
    #[must_use]
    pub fn peek_text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::as_str)
    }

    /// A look at a whole number that stays where it is.
    #[inline(never)]
    #[must_use]
    pub fn peek_int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Node::as_i64)
    }

    /// Adds a field, in place of any that has its name.
    pub fn put(&mut self, name: impl Into<Cow<'a, str>>, node: impl Into<Node<'a>>) {
        self.set(name.into(), node.into());
    }

    #[inline(never)]
    fn set(&mut self, name: Cow<'a, str>, node: Node<'a>) {
        match self.find(&name) {
            Some(place) => *place = Some(node),
            None => self.0.push(Field::new(name, node)),
        }
    }

    /// Adds a text, copied.
    #[inline(never)]
    pub fn put_text(&mut self, name: &'a str, text: &str) {
        self.put(name, text.to_owned());
    }

    /// Adds what is left of another object, in place of any that have these names.
    #[inline(never)]
    pub fn put_all(&mut self, other: Self) {
        for Field { name, node } in other.0 {
            if let Some(node) = node {
                self.set(name, node);
            }
        }
    }

    /// True when there is nothing left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|it| it.node.is_none())
    }

    /// The names of what is left, in the order of the document.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|it| it.node.is_some()).map(|it| &*it.name)
    }

    /// What nobody took.
    #[inline(never)]
    #[must_use]
    pub fn rest(self) -> Extra {
        let mut rest = Extra::new();
        for Field { name, node } in self.0 {
            if let Some(node) = node {
                insert(&mut rest, name.into_owned(), node.value());
            }
        }
        rest
    }

    /// What nobody took, as a value.
    #[must_use]
    pub fn value(self) -> Value {
        Value::Object(self.rest())
    }

    /// What nobody took, with names and texts of its own.
    #[inline(never)]
    #[must_use]
    pub fn into_owned(self) -> Object<'static> {
        let mut fields = Vec::with_capacity(self.0.len());
        for Field { name, node } in self.0 {
            if let Some(node) = node {
                fields.push(Field::new(Cow::Owned(name.into_owned()), node.into_owned()));
            }
        }
        Object(fields)
    }
}

/// Adds to an object. Not inlined: the growth of a tree is half the size of a parser.
#[inline(never)]
fn insert(fields: &mut Extra, name: String, value: Value) {
    fields.insert(name, value);
}

/// Of names that come twice the last counts.
impl<'a> FromIterator<(&'a str, Node<'a>)> for Object<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, Node<'a>)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, node)| Field::new(Cow::Borrowed(name), node)).collect())
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let mut object = writer.serialize_map(None)?;
        for (at, Field { name, node }) in self.0.iter().enumerate() {
            // What stands there twice is written once.
            if let Some(node) = node.as_ref().filter(|_| !self.0[at + 1..].iter().any(|it| it.is(name))) {
                object.serialize_entry(name, node)?;
            }
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::{parse, write};

    const DOCUMENT: &[u8] = r#"{"id": 7, "big": 18446744073709551615, "half": 0.5, "text": "яб\nлоко", "a": 1, "no": false, "yes": true,
        "none": null, "a": "x", "list": [1, {"b": "c"}], "object": {"d": {"e": []}}, "": ""}"#
        .as_bytes();

    fn both() -> (Object<'static>, Extra) {
        let object = Node::parse(DOCUMENT).expect("JSON").object().expect("an object");
        let Value::Object(values) = parse(DOCUMENT).expect("JSON") else { panic!("an object") };
        (object, values)
    }

    /// The value of a name where it is of the kind asked for; then it is gone.
    fn taken(values: &mut Extra, name: &str, fits: fn(&Value) -> bool) -> Option<Value> {
        if values.get(name).is_some_and(fits) { values.remove(name) } else { None }
    }

    /// Whatever is asked for, in whatever order: the answers and what is left are those of a map that values are taken out of.
    #[test]
    fn an_object_gives_what_a_map_gives() {
        let names = ["id", "big", "half", "text", "a", "no", "yes", "none", "list", "object", "", "absent"];
        let mut seed = 7_u32;
        for _ in 0..2_000 {
            let (mut object, mut values) = both();
            for _ in 0..6 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let name = names[(seed >> 8) as usize % names.len()];
                let there = values.get(name).filter(|it| !it.is_null()).cloned();
                match (seed >> 20) % 10 {
                    0 => {
                        assert_eq!(object.take(name).map(Node::value), there);
                        values.remove(name);
                    }
                    1 => assert_eq!(object.text(name).map(Value::from), taken(&mut values, name, Value::is_string)),
                    2 => assert_eq!(object.int(name).map(Value::from), taken(&mut values, name, Value::is_i64)),
                    3 => assert_eq!(json!(object.flag(name)), taken(&mut values, name, Value::is_boolean).unwrap_or(json!(false))),
                    4 => assert_eq!(object.object(name).map(Object::value), taken(&mut values, name, Value::is_object)),
                    5 => {
                        let list = taken(&mut values, name, Value::is_array).unwrap_or(json!([]));
                        assert_eq!(Node::List(object.list(name)).value(), list);
                    }
                    6 => assert_eq!(object.peek(name).cloned().map(Node::value), there),
                    7 => {
                        assert_eq!(object.peek_text(name).map(Value::from), there.clone().filter(Value::is_string));
                        assert_eq!(object.peek_int(name).map(Value::from), there.filter(Value::is_i64));
                    }
                    8 => {
                        object.put_text(name, "new");
                        values.insert(name.to_owned(), json!("new"));
                    }
                    _ => {
                        object.put(name, -3);
                        values.insert(name.to_owned(), json!(-3));
                    }
                }
            }
            let left: std::collections::BTreeSet<&str> = object.names().collect();
            assert!(values.keys().eq(left));
            assert_eq!(object.is_empty(), values.is_empty());
            assert_eq!(parse(write(&object).expect("JSON").as_bytes()).expect("JSON"), Value::Object(values.clone()));
            assert_eq!(object.clone().into_owned().rest(), values);
            assert_eq!(object.rest(), values);
        }
    }

    #[test]
    fn a_name_is_written_once_and_keeps_its_place() {
        let mut object = Node::parse(br#"{"a": 1, "b": 2, "a": 3, "c": 4}"#).expect("JSON").object().expect("an object");
        assert_eq!(write(&object).as_deref(), Ok(r#"{"b":2,"a":3,"c":4}"#));
        object.put("b", 5);
        object.put("d", true);
        object.put_all(Node::parse(br#"{"a": 3}"#).expect("JSON").object().expect("an object"));
        assert_eq!(write(&object).as_deref(), Ok(r#"{"b":5,"a":3,"c":4,"d":true}"#));
    }

    #[test]
    fn nothing_of_a_text_without_escapes_is_copied() {
        let (object, _) = both();
        let is_borrowed = |name: &str| matches!(object.get(name), Some(Node::Text(Cow::Borrowed(_))));
        assert!(is_borrowed("a") && is_borrowed("") && !is_borrowed("text"));
    }
}
