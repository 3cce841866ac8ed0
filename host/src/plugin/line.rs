//! `socket`: a line protocol with an endpoint of the manifest, within one call.
//!
//! Secrets are filled in here on the way out and taken out here on the way in. What may be the beginning of a secret is held back until it
//! is known not to be one, so an echo that comes in two pieces does not slip through between them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::Resource;

use super::bindings::patchbay::connector::socket;
use super::bindings::patchbay::connector::types::{Failure, Piece, Retry};
use super::dial::{Address, DialError, Scheme, Wire, dial};
use super::dialogue::{Dialogue, Heard as Said};
use super::guest::{Guest, never, pace_failure};
use super::outbound::Outbound;
use super::surroundings::{REDACTED, SHORTEST_REDACTED, Surroundings};
use super::tape::Recording;
use crate::oauth2::TokenError;
use crate::rules::breaker::Health;

/// Most connections that one call holds open at the same time.
pub const MAX_LINES: usize = 4;
/// Longest wait until a server takes what is written.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Most bytes that are taken off the wire at once.
const CHUNK: usize = 16 << 10;
/// What a wait leaves of the call, so that the connector can still end it well.
const RESERVE: Duration = Duration::from_secs(1);

/// A connection that a call opened.
pub struct Line {
    way: Way,
    heard: Heard,
    is_closed: bool,
    /// Where a cassette is made: what is said.
    recording: Option<Recording>,
}

enum Way {
    Wire(Box<Wire>),
    /// Tests: a dialogue of the cassette.
    Played(Dialogue),
    /// TLS could not be begun: there is nothing to go on with.
    Broken,
}

/// What came in and is not read yet.
#[derive(Default)]
struct Heard {
    /// Free of secrets.
    ready: Vec<u8>,
    /// May be the beginning of a secret.
    held: Vec<u8>,
}

impl Heard {
    fn push(&mut self, bytes: &[u8], here: &Surroundings) {
        self.held.extend_from_slice(bytes);
        let clean = here.redact_bytes(std::mem::take(&mut self.held));
        let kept = here.searched().map(|it| beginning(&clean, it.reveal().as_bytes())).max().unwrap_or(0);
        let (ready, held) = clean.split_at(clean.len() - kept);
        self.ready.extend_from_slice(ready);
        self.held = held.to_vec();
    }

    /// Nothing more comes: a long beginning of a secret is as good as one.
    fn end(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.ready.extend_from_slice(if held.len() >= SHORTEST_REDACTED { REDACTED.as_bytes() } else { &held });
    }

    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        (!self.ready.is_empty()).then(|| self.ready.drain(..most.min(self.ready.len())).collect())
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.held.is_empty()
    }
}

/// How many bytes at the end are a beginning of the secret.
fn beginning(bytes: &[u8], secret: &[u8]) -> usize {
    let most = bytes.len().min(secret.len().saturating_sub(1));
    (1..=most).rev().find(|it| secret.starts_with(&bytes[bytes.len() - it..])).unwrap_or(0)
}

impl socket::Host for Guest {
    async fn connect(&mut self, endpoint: String) -> wasmtime::Result<Result<Resource<socket::Connection>, Failure>> {
        self.host_call()?;
        if self.lines.open.len() >= MAX_LINES {
            let message = format!("this call has {MAX_LINES} connections open already: end one before the next");
            return Ok(Err(never("socket.too_many", message)));
        }
        let here = std::sync::Arc::clone(&self.surroundings);
        // Half of what is left of the call at most, so that the dialogue itself has time too.
        let patience = self.left() / 2;
        if let Err(error) = here.pace.turn(&endpoint, patience).await {
            return Ok(Err(pace_failure(error)));
        }
        self.health = Health::Down;
        let tape = if let Outbound::Recorded { tape, .. } = &here.outbound { Some(tape) } else { None };
        match way(&here, &endpoint).await {
            Ok(way) => {
                self.health = Health::Up;
                let recording = tape.map(|it| Recording::begin(it, &endpoint));
                Ok(Ok(self.lines.add(Line { way, heard: Heard::default(), is_closed: false, recording })))
            }
            Err(error) => {
                if let Some(tape) = tape {
                    Recording::failed(tape, &endpoint, &error);
                }
                if !error.is_passing() {
                    self.health = Health::Unknown;
                }
                Ok(Err(dial_failure(&here, &error)))
            }
        }
    }
}

