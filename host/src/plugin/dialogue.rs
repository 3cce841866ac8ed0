//! A dialogue over a socket as a cassette has it, and how it is played.
//!
//! ```json
//! { "request": { "endpoint": "imap", "method": "CONNECT" },
//!   "response": { "dialogue": ["S: * OK ready", "C: a1 LOGIN me {password}", "S: a1 OK", "SILENCE", "CLOSE"] } }
//! ```
//! `S:` is a line of the server, `C:` one that the connector must send next, each without its line break; a secret stands in it by its name.
//! `S=` is bytes of the server in base64, without a line break. `TLS`: the connector begins TLS. `SILENCE`: nothing comes while the
//! connector waits. `CLOSE`: the server hangs up, as it does at the end of the list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bindings::patchbay::connector::types::Piece;
use super::dial::DialError;

/// What a read of a played dialogue gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Bytes of the server.
    Bytes(Vec<u8>),
    /// The server has hung up.
    End,
    /// Nothing comes.
    Silence,
}

/// One line of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    Server(Vec<u8>),
    Client(String),
    Tls,
    Silence,
    Close,
}

/// A dialogue that is being played.
pub struct Dialogue {
    turns: VecDeque<Turn>,
    /// What the connector sent and no line break has ended yet.
    sent: Vec<u8>,
    may_begin_tls: bool,
    faults: Faults,
}

/// Where the first thing that did not go by the cassette is written down.
pub type Faults = Arc<Mutex<Option<String>>>;

impl Dialogue {
    /// Reads the lines of a cassette.
    pub fn new(lines: &[String], may_begin_tls: bool, faults: Faults) -> Result<Self, String> {
        let turns = lines.iter().map(|it| turn(it)).collect::<Result<_, _>>()?;
        Ok(Self { turns, sent: Vec::new(), may_begin_tls, faults })
    }

    /// What the server says next.
    pub fn read(&mut self) -> Heard {
        let mut bytes = Vec::new();
        while let Some(Turn::Server(_)) = self.turns.front() {
            if let Some(Turn::Server(said)) = self.turns.pop_front() {
                bytes.extend(said);
            }
        }
        if !bytes.is_empty() {
            return Heard::Bytes(bytes);
        }
        match self.turns.front() {
            Some(Turn::Silence) => {
                self.turns.pop_front();
                Heard::Silence
            }
            Some(Turn::Client(due)) => {
                let due = format!("the connector waits for the server, and the cassette waits for `{due}`");
                self.fault(due);
                Heard::Silence
            }
            Some(Turn::Tls) => {
                self.fault("the connector waits for the server, and the cassette has TLS next".to_owned());
                Heard::Silence
            }
            Some(Turn::Server(_) | Turn::Close) | None => Heard::End,
        }
    }

    /// What the connector says: each whole line must be the next of the cassette.
    pub fn write(&mut self, pieces: &[Piece]) {
        for line in said_lines(&mut self.sent, pieces) {
            // What the server said meanwhile need not be read first.
            let next = self.turns.iter().position(|it| !matches!(it, Turn::Server(_)));
            match next.map(|it| &self.turns[it]) {
                Some(Turn::Client(due)) if *due == line => drop(next.and_then(|it| self.turns.remove(it))),
                Some(Turn::Client(due)) => {
                    let due = format!("the connector said `{line}`, and the cassette has `{due}`");
                    self.fault(due);
                }
                _ => self.fault(format!("the connector said `{line}`, and the cassette does not wait for anything")),
            }
        }
    }

    /// TLS begins.
    pub fn secure(mut self) -> Result<Self, DialError> {
        if !self.may_begin_tls {
            return Err(DialError::NoStartTls { url: "the cassette's".to_owned() });
        }
        self.may_begin_tls = false;
        match self.turns.front() {
            Some(Turn::Tls) => drop(self.turns.pop_front()),
            _ => self.fault("the connector began TLS, and the cassette does not have it there".to_owned()),
        }
        Ok(self)
    }

