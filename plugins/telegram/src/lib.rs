//! Telegram bots.

use patchbay_sdk::{Connector, Failure, Reply, Request};

struct Telegram;

impl Connector for Telegram {
    fn webhook(request: Request) -> Result<Reply, Failure> {
        let update: serde_json::Value = request.json()?;
        let _ = update;
        Ok(Reply::ok(Vec::new()))
    }
}

patchbay_sdk::register!(Telegram: webhook);
