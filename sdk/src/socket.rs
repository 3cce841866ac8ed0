//! A line protocol with an endpoint of the manifest, within one call. The host opens the connection, speaks TLS and fills secrets in.

use crate::Failure;
use crate::bindings::imports::patchbay::connector::socket;
use crate::bindings::imports::patchbay::connector::types::Piece;

/// Longest line that is read, bytes: a server that sends a longer one is none of its kind.
const LONGEST_LINE: usize = 64 << 10;
/// Most bytes that one read asks for.
const CHUNK: u32 = 16 << 10;

/// A connection that ends with the call, or when it is dropped.
pub struct Socket {
    raw: socket::Connection,
    /// What came in and was not taken yet.
    buffer: Vec<u8>,
    /// How much of `buffer` was taken.
    taken: usize,
    timeout_ms: u32,
}

/// One part of what is sent: bytes, or the secret of that name.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A secret, which the host fills in.
    Secret(&'a str),
}

impl Socket {
    /// Connects to an endpoint. Each read then waits for at most `timeout_ms`.
    pub fn connect(endpoint: &str, timeout_ms: u32) -> Result<Self, Failure> {
        Ok(Self { raw: socket::connect(endpoint)?, buffer: Vec::new(), taken: 0, timeout_ms })
    }

    /// How long each further read waits.
    pub fn set_timeout_ms(&mut self, timeout_ms: u32) {
        self.timeout_ms = timeout_ms;
    }

    /// The next line without its line break. `socket.timeout` when it does not come in time (reading may go on then), `socket.closed`
    /// when the other side has closed, `socket.line` when it is longer than 64 KiB.
    pub fn line(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let waiting = &self.buffer[self.taken..];
            if let Some(end) = waiting.iter().position(|it| *it == b'\n') {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]).to_vec();
                self.taken += end + 1;
                return Ok(line);
            }
            if waiting.len() > LONGEST_LINE {
                return Err(Failure::never("socket.line", "the server sent a line of more than 64 KiB"));
            }
            self.fill()?;
        }
    }

    /// Exactly so many bytes, with the failures of [`line`](Self::line).
    pub fn exact(&mut self, bytes: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() - self.taken < bytes {
            self.fill()?;
        }
        let found = self.buffer[self.taken..self.taken + bytes].to_vec();
        self.taken += bytes;
        Ok(found)
    }

    /// Sends the parts one after the other.
    pub fn send(&mut self, parts: &[Part<'_>]) -> Result<(), Failure> {
        let piece = |part: &Part<'_>| match part {
            Part::Text(text) => Piece::Bytes(text.as_bytes().to_vec()),
            Part::Bytes(bytes) => Piece::Bytes(bytes.to_vec()),
            Part::Secret(name) => Piece::Secret((*name).to_owned()),
        };
        let pieces: Vec<Piece> = parts.iter().map(piece).collect();
        Ok(self.raw.write(&pieces)?)
    }

    /// Sends a line, to which the line break is added.
    pub fn send_line(&mut self, line: &str) -> Result<(), Failure> {
        self.send(&[Part::Text(line), Part::Text("\r\n")])
    }

    /// Begins TLS on an endpoint with `starttls://`, after the protocol's own command. What came in before and was not read would be
    /// taken for something that came through TLS, so it is refused.
    pub fn start_tls(&mut self) -> Result<(), Failure> {
        if self.taken < self.buffer.len() {
            return Err(Failure::never("socket.before_tls", "bytes came in before TLS began and were not read"));
        }
        Ok(self.raw.start_tls()?)
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let more = self.raw.read(CHUNK, self.timeout_ms)?;
        if more.is_empty() {
            return Err(Failure::later("socket.closed", "the server closed the connection"));
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(&more);
        Ok(())
    }
}
