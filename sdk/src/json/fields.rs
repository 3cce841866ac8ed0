//! A JSON object that is read by taking fields out of it: what nobody took is left over for `extra`.

use patchbay_schemas::Extra;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// An object of the vendor.
///
/// A field that is not of the kind asked for is left where it is, so that it travels in `extra`: vendors change their objects,
/// and a message must not be lost over one of their fields. Nothing here is inlined or generic: each connector would carry dozens
/// of copies.
///
/// ```
/// use patchbay_sdk::json::{Fields, parse};
///
/// let mut update = Fields::new(parse(br#"{"id": 7, "text": "hi", "date": "soon"}"#).unwrap()).unwrap();
/// assert_eq!((update.int("id"), update.text("text"), update.int("date")), (Some(7), Some("hi".to_owned()), None));
/// assert_eq!(update.rest()["date"], "soon");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Extra);

impl Fields {
    /// The object in `value`, if it is one.
    #[must_use]
    pub fn new(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Takes any value; null counts as absent.
    #[inline(never)]
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|it| !it.is_null())
    }

    #[inline(never)]
    fn take_if(&mut self, key: &str, fits: fn(&Value) -> bool) -> Option<Value> {
        if self.0.get(key).is_some_and(fits) { self.0.remove(key) } else { None }
    }

    /// Takes a text.
    #[inline(never)]
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.take_if(key, Value::is_string) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes a whole number.
    #[inline(never)]
    pub fn int(&mut self, key: &str) -> Option<i64> {
        self.take_if(key, Value::is_i64).as_ref().and_then(Value::as_i64)
    }

    /// Takes a yes or no; absent is no.
    #[inline(never)]
    pub fn flag(&mut self, key: &str) -> bool {
        self.take_if(key, Value::is_boolean).as_ref().and_then(Value::as_bool) == Some(true)
    }

    /// Takes an object.
    #[inline(never)]
    pub fn object(&mut self, key: &str) -> Option<Self> {
        self.take_if(key, Value::is_object).and_then(Self::new)
    }

    /// Takes a list.
    #[inline(never)]
    pub fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take_if(key, Value::is_array) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// A look at a field that stays where it is.
    #[inline(never)]
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|it| !it.is_null())
    }

    /// A look at a text that stays where it is.
    #[inline(never)]
    #[must_use]
    pub fn peek_text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// Adds a field.
    #[inline(never)]
    pub fn put(&mut self, key: &str, value: Value) {
        insert(&mut self.0, key.to_owned(), value);
    }

    /// Adds a text.
    #[inline(never)]
    pub fn put_text(&mut self, key: &str, text: &str) {
        self.put(key, Value::String(text.to_owned()));
    }

    /// Adds a whole number.
    #[inline(never)]
    pub fn put_int(&mut self, key: &str, number: i64) {
        self.put(key, Value::from(number));
    }

    /// Adds a list.
    #[inline(never)]
    pub fn put_list(&mut self, key: &str, items: Vec<Value>) {
        self.put(key, Value::Array(items));
    }

    /// A look at a whole number that stays where it is.
    #[inline(never)]
    #[must_use]
    pub fn peek_int(&self, key: &str) -> Option<i64> {
        self.0.get(key).and_then(Value::as_i64)
    }

    /// True when there is nothing left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of what is left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What nobody took.
    #[must_use]
    pub fn rest(self) -> Extra {
        self.0
    }

    /// What nobody took, as a value.
    #[must_use]
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Adds to an object. Not inlined: the growth of a tree is half the size of a parser.
#[inline(never)]
pub(super) fn insert(fields: &mut Extra, name: String, value: Value) {
    fields.insert(name, value);
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(writer)
    }
}

impl From<Extra> for Fields {
    fn from(fields: Extra) -> Self {
        Self(fields)
    }
}
