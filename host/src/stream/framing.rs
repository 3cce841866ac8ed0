//! Cuts what comes in into frames, and says what ends one that goes out. Pure.

use patchbay_schemas::manifest::Framing;

/// A frame that is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame is longer than the {0} bytes that stream.max_frame_bytes allows")]
pub struct TooLong(pub u32);

/// Cuts bytes into frames, however they come.
#[derive(Debug)]
pub struct Cutter {
    framing: Framing,
    most: u32,
    waiting: Vec<u8>,
    /// The bytes before it hold no end of a frame.
    searched: usize,
}

impl Cutter {
    /// A cutter for frames of at most so many bytes.
    #[must_use]
    pub fn new(framing: Framing, most: u32) -> Self {
        Self { framing, most, waiting: Vec::new(), searched: 0 }
    }

    /// Takes what came in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole frame. None: it has not come in yet.
    pub fn frame(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        loop {
            let Some((length, end)) = self.end() else {
                // The end itself does not count.
                let is_too_long = self.waiting.len() > self.most as usize + 4;
                return if is_too_long { Err(TooLong(self.most)) } else { Ok(None) };
            };
            let frame = self.waiting[..length].to_vec();
            self.waiting.drain(..end);
            self.searched = 0;
            if frame.len() > self.most as usize {
                return Err(TooLong(self.most));
            }
            if !frame.is_empty() {
                return Ok(Some(frame));
            }
        }
    }

    /// Length of the first frame, and where the next one begins.
    fn end(&mut self) -> Option<(usize, usize)> {
        let is_block = self.framing == Framing::Blocks;
        while let Some(at) = self.waiting[self.searched..].iter().position(|it| *it == b'\n').map(|it| it + self.searched) {
            let line = &self.waiting[..at];
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            if !is_block {
                return Some((text.len(), at + 1));
            }
            // An empty line: the one before it ended the block.
            if text.is_empty() || text.ends_with(b"\n") {
                let block = text.strip_suffix(b"\n").unwrap_or(text);
                return Some((block.strip_suffix(b"\r").unwrap_or(block).len(), at + 1));
            }
            self.searched = at + 1;
        }
        self.searched = self.waiting.len();
        None
    }
}

/// The frames of a file, where what follows the last end is one too.
#[must_use]
pub fn cut(framing: Framing, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut cutter = Cutter::new(framing, u32::MAX);
    cutter.push(bytes);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = cutter.frame() {
        frames.push(frame);
    }
    let rest = cutter.waiting.trim_ascii();
    if !rest.is_empty() {
        frames.push(rest.to_vec());
    }
    frames
}

/// What ends a frame that goes out.
#[must_use]
pub fn end(framing: Framing) -> &'static [u8] {
    match framing {
        Framing::Websocket => b"",
        Framing::Lines => b"\r\n",
        Framing::Blocks => b"\r\n\r\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: Framing, most: u32, parts: &[&str]) -> Vec<Result<String, TooLong>> {
        let mut cutter = Cutter::new(framing, most);
        let mut found = Vec::new();
        for part in parts {
            cutter.push(part.as_bytes());
            loop {
                match cutter.frame() {
                    Ok(Some(frame)) => found.push(Ok(String::from_utf8(frame).unwrap())),
                    Ok(None) => break,
                    Err(error) => {
                        found.push(Err(error));
                        return found;
                    }
                }
            }
        }
        found
    }

    #[test]
    fn frames_are_the_same_however_their_bytes_come() {
        let text = "Asterisk Call Manager/9.0\r\nResponse: Success\r\nA: b\r\n\r\n\r\nEvent: X\nY: z\n\nEvent: Half";
        let blocks = ["Asterisk Call Manager/9.0\r\nResponse: Success\r\nA: b", "Event: X\nY: z"].map(|it| Ok(it.to_owned()));
        let lines = ["Asterisk Call Manager/9.0", "Response: Success", "A: b", "Event: X", "Y: z"].map(|it| Ok(it.to_owned()));
        let single: Vec<String> = text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        for parts in [vec![text], single, vec![&text[..27], &text[27..52], &text[52..]]] {
            assert_eq!(all(Framing::Blocks, 100, &parts), blocks);
            assert_eq!(all(Framing::Lines, 100, &parts), lines);
        }
        assert_eq!(cut(Framing::Blocks, text.as_bytes()).len(), 3);
        assert_eq!(cut(Framing::Lines, b"{}\n{\"a\":1}\n").len(), 2);
        assert!(cut(Framing::Lines, b"\n \n").iter().all(|it| it == b" "));
    }

    #[test]
    fn a_frame_may_be_as_long_as_its_limit_and_no_longer() {
        let long = |length: usize| "x".repeat(length);
        assert_eq!(all(Framing::Lines, 8, &[&long(8), "\r\n"]), [Ok(long(8))]);
        assert_eq!(all(Framing::Lines, 8, &[&long(9), "\r\n"]), [Err(TooLong(8))]);
        assert_eq!(all(Framing::Blocks, 8, &[&long(8), "\r\n\r\n"]), [Ok(long(8))]);
        // One that never ends is noticed before it fills the memory.
        assert_eq!(all(Framing::Blocks, 8, &[&long(13)]), [Err(TooLong(8))]);
    }
}
