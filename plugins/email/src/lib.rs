#![doc = include_str!("../README.md")]

pub mod address;
pub mod charset;
pub mod check;
pub mod compose;
pub mod config;
pub mod date;
pub mod deliver;
pub mod enclosure;
pub mod form;
pub mod html;
pub mod imap;
pub mod letter;
pub mod map;
pub mod poll;
pub mod report;
pub mod smtp;
pub mod split;
pub mod thread;
pub mod words;

use patchbay_sdk::host::{self, Level};
use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::{Command, Event, Receipt};
use patchbay_sdk::socket::Socket;
use patchbay_sdk::{CommandKind, Connector, Failure, Page, Reply, Request};
use serde_json::{Value, json};

use crate::config::Config;
use crate::imap::Session;

/// How long the way to the server may take to say something.
const TIMEOUT_MS: u32 = 30_000;

/// The connector.
pub struct Email;

impl Connector for Email {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        let event = map::event(&request.body, &config()?)?;
        thread::note(&event.body);
        Ok(Reply::ok(vec![event]))
    }

    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let config = config()?;
        if !config.has_imap {
            // Its mails are posted here. A failure would hold up its answers, too.
            return Ok(Page { next_cursor: cursor, ..Page::default() });
        }
        let mut session = Session::open(Socket::connect("imap", TIMEOUT_MS)?, &config)?;
        let page = poll::poll(&mut session, &config, cursor.as_deref(), limit, host::now(), |raw| read(raw, &config))?;
        session.close();
        Ok(page)
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::MessageSend(message) => deliver::deliver(&config()?, &command.idempotency_key, &message),
            other => Err(Failure::never("email.command", format!("a mail box cannot do `{}`", other.kind()))),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(&config()?)
    }
}

/// A mail of the mail box. One that cannot be read is kept by the hub with the rest of the page, and must not hold up those behind it.
fn read(raw: &[u8], config: &Config) -> Option<Event> {
    match map::event(raw, config) {
        Ok(event) => {
            thread::note(&event.body);
            Some(event)
        }
        Err(failure) => {
            host::log(Level::Warn, "a mail could not be read", &json!({ "error.code": failure.code, "mail.bytes": raw.len() }));
            None
        }
    }
}

fn config() -> Result<Config, Failure> {
    host::settings(|it| Ok(Config::read(it)))
}
