//! Where a command's words go: answers to stdout, as tables or as JSON; progress and errors to stderr.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use super::failure::{Exit, Failure};

/// Longest cell of a table, characters.
const WIDEST: usize = 72;

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// Answers are JSON.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
}

impl Out {
    /// The answer: JSON where it is wanted, else what people read.
    pub fn answer(self, json: &impl Serialize, human: impl FnOnce() -> String) -> Result<(), Failure> {
        if !self.json {
            return print(&human());
        }
        let text = serde_json::to_string_pretty(json).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        print(&(text + "\n"))
    }

    /// Progress and hints.
    pub fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            complain(text.as_ref());
        }
    }
}

/// Yes or no from whoever sits at the terminal. Without a terminal nobody says yes.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Writes to stdout. A reader that went away (`| head`) ends the command in peace.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::silent(Exit::Done)),
        Err(error) => Err(Failure::io("the answer cannot be written", &error)),
    }
}

/// Writes a line to stderr. When nobody listens there, nobody is told.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Asks on the terminal; the question stays out of stdout.
pub fn ask(question: &str) -> Result<String, Failure> {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_err(|error| Failure::io("the answer cannot be read", &error))?;
    if read == 0 {
        complain("");
        return Err(Failure::new(Exit::Refused, "the input ended before the question was answered"));
    }
    Ok(line.trim().to_owned())
}

/// Text of strangers as it may go to a terminal: without control characters and without marks that turn the direction of writing.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .filter(|it| !matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

/// At most `most` characters of the text, on one line.
pub fn short(text: &str, most: usize) -> String {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most { line } else { line.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

/// A time as people read it, in UTC.
pub fn time(at: patchbay_schemas::Timestamp) -> String {
    patchbay_host::operations::short_time(at)
}

/// Rows with aligned columns.
pub struct Table {
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with a head.
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()], indent: 0 }
    }

    /// The same, set in by two more.
    pub fn indented(self) -> Self {
        Self { indent: self.indent + 2, ..self }
    }

    /// Rows without a head, set in by two.
    pub fn plain() -> Self {
        Self { rows: Vec::new(), indent: 2 }
    }

    /// One more row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|it| short(&it, WIDEST)).collect());
    }

    /// One more row whose last cell is as long as it is.
    pub fn wide_row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|it| short(&it, usize::MAX)).collect());
    }

    /// The aligned text, or what there is to say about an empty table.
    pub fn or(self, empty: &str) -> String {
        if self.rows.len() <= 1 { format!("{empty}\n") } else { self.text() }
    }

    /// The aligned text.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|it| it.get(column)).map(|it| it.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (cell, width) in row.iter().zip(&widths) {
                // Writing into a text cannot fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_in_any_alphabet() {
        let mut table = Table::new(["NAME", "STAGE"]);
        table.row(["Анна Петрова".to_owned(), "lead".to_owned()]);
        table.row(["Bo".to_owned(), String::new()]);
        assert_eq!(table.text(), "NAME          STAGE\nАнна Петрова  lead\nBo\n");
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(Table::new(["ID"]).or("no leads yet"), "no leads yet\n");
    }

    #[test]
    fn a_strangers_text_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a [2Jbc");
        assert_eq!(short("one\n\ttwo", 20), "one two");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
