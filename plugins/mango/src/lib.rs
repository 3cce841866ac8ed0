#![doc = include_str!("../README.md")]

pub mod answer;
pub mod check;
pub mod config;
pub mod deliver;
pub mod hub;
pub mod leg;
pub mod map;
pub mod notice;
pub mod party;
pub mod report;
pub mod send;
pub mod story;
pub mod summary;

use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::{Command, Receipt};
use patchbay_sdk::{CommandKind, Connector, Failure, Reply, Request, host};
use serde_json::Value;

use crate::config::Config;
use crate::hub::Host;

/// The connector.
pub struct Mango;

impl Connector for Mango {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::MessageSend, CommandKind::CallStart];

    fn webhook(request: Request) -> Result<Reply, Failure> {
        let event = map::event(&mut Host, &config()?, &request.path, &request.body)?;
        Ok(Reply::ok(event.into_iter().collect()))
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::MessageSend(message) => {
                deliver::deliver(&mut Host, &command.idempotency_key, send::message(&config()?, &message)?)
            }
            CommandBody::CallStart(call) => deliver::deliver(&mut Host, &command.idempotency_key, send::call(&config()?, &call)?),
            other => Err(Failure::never("mango.command", ["a PBX cannot do `", other.kind(), "`"].concat())),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(&mut Host)
    }
}

fn config() -> Result<Config, Failure> {
    host::settings(|it| Ok(Config::read(it)))
}
