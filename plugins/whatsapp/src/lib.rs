#![doc = include_str!("../README.md")]

pub mod answer;
pub mod call;
pub mod challenge;
pub mod check;
pub mod config;
pub mod content;
pub mod deliver;
pub mod hub;
pub mod interactive;
pub mod line;
pub mod map;
pub mod media;
pub mod message;
pub mod notice;
pub mod people;
pub mod place;
pub mod registration;
pub mod send;
pub mod status;
pub mod window;

use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::{Command, Receipt};
use patchbay_sdk::{CommandKind, Connector, Failure, Reply, Request, host};
use serde_json::Value;

use crate::config::Config;
use crate::hub::{Host, Hub as _};

/// The connector.
pub struct WhatsApp;

impl Connector for WhatsApp {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend, CommandKind::WebhookSet, CommandKind::WebhookRemove];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        if request.method == "GET" {
            return challenge::answer(&request.query);
        }
        let delivery = map::delivery(request.node()?, &config()?)?;
        for fault in &delivery.faults {
            Host.warn("Meta reports an error of its own", fault);
        }
        window::heard(&mut Host, &delivery.heard)?;
        Ok(Reply::ok(delivery.events))
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::MessageSend(message) => deliver::deliver(&mut Host, &config()?, &command.idempotency_key, &message),
            CommandBody::WebhookSet(wanted) => registration::set(&mut Host, &config()?, &wanted),
            CommandBody::WebhookRemove(gone) => registration::remove(&mut Host, &config()?, &gone),
            other => Err(Failure::never("whatsapp.command", ["WhatsApp cannot do `", other.kind(), "`"].concat())),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(&mut Host, &config()?)
    }
}

fn config() -> Result<Config, Failure> {
    host::settings(|it| Ok(Config::read(it)))
}
