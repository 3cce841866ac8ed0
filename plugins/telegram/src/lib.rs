#![doc = include_str!("../README.md")]

pub mod answer;
pub mod check;
pub mod config;
pub mod deliver;
pub mod hub;
pub mod map;
pub mod media;
pub mod message;
pub mod notice;
pub mod payload;
pub mod place;
pub mod poll;
pub mod registration;
pub mod send;

use std::sync::OnceLock;

use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::{Command, Receipt};
use patchbay_sdk::{CommandKind, Connector, Failure, Page, Reply, Request, host};
use serde_json::Value;

use crate::config::Config;
use crate::hub::Host;

/// The connector.
pub struct Telegram;

impl Connector for Telegram {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend, CommandKind::WebhookSet, CommandKind::WebhookRemove];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        let event = map::event(request.node()?, config()?)?;
        Ok(Reply::ok(event.into_iter().collect()))
    }

    fn poll(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        poll::poll(&mut Host, cursor.as_deref(), limit, config()?)
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::MessageSend(message) => deliver::deliver(&mut Host, &command.idempotency_key, &message),
            CommandBody::WebhookSet(wanted) => registration::set(&mut Host, &wanted),
            CommandBody::WebhookRemove(gone) => registration::remove(&mut Host, &gone),
            other => Err(Failure::never("telegram.command", format!("a bot cannot do `{}`", other.kind()))),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(&mut Host, config()?)
    }
}

fn config() -> Result<Config, Failure> {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    host::settings_once(&CONFIG, Config::read)
}
