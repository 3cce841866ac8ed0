//! What a connector wrote to the log last, kept for whoever looks on while it works.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use patchbay_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// Most lines that are kept of one connector.
const MOST: usize = 500;

/// The newest lines of one connector, in all of its connections in this process.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    last: u64,
}

/// A line, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Line {
    /// 1, 2, 3 … since the hub started.
    pub number: u64,
    /// When it was written.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// `cxn_…`
    pub connection: String,
    /// `error`, `warn`, `info` or `debug`
    pub level: String,
    /// What the connector says.
    pub message: String,
    /// What it adds, as it wrote it.
    pub fields: String,
}

impl Journal {
    /// Keeps a line; its number is given here.
    pub fn write(&self, line: Line) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let number = kept.last;
        if kept.lines.len() == MOST {
            kept.lines.pop_front();
        }
        kept.lines.push_back(Line { number, ..line });
    }

    /// The lines after this number that are still there, and the number of the last one that was ever written.
    #[must_use]
    pub fn after(&self, number: u64) -> (Vec<Line>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.lines.iter().filter(|it| it.number > number).cloned().collect(), kept.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay_and_keep_their_numbers() {
        let journal = Journal::default();
        for at in 0..MOST + 3 {
            let message = at.to_string();
            let line = Line {
                number: 0,
                at: Timestamp::UNIX_EPOCH,
                connection: String::new(),
                level: String::new(),
                message,
                fields: String::new(),
            };
            journal.write(line);
        }
        let (lines, last) = journal.after(0);
        assert_eq!((lines.len(), lines[0].number, lines[0].message.as_str(), last), (MOST, 4, "3", MOST as u64 + 3));
        assert_eq!(journal.after(last - 1).0.len(), 1);
        assert!(journal.after(last).0.is_empty());
    }
}