async fn way(here: &Surroundings, endpoint: &str) -> Result<Way, DialError> {
    let address = Address::of(&here.manifest, &here.config, endpoint)?;
    if matches!(address.scheme, Scheme::Ws | Scheme::Wss) {
        let reason = "a WebSocket is no line protocol: `stream` is for it".to_owned();
        return Err(DialError::Address { endpoint: endpoint.to_owned(), reason });
    }
    match &here.outbound {
        Outbound::Played(player) => player.connect(endpoint, address.scheme == Scheme::StartTls).map(Way::Played),
        _ => dial(here, endpoint).await.map(|it| Way::Wire(Box::new(it))),
    }
}

impl socket::HostConnection for Guest {
    async fn read(&mut self, this: Resource<socket::Connection>, max: u32, timeout_ms: u32) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.host_call()?;
        let wait = Duration::from_millis(timeout_ms.into()).min(self.left().saturating_sub(RESERVE));
        let here = std::sync::Arc::clone(&self.surroundings);
        let limit = here.manifest.limits.response_bytes;
        let Lines { open, received, .. } = &mut self.lines;
        let Some(line) = open.get_mut(&this.rep()) else { return Ok(Err(ended())) };
        let deadline = Instant::now() + wait;
        loop {
            if let Some(bytes) = line.heard.take(max as usize) {
                if let Some(answers) = &mut self.answers {
                    answers.extend_from_slice(&bytes);
                }
                line.recording.iter_mut().for_each(|it| it.hears(&bytes));
                return Ok(Ok(bytes));
            }
            if line.is_closed {
                return Ok(Ok(Vec::new()));
            }
            // When nothing more is allowed, one byte tells whether there is more or this was all.
            let room = (limit as usize).saturating_sub(*received);
            let read = match &mut line.way {
                Way::Wire(wire) => {
                    let mut chunk = vec![0; CHUNK.min(room.max(1))];
                    let read = match timeout_at(deadline, wire.read(&mut chunk)).await {
                        Ok(read) => read.map_err(DialError::from),
                        Err(_) => Err(DialError::Timeout(wait)),
                    };
                    read.map(|bytes| {
                        chunk.truncate(bytes);
                        chunk
                    })
                }
                Way::Played(dialogue) => match dialogue.read() {
                    Said::Bytes(bytes) => Ok(bytes),
                    Said::End => Ok(Vec::new()),
                    Said::Silence => Err(DialError::Timeout(wait)),
                },
                Way::Broken => return Ok(Err(ended())),
            };
            match read {
                Ok(bytes) if bytes.is_empty() => {
                    line.is_closed = true;
                    line.heard.end();
                }
                Ok(bytes) if bytes.len() > room => {
                    let message = format!("this call has read the {limit} bytes that limits.response_bytes allows, and there is more");
                    return Ok(Err(never("socket.response_too_large", message)));
                }
                Ok(bytes) => {
                    self.health = Health::Up;
                    *received += bytes.len();
                    line.heard.push(&bytes, &here);
                }
                Err(error) => {
                    self.health = Health::Down;
                    if let (DialError::Timeout(_), Some(recording)) = (&error, &mut line.recording) {
                        recording.waits();
                    }
                    return Ok(Err(read_failure(&here, &error, wait)));
                }
            }
        }
    }

    async fn write(&mut self, this: Resource<socket::Connection>, pieces: Vec<Piece>) -> wasmtime::Result<Result<(), Failure>> {
        self.host_call()?;
        let wait = WRITE_WAIT.min(self.left());
        let here = std::sync::Arc::clone(&self.surroundings);
        let Some(line) = self.lines.get(&this) else { return Ok(Err(ended())) };
        let wire = match &mut line.way {
            Way::Wire(wire) => wire,
            Way::Played(dialogue) => {
                dialogue.write(&pieces);
                return Ok(Ok(()));
            }
            Way::Broken => return Ok(Err(ended())),
        };
        let bytes = match filled(&here, wire, &pieces).await {
            Ok(bytes) => bytes,
            Err(failure) => return Ok(Err(failure)),
        };
        line.recording.iter_mut().for_each(|it| it.sends(&pieces));
        let written = async {
            wire.write_all(&bytes).await?;
            wire.flush().await
        };
        let ended = match tokio::time::timeout(wait, written).await {
            Ok(written) => written.map_err(DialError::from),
            Err(_) => Err(DialError::Timeout(wait)),
        };
        Ok(ended.map_err(|error| {
            self.health = Health::Down;
            dial_failure(&here, &error)
        }))
    }

    async fn start_tls(&mut self, this: Resource<socket::Connection>) -> wasmtime::Result<Result<(), Failure>> {
        self.host_call()?;
        let here = std::sync::Arc::clone(&self.surroundings);
        let Some(line) = self.lines.get(&this) else { return Ok(Err(ended())) };
        if !line.heard.is_empty() {
            // Whoever stands in between could have put an answer in front of TLS, to be taken for one that came through it.
            line.way = Way::Broken;
            return Ok(Err(never("socket.before_tls", "bytes came in before TLS began and were not read".to_owned())));
        }
        let secured = match std::mem::replace(&mut line.way, Way::Broken) {
            Way::Wire(wire) => wire.secure().await.map(|it| Way::Wire(Box::new(it))),
            Way::Played(dialogue) => dialogue.secure().map(Way::Played),
            Way::Broken => return Ok(Err(ended())),
        };
        Ok(match secured {
            Ok(way) => {
                line.way = way;
                line.recording.iter_mut().for_each(Recording::secures);
                Ok(())
            }
            Err(error) => Err(dial_failure(&here, &error)),
        })
    }

    fn drop(&mut self, this: Resource<socket::Connection>) -> wasmtime::Result<()> {
        self.lines.open.remove(&this.rep());
        Ok(())
    }
}

