//! What Odoo is asked: named arguments, and domains, which are lists of conditions.
//!
//! Not by `json!`, whose expansion was a sixth of this connector.

use patchbay_sdk::json::{Node, Object};

/// Arguments by their names.
#[must_use]
pub fn arguments<'a, const N: usize>(fields: [(&'static str, Node<'a>); N]) -> Object<'a> {
    fields.into_iter().collect()
}

/// A condition of a domain: `["res_id", "=", 7]`.
pub fn term<'a>(field: &'static str, operator: &'static str, value: impl Into<Node<'a>>) -> Node<'a> {
    list([field.into(), operator.into(), value.into()])
}

/// A list.
#[must_use]
pub fn list<const N: usize>(items: [Node<'_>; N]) -> Node<'_> {
    Node::List(Vec::from(items))
}

/// Texts as a list.
#[must_use]
pub fn texts<'a>(texts: &[&'a str]) -> Node<'a> {
    Node::List(texts.iter().map(|it| Node::from(*it)).collect())
}

/// Ids as a list.
#[must_use]
pub fn ids(ids: &[i64]) -> Node<'static> {
    Node::List(ids.iter().map(|it| Node::from(*it)).collect())
}

/// A search among the records of a model.
#[derive(Debug, Clone)]
#[must_use = "a search finds nothing until a client carries it out"]
pub struct Search<'a>(pub Object<'a>);

impl<'a> Search<'a> {
    /// The records that fit all conditions, with these fields.
    pub fn new(domain: Vec<Node<'a>>, fields: &[&'a str]) -> Self {
        Self(arguments([("domain", domain.into()), ("fields", texts(fields))]))
    }

    /// In this order.
    pub fn order(mut self, order: &'a str) -> Self {
        self.0.put("order", order);
        self
    }

    /// So many at most.
    pub fn limit(mut self, limit: u32) -> Self {
        self.0.put("limit", i64::from(limit));
        self
    }

    /// The archived ones, too.
    pub fn with_archived(mut self) -> Self {
        self.0.put("context", arguments([("active_test", false.into())]));
        self
    }
}
