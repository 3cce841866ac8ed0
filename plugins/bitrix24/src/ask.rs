//! What Bitrix24 is asked: named parameters, and how they are written in a `batch`, where each command is a query string of PHP's kind.

use patchbay_sdk::json::{Node, Object};

use crate::client::text;

/// Begins a text that stands for the result of an earlier command of the same batch.
const REFERENCE: char = '\0';

/// One command of a batch.
#[derive(Debug, Clone)]
pub struct Command<'a> {
    /// Its name in the batch.
    pub name: &'static str,
    /// `crm.lead.list`
    pub method: String,
    /// Its parameters.
    pub parameters: Object<'a>,
}

impl Command<'_> {
    /// True for what changes something.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.makes() || matches!(self.verb(), "update" | "updateDeadline")
    }

    /// True for what makes something.
    #[must_use]
    pub fn makes(&self) -> bool {
        self.verb() == "add"
    }

    fn verb(&self) -> &str {
        self.method.rsplit('.').next().unwrap_or("")
    }
}

/// A command.
pub fn command<'a>(name: &'static str, method: impl Into<String>, parameters: Object<'a>) -> Command<'a> {
    Command { name, method: method.into(), parameters }
}

/// Parameters by their names.
#[must_use]
pub fn parameters<'a, const N: usize>(fields: [(&'static str, Node<'a>); N]) -> Object<'a> {
    collected(Vec::from(fields))
}

/// Not made anew for every number of fields.
#[inline(never)]
fn collected<'a>(fields: Vec<(&'static str, Node<'a>)>) -> Object<'a> {
    fields.into_iter().collect()
}

/// The records that fit a filter: a page of at most 50, uncounted, which is much cheaper for Bitrix24.
#[must_use]
pub fn list<'a>(filter: Object<'a>, order: (&'static str, &'static str), select: &[&'a str]) -> Object<'a> {
    parameters([
        ("filter", filter.into()),
        ("order", parameters([(order.0, order.1.into())]).into()),
        ("select", texts(select)),
        ("start", (-1).into()),
    ])
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

/// What an earlier command of the same batch gave: `record`, or a part of it: `record][0][ASSIGNED_BY_ID`.
#[must_use]
pub fn result_of(command: &str) -> Node<'static> {
    let mut text = String::from(REFERENCE);
    text.push_str(command);
    text.into()
}

/// A command as `batch` takes it: `crm.lead.get?ID=7`.
#[must_use]
pub fn written(command: &Command<'_>) -> String {
    let mut query = command.method.clone();
    let mut first = true;
    for name in command.parameters.names() {
        if let Some(node) = command.parameters.peek(name) {
            write(&mut query, &mut first, name, node);
        }
    }
    query
}

fn write(query: &mut String, first: &mut bool, name: &str, node: &Node) {
    let value = match node {
        Node::List(items) => {
            for (index, item) in items.iter().enumerate() {
                write(query, first, &[name, "[", &index.to_string(), "]"].concat(), item);
            }
            return;
        }
        Node::Object(fields) => {
            for field in fields.names() {
                if let Some(node) = fields.peek(field) {
                    write(query, first, &[name, "[", field, "]"].concat(), node);
                }
            }
            return;
        }
        Node::Text(it) => match it.strip_prefix(REFERENCE) {
            Some(command) => ["$result[", command, "]"].concat(),
            // What a person wrote must not be taken for a reference.
            None => it.replace("$result[", "$ result["),
        },
        Node::Null => String::new(),
        Node::Bool(yes) => String::from(if *yes { "1" } else { "0" }),
        Node::Number(number) => text(number),
    };
    query.push(if *first { '?' } else { '&' });
    *first = false;
    encode(query, name);
    query.push('=');
    encode(query, &value);
}

fn encode(query: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => query.push(char::from(byte)),
            _ => {
                query.push('%');
                for digit in [byte >> 4, byte & 15] {
                    query.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_query_string_of_php() {
        let filter = parameters([("@ID", ids(&[1, 22])), (">DATE_MODIFY", "2026-11-22T10:00:00+03:00".into())]);
        let fields = parameters([("TITLE", "а & $result[x]".into()), ("OWNER", result_of("record][0][ID")), ("OPENED", true.into())]);
        let it = command("it", "crm.lead.list", parameters([("filter", filter.into()), ("fields", fields.into())]));
        assert_eq!(
            written(&it),
            "crm.lead.list?filter%5B%40ID%5D%5B0%5D=1&filter%5B%40ID%5D%5B1%5D=22\
             &filter%5B%3EDATE_MODIFY%5D=2026-11-22T10%3A00%3A00%2B03%3A00\
             &fields%5BTITLE%5D=%D0%B0%20%26%20%24%20result%5Bx%5D&fields%5BOWNER%5D=%24result%5Brecord%5D%5B0%5D%5BID%5D&fields%5BOPENED%5D=1"
        );
        assert_eq!(written(&command("it", "profile", Object::default())), "profile");
    }
}
