//! IMAP (RFC 3501), as much as reading one mail box needs: log in, select, fetch by UID, wait for news (IDLE, RFC 2177), append.

use patchbay_sdk::Failure;
use patchbay_sdk::socket::{Part, Socket};

use crate::config::Config;

/// How long an answer may take.
const ANSWER_MS: u32 = 30_000;
/// Most of a mail that is fetched, bytes: more than that is attachments.
pub const MOST_OF_A_MAIL: u32 = 1 << 20;

/// A way to a server: the real socket, or what a test has in its place.
pub trait Wire {
    /// The next line without its line break.
    fn line(&mut self) -> Result<Vec<u8>, Failure>;
    /// So many bytes.
    fn exact(&mut self, bytes: usize) -> Result<Vec<u8>, Failure>;
    /// Sends parts.
    fn send(&mut self, parts: &[Part<'_>]) -> Result<(), Failure>;
    /// Begins TLS.
    fn start_tls(&mut self) -> Result<(), Failure>;
    /// How long a read waits from now on.
    fn wait(&mut self, ms: u32);
}

impl Wire for Socket {
    fn line(&mut self) -> Result<Vec<u8>, Failure> {
        Self::line(self)
    }

    fn exact(&mut self, bytes: usize) -> Result<Vec<u8>, Failure> {
        Self::exact(self, bytes)
    }

    fn send(&mut self, parts: &[Part<'_>]) -> Result<(), Failure> {
        Self::send(self, parts)
    }

    fn start_tls(&mut self) -> Result<(), Failure> {
        Self::start_tls(self)
    }

    fn wait(&mut self, ms: u32) {
        self.set_timeout_ms(ms);
    }
}

/// A session with a server.
pub struct Session<W> {
    wire: W,
    tags: u32,
    capabilities: String,
}

/// What a mail box says of itself when it is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailBox {
    /// Numbers of mails mean something only together with this one.
    pub uid_validity: u32,
    /// The next mail gets this number, or a higher one.
    pub uid_next: u32,
}

/// One line of an answer with the literals in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    text: String,
    literals: Vec<Vec<u8>>,
}

impl<W: Wire> Session<W> {
    /// Greets, begins TLS where that is asked for, and logs in.
    pub fn open(mut wire: W, config: &Config) -> Result<Self, Failure> {
        wire.wait(ANSWER_MS);
        let greeting = text(&wire.line()?);
        if !greeting.starts_with("* OK") && !greeting.starts_with("* PREAUTH") {
            return Err(Failure::later("imap.greeting", "the server does not greet as an IMAP server that is ready"));
        }
        let mut session = Self { wire, tags: 0, capabilities: String::new() };
        if config.imap_starttls {
            session.command("STARTTLS")?;
            session.wire.start_tls()?;
        }
        session.ask_capabilities()?;
        if !greeting.starts_with("* PREAUTH") {
            session.log_in(config)?;
            session.ask_capabilities()?;
        }
        Ok(session)
    }

    fn ask_capabilities(&mut self) -> Result<(), Failure> {
        let answers = self.command("CAPABILITY")?;
        let listed = answers.iter().find_map(|it| it.text.strip_prefix("* CAPABILITY "));
        self.capabilities = format!(" {} ", listed.unwrap_or_default().to_ascii_uppercase());
        Ok(())
    }

    fn can(&self, what: &str) -> bool {
        self.capabilities.contains(&format!(" {what} "))
    }

    fn log_in(&mut self, config: &Config) -> Result<(), Failure> {
        let tag = self.tag();
        let user = quoted(&config.username);
        let by_token = config.login.by_token(|it| self.can(&["AUTH=", it].concat()));
        let ended = if let Some((mechanism, secret)) = by_token {
            self.authenticate(&tag, mechanism, secret)
        } else if self.can("AUTH=PLAIN") {
            self.authenticate(&tag, "PLAIN", "sasl_plain")
        } else if self.can("LOGINDISABLED") {
            return Err(Failure::never("imap.login", "the server takes no password over this connection: write tls:// or starttls://"));
        } else {
            let head = format!("{tag} LOGIN {user} ");
            self.wire.send(&[Part::Text(&head), Part::Secret("quoted_password"), Part::Text("\r\n")])?;
            self.until(&tag)
        };
        ended.map(drop).map_err(|failure| match failure.code.as_str() {
            "imap.no" if failure.message.contains("UNAVAILABLE") => Failure::later("imap.login", failure.message),
            "imap.no" => Failure::reauthorise("imap.login", format!("the server refuses the login: {}", failure.message)),
            _ => failure,
        })
    }