/// The pieces as they go out.
async fn filled(here: &Surroundings, wire: &Wire, pieces: &[Piece]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(it) => bytes.extend_from_slice(it),
            Piece::Secret(name) => {
                wire.may_carry_secrets().map_err(|error| dial_failure(here, &error))?;
                let secret = here.outgoing(name).await.map_err(|error| token_failure(here, &error))?.ok_or_else(|| Failure {
                    code: "socket.missing_secret".to_owned(),
                    message: format!("the secret `{name}` is not set for this connection"),
                    retry: Retry::Reauthorise,
                })?;
                bytes.extend_from_slice(secret.reveal().as_bytes());
            }
        }
    }
    Ok(bytes)
}

/// The connections of the present call.
#[derive(Default)]
pub struct Lines {
    open: std::collections::HashMap<u32, Line>,
    next: u32,
    /// Bytes that the present call took off the wire.
    received: usize,
}

impl Lines {
    /// Ends them all: a connection belongs to the call that opened it. One that the guest still names is not there any more.
    pub fn hang_up(&mut self) {
        self.open.clear();
        self.received = 0;
    }

    fn add(&mut self, line: Line) -> Resource<socket::Connection> {
        // Numbers are not given twice, so a name from an earlier call never means a connection of this one.
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, line);
        Resource::new_own(self.next)
    }

    fn get(&mut self, this: &Resource<socket::Connection>) -> Option<&mut Line> {
        self.open.get_mut(&this.rep())
    }
}

fn ended() -> Failure {
    never("socket.ended", "this connection is over: it ends with the call that opened it".to_owned())
}

fn read_failure(here: &Surroundings, error: &DialError, wait: Duration) -> Failure {
    match error {
        DialError::Timeout(_) => Failure {
            code: "socket.timeout".to_owned(),
            message: format!("nothing came within {} ms", wait.as_millis()),
            retry: Retry::Later,
        },
        error => dial_failure(here, error),
    }
}

/// There is no access token to send.
fn token_failure(here: &Surroundings, error: &TokenError) -> Failure {
    let retry = if error.is_passing() { Retry::Later } else { Retry::Reauthorise };
    Failure { code: error.code().to_owned(), message: here.redact(&error.to_string()), retry }
}

fn dial_failure(here: &Surroundings, error: &DialError) -> Failure {
    let retry = if error.is_passing() { Retry::Later } else { Retry::Never };
    Failure { code: error.code().to_owned(), message: here.redact(&error.to_string()), retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_secret_is_found_at_the_end() {
        for (bytes, kept) in [("hello pass", 4), ("hello", 0), ("passpa", 2), ("p", 1), ("", 0), ("a password", 0)] {
            assert_eq!(beginning(bytes.as_bytes(), b"password"), kept, "{bytes}");
        }
    }
}
