//! Hostile bodies: made of sound ones by a seeded hand, and some that are known to hurt.

use serde_json::{Map, Value, json};

/// Numbers that are the same in every run.
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // Splitmix64.
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// A number below `most`, which is not zero.
    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most.max(1) as u64)).unwrap_or_default()
    }
}

/// A body, and how it was made.
pub struct Hostile {
    /// What was done to it.
    pub how: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// What is known to hurt readers, whatever they read. None is longer than `most` bytes.
pub fn known(most: usize) -> Vec<Hostile> {
    let deep = most.min(200_000);
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("an empty list", b"[]".to_vec()),
        ("a number alone", b"-0".to_vec()),
        ("lists in lists", b"[".repeat(deep)),
        ("objects in objects", br#"{"a":"#.repeat(deep / 5)),
        ("lists in lists, closed", [b"[".repeat(deep / 2), b"]".repeat(deep / 2)].concat()),
        ("a number of many digits", b"9".repeat(deep)),
        ("half a surrogate pair", br#"{"id":"\ud800","text":"\udc00"}"#.to_vec()),
        ("a NUL in a text", br#"{"id":"\u0000"}"#.to_vec()),
        ("bytes that are no text", b"\xff\xfe\x80".repeat(300)),
        ("NULs", vec![0; 1000]),
        ("percent signs", b"%".repeat(1000)),
        ("ampersands", b"&".repeat(deep)),
        ("as long as may be", vec![b'a'; most]),
        ("a text as long as may be", [b"\"".as_slice(), &vec![b'a'; most.saturating_sub(2)], b"\""].concat()),
    ];
    all.into_iter().map(|(how, body)| Hostile { how: how.to_owned(), body }).collect()
}

/// A sound body, changed. None is longer than `most` bytes.
pub fn mangled(body: &[u8], dice: &mut Dice, most: usize) -> Hostile {
    let mut hostile = match serde_json::from_slice::<Value>(body) {
        // Documents of the right form and the wrong content go deeper than bytes that no parser lets through.
        Ok(document) if dice.below(4) > 0 => bent(document, dice),
        _ => bitten(body, dice),
    };
    hostile.body.truncate(most);
    hostile
}

/// One value of a document replaced by another.
fn bent(mut document: Value, dice: &mut Dice) -> Hostile {
    let mut pointers = Vec::new();
    walk(&document, String::new(), &mut pointers);
    let pointer = pointers[dice.below(pointers.len())].clone();
    let (what, value) = odd(dice);
    if let Some(place) = document.pointer_mut(&pointer) {
        *place = value;
    }
    Hostile {
        how: format!("{} replaced by {what}", if pointer.is_empty() { "the whole" } else { &pointer }),
        body: document.to_string().into_bytes(),
    }
}

fn walk(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                walk(value, format!("{at}/{number}"), into);
            }
        }
        _ => {}
    }
    into.push(at);
}

fn odd(dice: &mut Dice) -> (&'static str, Value) {
    match dice.below(15) {
        0 => ("null", Value::Null),
        1 => ("an empty text", json!("")),
        2 => ("white space", json!(" \n\t")),
        3 => ("a list", json!([1, "two", null])),
        4 => ("an object", json!({ "id": 1, "text": [] })),
        5 => ("a negative number", json!(-1)),
        6 => ("the largest number", json!(u64::MAX)),
        7 => ("a fraction", json!(0.5)),
        8 => ("a number beyond all times", json!(1e300)),
        9 => ("a long text", json!("щ".repeat(70_000))),
        10 => ("a text with NUL", json!("a\u{0}b")),
        11 => ("yes", json!(true)),
        12 => ("an empty object", Value::Object(Map::new())),
        13 => ("a text that turns its direction", json!("\u{202e}\u{feff}👨‍👩‍👧")),
        _ => ("a time that never was", json!("9999-99-99T99:99:99Z")),
    }
}

/// Bytes cut off, turned, put in or doubled.
fn bitten(body: &[u8], dice: &mut Dice) -> Hostile {
    let mut body = body.to_vec();
    let at = dice.below(body.len());
    let how = match dice.below(5) {
        0 => {
            body.truncate(at);
            "cut off"
        }
        1 if !body.is_empty() => {
            body[at] ^= 1 << dice.below(8);
            "a bit turned"
        }
        2 => {
            body.insert(at, u8::try_from(dice.below(256)).unwrap_or_default());
            "a byte put in"
        }
        3 => {
            let end = (at + 1 + dice.below(64)).min(body.len());
            body.drain(at..end);
            "a piece taken out"
        }
        _ => {
            let end = (at + 1 + dice.below(64)).min(body.len());
            let piece = body[at..end].to_vec();
            body.splice(at..at, piece);
            "a piece doubled"
        }
    };
    Hostile { how: format!("{how} at byte {at}"), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bodies_and_none_is_too_long() {
        let body = br#"{"id":"1","from":{"name":"Anna"},"list":[1,2]}"#;
        let make = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| mangled(body, &mut dice, 1_000).body).collect::<Vec<_>>()
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
        assert!(make(7).iter().all(|it| it.len() <= 1_000));
        assert!(known(64).iter().all(|it| it.body.len() <= 1_000), "what is known to hurt is cut to size by its maker");
        for short in [&b""[..], b"x"] {
            let mut dice = Dice::new(1);
            (0..100).for_each(|_| drop(mangled(short, &mut dice, 10)));
        }
    }
}