    fn authenticate(&mut self, tag: &str, mechanism: &str, secret: &str) -> Result<Vec<Answer>, Failure> {
        if self.can("SASL-IR") {
            let head = format!("{tag} AUTHENTICATE {mechanism} ");
            self.wire.send(&[Part::Text(&head), Part::Secret(secret), Part::Text("\r\n")])?;
        } else {
            self.wire.send(&[Part::Text(&format!("{tag} AUTHENTICATE {mechanism}\r\n"))])?;
            self.invited(tag)?;
            self.wire.send(&[Part::Secret(secret), Part::Text("\r\n")])?;
        }
        // A refused token is explained first, and wants an empty line before the refusal itself.
        let mut answers = Vec::new();
        loop {
            let answer = self.answer()?;
            if answer.text.starts_with('+') {
                self.wire.send(&[Part::Text("\r\n")])?;
            } else if let Some(ended) = ended(tag, &answer) {
                return ended.map(|()| answers);
            } else {
                answers.push(answer);
            }
        }
    }

    /// Selects the mail box, for reading alone unless mails are to be marked.
    pub fn select(&mut self, config: &Config) -> Result<MailBox, Failure> {
        let verb = if config.marks_read { "SELECT" } else { "EXAMINE" };
        let answers = self.command(&format!("{verb} {}", quoted(&config.mailbox))).map_err(|failure| match failure.code.as_str() {
            "imap.no" => Failure::never("imap.mailbox", format!("the mail box `{}` cannot be opened: {}", config.mailbox, failure.message)),
            _ => failure,
        })?;
        let number = |name: &str| {
            let found = answers.iter().find_map(|it| it.text.split_once(&format!("[{name} ")).map(|it| it.1));
            found.and_then(|it| it.split(']').next()).and_then(|it| it.trim().parse().ok())
        };
        let uid_validity = number("UIDVALIDITY").ok_or_else(|| Failure::never("imap.uids", "the server gives mails no lasting numbers"))?;
        // Servers of old leave UIDNEXT out: then the highest number is asked for.
        let uid_next = match number("UIDNEXT") {
            Some(next) => next,
            None => self.search("ALL")?.into_iter().max().unwrap_or(0) + 1,
        };
        Ok(MailBox { uid_validity, uid_next })
    }

    /// Numbers of mails, lowest first.
    pub fn search(&mut self, what: &str) -> Result<Vec<u32>, Failure> {
        let answers = self.command(&format!("UID SEARCH {what}"))?;
        let found = answers.iter().filter_map(|it| it.text.strip_prefix("* SEARCH"));
        let mut uids: Vec<u32> = found.flat_map(str::split_whitespace).filter_map(|it| it.parse().ok()).collect();
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// The mails with these numbers, as far as they are still there. Nothing is marked by that.
    pub fn fetch(&mut self, uids: &[u32]) -> Result<Vec<(u32, Vec<u8>)>, Failure> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let list = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let answers = self.command(&format!("UID FETCH {list} (UID BODY.PEEK[]<0.{MOST_OF_A_MAIL}>)"))?;
        let mut mails: Vec<(u32, Vec<u8>)> = answers.into_iter().filter_map(mail).filter(|it| uids.contains(&it.0)).collect();
        mails.sort_by_key(|it| it.0);
        mails.dedup_by_key(|it| it.0);
        Ok(mails)
    }

    /// Marks mails as read.
    pub fn mark_read(&mut self, uids: &[u32]) -> Result<(), Failure> {
        let list = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.command(&format!("UID STORE {list} +FLAGS.SILENT (\\Seen)")).map(drop)
    }

