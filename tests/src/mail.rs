//! The real Dovecot that `tests/servers/mail-up.sh` brings up: mail is delivered into it as a mail server would, and folders are changed as
//! people would. And a server that takes what is sent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::files::unique_name;
use crate::line::LineServer;

/// The password of every user there.
pub const PASSWORD: &str = "dovecot-password";

/// A user of the mail server, whom nobody else has.
pub struct MailUser {
    imap: String,
    lmtp: String,
    /// The login.
    pub name: String,
}

impl MailUser {
    /// One on the server that the environment names. Panics where it names none.
    #[must_use]
    pub fn named() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!(
                    "{name} is not set: start a Dovecot with `tests/servers/mail-up.sh`, then `eval \"$(tests/servers/mail-up.sh env)\"`"
                )
            })
        };
        Self { imap: variable("PATCHBAY_IMAP"), lmtp: variable("PATCHBAY_LMTP"), name: format!("u{}", unique_name()) }
    }

    /// The configuration of a connection that reads this user's mail.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({
            "address": format!("{}@hub.example", self.name), "username": self.name, "password": PASSWORD,
            "imap": format!("tcp://{}", self.imap),
        })
    }

    /// A mail server hands a mail over.
    pub fn deliver(&self, mail: &str) {
        let mut server = Lines::to(&self.lmtp);
        server.expect("220");
        for (command, code) in [
            ("LHLO test".to_owned(), "250"),
            ("MAIL FROM:<somebody@example.com>".to_owned(), "250"),
            (format!("RCPT TO:<{}>", self.name), "250"),
            ("DATA".to_owned(), "354"),
            (format!("{}\r\n.", mail.replace("\r\n", "\n").replace('\n', "\r\n")), "250"),
        ] {
            server.say(&command);
            server.expect(code);
        }
    }

    /// Commands that the user's mail program sends.
    pub fn does(&self, commands: &[&str]) {
        let mut server = Lines::to(&self.imap);
        server.expect("* OK");
        for command in [format!("LOGIN {} {PASSWORD}", self.name).as_str()].iter().chain(commands) {
            server.say(&format!("t {command}"));
            server.expect("t OK");
        }
    }

    /// The user's mail program puts a mail into a folder.
    pub fn append(&self, folder: &str, mail: &str) {
        let mail = mail.replace('\n', "\r\n");
        self.does(&[&format!("APPEND {folder} {{{}+}}\r\n{mail}", mail.len())]);
    }

    /// What a mail program answers to a command, all lines of it.
    #[must_use]
    pub fn asks(&self, commands: &[&str]) -> String {
        let mut server = Lines::to(&self.imap);
        server.expect("* OK");
        let mut heard = String::new();
        for command in [format!("LOGIN {} {PASSWORD}", self.name).as_str()].iter().chain(commands) {
            server.say(&format!("t {command}"));
            heard = server.expect("t OK");
        }
        heard
    }

    /// The server goes down and comes up again.
    pub fn restart_server() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/mail-up.sh");
        let ended = Command::new(script).arg("restart").status().expect("the script can be run");
        assert!(ended.success(), "{script} restart");
    }
}

/// A server that takes mails for anybody from whoever logs in with [`PASSWORD`].
pub struct Smtp {
    server: LineServer,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Smtp {
    /// One on a port of its own.
    #[must_use]
    pub fn start() -> Self {
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&taken);
        // A connection that breaks off is the other side's matter.
        let server = LineServer::start(move |stream| drop(serve_smtp(&stream, &kept)));
        Self { server, taken }
    }

    /// `127.0.0.1:<port>`
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// The dialogues of the mails that it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// As much of an SMTP server as one mail needs.
fn serve_smtp(stream: &TcpStream, taken: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (mut write, mut mail, mut in_data) = (stream.try_clone()?, String::new(), false);
    write.write_all(b"220 ready\r\n")?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        mail.push_str(&line);
        mail.push('\n');
        let said: &[u8] = match line.split(' ').next().unwrap_or_default() {
            "." if in_data => {
                in_data = false;
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
                b"250 taken\r\n"
            }
            _ if in_data => continue,
            "EHLO" => b"250-here\r\n250 AUTH PLAIN\r\n",
            // \0<user>\0dovecot-password
            "AUTH" if line.ends_with("AGRvdmVjb3QtcGFzc3dvcmQ=") || line.len() > 30 => b"235 welcome\r\n",
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        write.write_all(said)?;
    }
    Ok(())
}

struct Lines {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

impl Lines {
    fn to(address: &str) -> Self {
        let write = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address} does not answer: {error}"));
        write.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
        let read = BufReader::new(write.try_clone().expect("one more handle"));
        Self { write, read }
    }

    fn say(&mut self, line: &str) {
        self.write.write_all(line.as_bytes()).and_then(|()| self.write.write_all(b"\r\n")).expect("the server takes it");
    }

    /// Reads up to the line that begins so and ends an answer.
    fn expect(&mut self, beginning: &str) -> String {
        let mut heard = String::new();
        loop {
            let mut line = String::new();
            let bytes = self.read.read_line(&mut line).expect("the server answers");
            heard.push_str(&line);
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            if line.starts_with(beginning) && !goes_on {
                return heard;
            }
            let refused = ["t NO", "t BAD", "4", "5"].iter().any(|it| line.starts_with(it));
            assert!(bytes > 0 && !refused, "`{beginning}` was due: {heard}");
        }
    }
}