    fn fault(&self, why: String) {
        // The first one: what follows comes of it.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        if let Some(due) = self.turns.iter().find_map(|it| if let Turn::Client(due) = it { Some(due) } else { None }) {
            self.fault(format!("the connector ended before it said `{due}`, and the cassette has it"));
        }
        if !self.sent.is_empty() {
            self.fault(format!("the connector ended in the middle of the line `{}`", String::from_utf8_lossy(&self.sent)));
        }
    }
}

fn turn(line: &str) -> Result<Turn, String> {
    let text = |it: &str| it.strip_prefix(' ').unwrap_or(it).to_owned();
    Ok(match line {
        "TLS" => Turn::Tls,
        "SILENCE" => Turn::Silence,
        "CLOSE" => Turn::Close,
        line => match line.get(..2) {
            Some("S:") => Turn::Server((text(&line[2..]) + "\r\n").into_bytes()),
            Some("S=") => Turn::Server(STANDARD.decode(line[2..].trim()).map_err(|error| format!("`{line}`: {error}"))?),
            Some("C:") => Turn::Client(text(&line[2..])),
            _ => return Err(format!("a line of a dialogue begins with S:, S= or C:, or is TLS, SILENCE or CLOSE: `{line}` does not")),
        },
    })
}

/// Adds what a connector says, secrets by their names, and takes out the lines that are whole now, without their ends.
pub(super) fn said_lines(sent: &mut Vec<u8>, pieces: &[Piece]) -> Vec<String> {
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => sent.extend_from_slice(bytes),
            Piece::Secret(name) => sent.extend(format!("{{{name}}}").bytes()),
        }
    }
    let mut lines = Vec::new();
    while let Some(end) = sent.windows(2).position(|it| it == b"\r\n") {
        let line: Vec<u8> = sent.drain(..end + 2).take(end).collect();
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(lines: &[&str]) -> (Dialogue, Faults) {
        let faults = Faults::default();
        let lines: Vec<String> = lines.iter().map(|&it| it.to_owned()).collect();
        (Dialogue::new(&lines, true, Arc::clone(&faults)).unwrap(), faults)
    }

    fn say(dialogue: &mut Dialogue, text: &str) {
        dialogue.write(&[Piece::Bytes(text.as_bytes().to_vec())]);
    }

    #[test]
    fn a_dialogue_is_played_in_order_with_secrets_by_name() {
        let (mut played, faults) =
            dialogue(&["S: * OK", "C: a1 LOGIN {password}", "S: a1 OK", "S= AAE=", "SILENCE", "TLS", "S:x", "CLOSE"]);
        assert_eq!(played.read(), Heard::Bytes(b"* OK\r\n".to_vec()));
        played.write(&[Piece::Bytes(b"a1 LOGIN ".to_vec()), Piece::Secret("password".to_owned()), Piece::Bytes(b"\r\n".to_vec())]);
        assert_eq!(played.read(), Heard::Bytes(b"a1 OK\r\n\x00\x01".to_vec()));
        assert_eq!(played.read(), Heard::Silence);
        let mut played = played.secure().unwrap();
        assert_eq!((played.read(), played.read()), (Heard::Bytes(b"x\r\n".to_vec()), Heard::End));
        drop(played);
        assert_eq!(*faults.lock().unwrap(), None);
    }

    #[test]
    fn what_does_not_go_by_the_cassette_is_told() {
        let told = |lines: &[&str], play: fn(&mut Dialogue)| {
            let (mut played, faults) = dialogue(lines);
            play(&mut played);
            drop(played);
            faults.lock().unwrap().clone().unwrap_or_default()
        };
        assert!(told(&["C: a1 NOOP"], |it| say(it, "a1 LOGOUT\r\n")).contains("has `a1 NOOP`"));
        assert!(told(&["C: a1 NOOP"], |it| drop(it.read())).contains("waits for `a1 NOOP`"));
        assert!(told(&["C: a1 NOOP"], |_| {}).contains("before it said `a1 NOOP`"));
        assert!(told(&["S: bye"], |it| say(it, "a1 NOOP\r\n")).contains("does not wait"));
        assert!(told(&["S: hello"], |it| say(it, "half")).contains("middle of the line"));
        assert!(Dialogue::new(&["X: y".to_owned()], false, Faults::default()).is_err());
    }
}
