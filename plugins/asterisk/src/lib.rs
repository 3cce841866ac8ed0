#![doc = include_str!("../README.md")]

pub mod ami;
pub mod ari;
pub mod book;
pub mod call;
pub mod check;
pub mod config;
pub mod hub;
pub mod map;
pub mod opened;
pub mod party;
pub mod report;
pub mod step;
pub mod story;

use patchbay_sdk::schemas::command::CommandBody;
use patchbay_sdk::schemas::{Command, Receipt};
use patchbay_sdk::{CommandKind, Connector, Failure, Frames, Target, host};
use serde_json::Value;

use crate::config::{Config, Interface};
use crate::hub::Host;

/// The connector.
pub struct Asterisk;

impl Connector for Asterisk {
    const COMMANDS: &'static [CommandKind] = &[CommandKind::CallStart];

    fn stream_choose() -> Result<Target, Failure> {
        let config = config()?;
        Ok(match config.interface {
            Interface::Ari => Target { endpoint: "ari".to_owned(), path_and_query: ari::events_path(&config.app) },
            Interface::Ami => Target { endpoint: "pbx".to_owned(), path_and_query: String::new() },
        })
    }

    fn stream_opened() -> Result<Frames, Failure> {
        opened::opened(&mut Host, &config()?)
    }

    fn stream_received(frames: Vec<Vec<u8>>) -> Result<Frames, Failure> {
        map::frames(&mut Host, &config()?, &frames)
    }

    fn execute(command: Command) -> Result<Receipt, Failure> {
        match command.body {
            CommandBody::CallStart(call) => call::start(&mut Host, &config()?, &command.idempotency_key, &call),
            other => Err(Failure::never("asterisk.command", ["a PBX cannot do `", other.kind(), "`"].concat())),
        }
    }

    fn check() -> Result<Value, Failure> {
        check::check(&mut Host, &config()?)
    }
}

fn config() -> Result<Config, Failure> {
    host::settings(|it| Ok(Config::read(it)))
}
