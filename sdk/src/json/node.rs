//! A JSON value whose texts still stand in the document that it was parsed from.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
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
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Node<'a> {
    /// `null`
    #[default]
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

    /// The number, where it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// The items, where it is a list; none where it is anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
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

    /// The same as a [`Value`].
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

    /// The same with texts of its own.
    #[inline(never)]
    #[must_use]
    pub fn into_owned(self) -> Node<'static> {
        match self {
            Self::Null => Node::Null,
            Self::Bool(it) => Node::Bool(it),
            Self::Number(it) => Node::Number(it),
            Self::Text(it) => Node::Text(Cow::Owned(it.into_owned())),
            Self::List(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for it in items {
                    nodes.push(it.into_owned());
                }
                Node::List(nodes)
            }
            Self::Object(object) => Node::Object(object.into_owned()),
        }
    }
}

impl<'a> From<Cow<'a, str>> for Node<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a str> for Node<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Node<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Node<'_> {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Node<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl<'a> From<Vec<Self>> for Node<'a> {
    fn from(items: Vec<Node<'a>>) -> Self {
        Self::List(items)
    }
}

impl<'a> From<Object<'a>> for Node<'a> {
    fn from(object: Object<'a>) -> Self {
        Self::Object(object)
    }
}

impl<'a> From<&'a Value> for Node<'a> {
    #[inline(never)]
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => Self::Number(it.clone()),
            Value::String(it) => it.as_str().into(),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Object(fields.iter().map(|(name, it)| (name.as_str(), it.into())).collect()),
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => writer.serialize_unit(),
            Self::Bool(it) => writer.serialize_bool(*it),
            Self::Number(it) => it.serialize(writer),
            Self::Text(it) => writer.serialize_str(it),
            Self::List(items) => items.serialize(writer),
            Self::Object(object) => object.serialize(writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::write;

    #[test]
    fn a_node_is_the_value_whichever_way_it_is_looked_at() {
        let value = json!({ "a": [1, -2.5, true, null, "яб\nлоко", { "b": {} }, []], "c": "d" });
        let text = value.to_string();
        let node = Node::parse(text.as_bytes()).expect("JSON");
        assert_eq!(node, Node::from(&value));
        assert_eq!(node.clone().into_owned(), node);
        assert_eq!(write(&node).as_deref(), Ok(text.as_str()));
        assert_eq!(node.get("a").map(|it| it.items().len()), Some(7));
        assert_eq!(node.value(), value);
    }
}
