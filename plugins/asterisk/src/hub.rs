//! What mapping, calling and checking need of the outside, so that tests can stand in for it.

use patchbay_sdk::host::{self, state};
use patchbay_sdk::socket::{Part, Socket};
use patchbay_sdk::{Failure, http};

use crate::ami::Block;

/// The outside.
pub trait Hub {
    /// A request to ARI: the HTTP status and the body of the answer.
    fn ask(&mut self, method: &str, path_and_query: &str) -> Result<(u16, Vec<u8>), Failure>;

    /// An action of AMI's, over a connection of its own: the answer that bears this `ActionID`. The action is whole lines.
    fn act(&mut self, username: &str, action: &str, id: &str) -> Result<Block, Failure>;

    /// What was noted under `key`.
    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure>;

    /// Notes `value` under `key` for a while.
    fn note(&mut self, key: &str, value: &str, ttl_ms: u64) -> Result<(), Failure>;

    /// The hub's clock, milliseconds since 1970.
    fn now(&self) -> i64;
}

/// The hub that this connector runs in.
pub struct Host;

/// Longest wait for Asterisk.
const TIMEOUT_MS: u32 = 15_000;
/// The id of the login that precedes an action.
const LOGIN: &str = "patchbay-action";
/// Most lines before an answer: events that nobody asked for, a banner.
const MOST_LINES: usize = 2_000;

impl Hub for Host {
    fn ask(&mut self, method: &str, path_and_query: &str) -> Result<(u16, Vec<u8>), Failure> {
        let answer = http::Call::new(method, "ari", path_and_query.to_owned()).timeout_ms(TIMEOUT_MS).send()?;
        Ok((answer.status, answer.body))
    }

    fn act(&mut self, username: &str, action: &str, id: &str) -> Result<Block, Failure> {
        let mut socket = Socket::connect("pbx", TIMEOUT_MS)?;
        if !socket.line()?.starts_with(b"Asterisk Call Manager/") {
            return Err(Failure::later("asterisk.greeting", "what answers at the address is no AMI"));
        }
        let login = ["Action: Login\r\nActionID: ", LOGIN, "\r\nUsername: ", username, "\r\nEvents: off\r\nSecret: "].concat();
        socket.send(&[Part::Text(&login), Part::Secret("password"), Part::Text("\r\n\r\n")])?;
        let answer = answer(&mut socket, LOGIN)?;
        if !answer.get("response").is_some_and(|it| it.eq_ignore_ascii_case("success")) {
            return Err(not_let_in(&answer));
        }
        socket.send(&[Part::Text(action), Part::Text("\r\n")])?;
        self::answer(&mut socket, id)
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(state::get(key)?.and_then(|it| String::from_utf8(it).ok()))
    }

    fn note(&mut self, key: &str, value: &str, ttl_ms: u64) -> Result<(), Failure> {
        state::set(key, value.as_bytes(), Some(ttl_ms))
    }

    fn now(&self) -> i64 {
        host::now().as_millisecond()
    }
}

/// The answer to an action; what else comes in is passed over.
fn answer(socket: &mut Socket, id: &str) -> Result<Block, Failure> {
    let mut block = Vec::new();
    for _ in 0..MOST_LINES {
        let line = socket.line()?;
        if !line.is_empty() {
            block.extend_from_slice(&line);
            block.push(b'\n');
            continue;
        }
        let read = Block::read(&std::mem::take(&mut block));
        if read.get("response").is_some() && read.get("actionid") == Some(id) {
            return Ok(read);
        }
    }
    Err(Failure::later("asterisk.answer", "AMI does not answer"))
}

/// AMI refused the login.
#[must_use]
pub fn not_let_in(answer: &Block) -> Failure {
    Failure::reauthorise("asterisk.login", ["Asterisk does not let the user in: ", answer.get("message").unwrap_or_default()].concat())
}
