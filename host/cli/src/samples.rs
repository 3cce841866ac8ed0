//! Connections that are there to try the hub with.

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};

use super::connection::all;
use super::failure::Failure;
use patchbay_host::hub::Hub;
use patchbay_host::operations::NewConnection;
use patchbay_host::store::connections::{Connection, ConnectionState};

/// Name of the form connection that `up` makes.
const FORM: &str = "Example form";
/// Name of the bot that `demo` plays.
const BOT: &str = "Demo Telegram";

/// The first form connection; it is made where there is none. True: it was.
pub async fn form(hub: &Hub) -> Result<(Connection, bool), Failure> {
    if let Some(found) = all(hub).await?.into_iter().find(|it| it.connector == "webform") {
        return Ok((found, false));
    }
    // The names of the fields in host/example/form.html.
    let config = json!({ "honeypot": ["website"], "consent_field": "consent" });
    Ok((make(hub, "webform", FORM, &config).await?, true))
}

/// The bot that nobody but `demo` speaks for; it is made where there is none.
pub async fn bot(hub: &Hub) -> Result<Connection, Failure> {
    let there = all(hub).await?.into_iter().find(|it| it.connector == "telegram" && it.name == BOT && it.state == ConnectionState::Active);
    if let Some(found) = there {
        return Ok(found);
    }
    let config = json!({
        "mode": "webhook",
        "token": format!("{}:{}", 1_000_000_000 + number(1_000_000_000), text(35)),
        "webhook_secret": text(32),
    });
    make(hub, "telegram", BOT, &config).await
}

async fn make(hub: &Hub, connector: &str, name: &str, config: &Value) -> Result<Connection, Failure> {
    let config: Map<String, Value> = config.as_object().cloned().unwrap_or_default();
    let new = NewConnection { connector: connector.to_owned(), name: name.to_owned(), config, networks: Vec::new() };
    Ok(hub.create_connection(hub.workspace.id, new).await?)
}

/// A random number below `below`.
pub fn number(below: u64) -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).expect("the system's randomness is there");
    u64::from_le_bytes(bytes) % below
}

/// Random letters and digits.
fn text(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| usize::try_from(number(LETTERS.len() as u64)).ok().and_then(|it| LETTERS.get(it)).copied().map_or('a', char::from);
    (0..length).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_has_its_length_and_only_letters_and_digits() {
        let it = text(35);
        assert!(it.len() == 35 && it.chars().all(|it| it.is_ascii_alphanumeric()), "{it}");
        assert_ne!(it, text(35));
    }
}