    /// Waits until something changes, for at most so long. True: something did. A server that knows no IDLE is not waited for.
    pub fn idle(&mut self, ms: u32) -> Result<bool, Failure> {
        if !self.can("IDLE") {
            return Ok(false);
        }
        let tag = self.tag();
        self.wire.send(&[Part::Text(&format!("{tag} IDLE\r\n"))])?;
        self.invited(&tag)?;
        self.wire.wait(ms);
        let mut news = false;
        while !news {
            match self.answer() {
                // `* 4 EXISTS`; flags that others set and lines that only keep the line open say nothing.
                Ok(answer) => {
                    if answer.text.starts_with("* BYE") {
                        return Err(Failure::later("imap.bye", "the server ended the session"));
                    }
                    news = answer.text.ends_with(" EXISTS") || answer.text.ends_with(" RECENT");
                }
                Err(failure) if failure.code == "socket.timeout" => break,
                Err(failure) => return Err(failure),
            }
        }
        self.wire.wait(ANSWER_MS);
        self.wire.send(&[Part::Text("DONE\r\n")])?;
        self.until(&tag)?;
        Ok(news)
    }

    /// Puts a mail into a folder, as read.
    pub fn append(&mut self, folder: &str, mail: &[u8]) -> Result<(), Failure> {
        let tag = self.tag();
        self.wire.send(&[Part::Text(&format!("{tag} APPEND {} (\\Seen) {{{}}}\r\n", quoted(folder), mail.len()))])?;
        self.invited(&tag)?;
        self.wire.send(&[Part::Bytes(mail), Part::Text("\r\n")])?;
        self.until(&tag).map(drop)
    }

    /// Says goodbye; whether the server heard it does not matter.
    pub fn close(mut self) {
        drop(self.command("LOGOUT"));
    }

    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("p{}", self.tags)
    }

    fn command(&mut self, command: &str) -> Result<Vec<Answer>, Failure> {
        let tag = self.tag();
        self.wire.send(&[Part::Text(&format!("{tag} {command}\r\n"))])?;
        self.until(&tag)
    }

    /// Waits for `+`, with which a server asks for the rest of a command.
    fn invited(&mut self, tag: &str) -> Result<(), Failure> {
        loop {
            let answer = self.answer()?;
            if answer.text.starts_with('+') {
                return Ok(());
            }
            if let Some(ended) = ended(tag, &answer) {
                return ended.and(Err(Failure::later("imap.answer", "the server did not ask for the rest of a command")));
            }
        }
    }

    /// All answers up to the one that ends the command.
    fn until(&mut self, tag: &str) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::new();
        loop {
            let answer = self.answer()?;
            if let Some(ended) = ended(tag, &answer) {
                return ended.map(|()| answers);
            }
            answers.push(answer);
        }
    }

    /// One answer: a line, and where it ends with the length of a literal, the literal and the line after it.
    fn answer(&mut self) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        loop {
            answer.text.push_str(&text(&self.wire.line()?));
            let Some(length) = literal(&answer.text) else { return Ok(answer) };
            answer.literals.push(self.wire.exact(length)?);
            answer.text.push('\n');
        }
    }
}

/// `* 3 FETCH (BODY[]<0> {2048}`
fn literal(line: &str) -> Option<usize> {
    let (_, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    number.trim_end_matches('+').parse().ok()
}

fn ended(tag: &str, answer: &Answer) -> Option<Result<(), Failure>> {
    let rest = answer.text.strip_prefix(tag)?.strip_prefix(' ')?;
    let (word, message) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match word.to_ascii_uppercase().as_str() {
        "OK" => Ok(()),
        "NO" => Err(Failure::later("imap.no", message.to_owned())),
        _ => Err(Failure::later("imap.bad", format!("the server does not understand: {message}"))),
    })
}

fn mail(answer: Answer) -> Option<(u32, Vec<u8>)> {
    let text = answer.text.to_ascii_uppercase();
    if !text.starts_with("* ") || !text.contains(" FETCH ") {
        return None;
    }
    let after = text.split_once("UID ")?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, answer.literals.into_iter().next()?))
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
