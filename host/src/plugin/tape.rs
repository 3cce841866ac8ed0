//! A dialogue over a socket as it is recorded: what `dialogue` plays, written down. That the server hangs up is what a
//! played one does at its end.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bindings::patchbay::connector::types::Piece;
use super::cassette::{Answer, Asked, Break, Exchange};
use super::dial::DialError;
use super::dialogue::said_lines;

/// What was asked of the vendor and answered so far.
pub type Tape = Arc<Mutex<Vec<Exchange>>>;

/// One connection that is being recorded.
pub struct Recording {
    tape: Tape,
    /// Which exchange of the tape it is.
    at: usize,
    /// What the connector sent and no line break has ended yet.
    sent: Vec<u8>,
    /// What the server said and no line break has ended yet.
    heard: Vec<u8>,
}

impl Recording {
    /// A connection that stands.
    #[must_use]
    pub fn begin(tape: &Tape, endpoint: &str) -> Self {
        let at = push(tape, endpoint, Answer::dialogue());
        Self { tape: Arc::clone(tape), at, sent: Vec::new(), heard: Vec::new() }
    }

    /// A connection that could not be made. What never left this machine is not recorded.
    pub fn failed(tape: &Tape, endpoint: &str, error: &DialError) {
        match error {
            DialError::Timeout(_) => drop(push(tape, endpoint, Answer::failed(Break::Timeout))),
            DialError::Transport(_) => drop(push(tape, endpoint, Answer::failed(Break::Refused))),
            _ => {}
        }
    }

    /// The connector sends this: secrets stand there by their names.
    pub fn sends(&mut self, pieces: &[Piece]) {
        self.end_of_heard();
        for line in said_lines(&mut self.sent, pieces) {
            self.note(format!("C: {line}"));
        }
    }

    /// The server says this, and the connector hears it.
    pub fn hears(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        while let Some(end) = self.heard.iter().position(|it| *it == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.note(said(&line));
        }
    }

    /// Nothing comes.
    pub fn waits(&mut self) {
        self.end_of_heard();
        self.note("SILENCE".to_owned());
    }

    /// TLS begins.
    pub fn secures(&mut self) {
        self.end_of_heard();
        self.note("TLS".to_owned());
    }

    fn end_of_heard(&mut self) {
        if !self.heard.is_empty() {
            let rest = std::mem::take(&mut self.heard);
            self.note(said(&rest));
        }
    }

    fn note(&self, line: String) {
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = tape.get_mut(self.at) {
            exchange.response.dialogue.push(line);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end_of_heard();
    }
}

fn push(tape: &Tape, endpoint: &str, response: Answer) -> usize {
    let mut tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
    tape.push(Exchange { request: Asked::connect(endpoint), response });
    tape.len() - 1
}

/// A line that ends as lines do stands as a text, anything else as bytes.
fn said(line: &[u8]) -> String {
    let text = line.strip_suffix(b"\r\n").and_then(|it| std::str::from_utf8(it).ok());
    text.map_or_else(|| format!("S= {}", STANDARD.encode(line)), |it| format!("S: {it}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::dialogue::{Dialogue, Faults, Heard};

    #[test]
    fn what_was_recorded_is_played_as_it_was() {
        let tape = Tape::default();
        let secret = || vec![Piece::Bytes(b"a1 LOGIN ".to_vec()), Piece::Secret("password".to_owned()), Piece::Bytes(b"\r\n".to_vec())];
        let mut recording = Recording::begin(&tape, "imap");
        recording.hears(b"* OK ");
        recording.hears(b"ready\r\nhalf");
        recording.sends(&secret());
        recording.hears(b"a1 OK\r\n\xff\n");
        recording.waits();
        recording.secures();
        drop(recording);
        Recording::failed(&tape, "smtp", &DialError::Timeout(std::time::Duration::from_secs(1)));
        Recording::failed(&tape, "smtp", &DialError::Closed("smtp".to_owned()));
        let tape = tape.lock().unwrap();
        assert_eq!(
            tape[0].response.dialogue,
            ["S: * OK ready", "S= aGFsZg==", "C: a1 LOGIN {password}", "S: a1 OK", "S= /wo=", "SILENCE", "TLS"]
        );
        assert_eq!((tape.len(), tape[1].response.failure), (2, Some(Break::Timeout)));

        let faults = Faults::default();
        let mut played = Dialogue::new(&tape[0].response.dialogue, true, Arc::clone(&faults)).unwrap();
        assert_eq!(played.read(), Heard::Bytes(b"* OK ready\r\nhalf".to_vec()));
        played.write(&secret());
        assert_eq!(played.read(), Heard::Bytes(b"a1 OK\r\n\xff\n".to_vec()));
        assert_eq!(played.read(), Heard::Silence);
        drop(played.secure().unwrap());
        assert_eq!(*faults.lock().unwrap(), None);
    }
}
