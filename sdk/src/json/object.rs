//! A JSON object that is read by taking fields out of it, in the document where it stands.

use std::borrow::Cow;
use std::mem;

use patchbay_schemas::Extra;

use super::Node;
use super::fields::insert;

/// An object of the vendor: [`Fields`](super::Fields) for a document that is read once, as every delivery is.
///
/// Nothing is copied before it is taken, and what nobody takes becomes values of its own only in [`rest`](Self::rest). A list in the
/// order of the document, searched from one end: such objects have a dozen fields.
///
/// A field that is not of the kind asked for is left where it is, so that it travels in `extra`. Of a name that stands there twice
/// the last counts.
///
/// ```
/// use patchbay_sdk::json::Node;
///
/// let mut update = Node::parse(br#"{"id": 7, "text": "hi", "date": "soon"}"#).unwrap().object().unwrap();
/// assert_eq!((update.int("id"), update.text("text"), update.int("date")), (Some(7), Some("hi".to_owned()), None));
/// assert_eq!(update.rest()["date"], "soon");
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

    /// Adds a field, in place of any that has its name.
    #[inline(never)]
    pub fn put(&mut self, name: &str, node: Node<'a>) {
        self.take_if(name, |_| true);
        self.0.push(Field::new(Cow::Owned(name.to_owned()), node));
    }

    /// Adds a text.
    #[inline(never)]
    pub fn put_text(&mut self, name: &str, text: &str) {
        self.put(name, Node::Text(Cow::Owned(text.to_owned())));
    }

    /// Adds a whole number.
    #[inline(never)]
    pub fn put_int(&mut self, name: &str, number: i64) {
        self.put(name, Node::Number(number.into()));
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::{Fields, parse};

    const DOCUMENT: &[u8] = r#"{"id": 7, "big": 18446744073709551615, "half": 0.5, "text": "яб\nлоко", "a": 1, "no": false, "yes": true,
        "none": null, "a": "x", "list": [1, {"b": "c"}], "object": {"d": {"e": []}}, "": ""}"#
        .as_bytes();

    fn both() -> (Object<'static>, Fields) {
        let object = Node::parse(DOCUMENT).expect("JSON").object().expect("an object");
        (object, Fields::new(parse(DOCUMENT).expect("JSON")).expect("an object"))
    }

    /// Whatever is asked for, in whatever order: the answers and what is left are those of [`Fields`].
    #[test]
    fn an_object_gives_what_fields_give() {
        let names = ["id", "big", "half", "text", "a", "no", "yes", "none", "list", "object", "", "absent"];
        let mut seed = 7_u32;
        for _ in 0..2_000 {
            let (mut object, mut fields) = both();
            for _ in 0..6 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let name = names[(seed >> 8) as usize % names.len()];
                match (seed >> 20) % 10 {
                    0 => assert_eq!(object.take(name).map(Node::value), fields.take(name)),
                    1 => assert_eq!(object.text(name), fields.text(name)),
                    2 => assert_eq!(object.int(name), fields.int(name)),
                    3 => assert_eq!(object.flag(name), fields.flag(name)),
                    4 => assert_eq!(object.object(name).map(Object::rest), fields.object(name).map(Fields::rest)),
                    5 => assert_eq!(Node::List(object.list(name)).value(), json!(fields.list(name))),
                    6 => assert_eq!(object.peek(name).cloned().map(Node::value).as_ref(), fields.peek(name)),
                    7 => assert_eq!(object.peek_text(name), fields.peek_text(name)),
                    8 => {
                        object.put_text(name, "new");
                        fields.put_text(name, "new");
                    }
                    _ => {
                        object.put_int(name, -3);
                        fields.put_int(name, -3);
                    }
                }
            }
            let left: std::collections::BTreeSet<&str> = object.names().collect();
            assert!(fields.names().eq(left));
            assert_eq!(object.rest(), fields.rest());
        }
    }

    #[test]
    fn nothing_of_a_text_without_escapes_is_copied() {
        let (object, _) = both();
        let is_borrowed = |name: &str| matches!(object.get(name), Some(Node::Text(Cow::Borrowed(_))));
        assert!(is_borrowed("a") && is_borrowed("") && !is_borrowed("text"));
    }
}
