//! A JSON value whose texts still stand in the document that it was parsed from.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::{Error, Object, parse};

/// A value as [`Value`] is one, but nothing was copied: names and texts are borrowed from the document, unless they hold escapes.
///
/// ```
/// use patchbay_sdk::json::Node;
///
/// let update = Node::parse(br#"{"id": 7, "from": {"name": "Anna"}}"#).unwrap();
/// assert_eq!(update.get("id").and_then(Node::as_i64), Some(7));
/// assert_eq!(update.get("from").and_then(|it| it.get("name")).and_then(Node::as_str), Some("Anna"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text without its quotes and escapes.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

impl<'a> Node<'a> {
    /// Parses a document. The error says at which byte it stops being JSON.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        parse::node(text)
    }

    /// A field of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(name),
            _ => None,
        }
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, where it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The object, where it is one.
    #[must_use]
    pub fn object(self) -> Option<Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The same with texts of its own.
    #[inline(never)]
    #[must_use]
    pub fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(it),
            Self::Number(it) => Value::Number(it),
            Self::Text(it) => Value::String(it.into_owned()),
            Self::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for it in items {
                    values.push(it.value());
                }
                Value::Array(values)
            }
            Self::Object(object) => Value::Object(object.rest()),
        }
    }
}
