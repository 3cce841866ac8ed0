//! "Does this connection work?"

use patchbay_sdk::Failure;
use patchbay_sdk::socket::Socket;
use serde_json::{Value, json};

use crate::config::Config;
use crate::imap::Session;
use crate::smtp;

const TIMEOUT_MS: u32 = 15_000;

/// Logs in at each server that is set; sends and changes nothing.
pub fn check(config: &Config) -> Result<Value, Failure> {
    let mut found = json!({ "address": config.address });
    if config.has_imap {
        let mut session = Session::open(Socket::connect("imap", TIMEOUT_MS)?, config)?;
        let here = session.select(config)?;
        session.close();
        found["imap"] = json!({ "mailbox": config.mailbox, "uid_validity": here.uid_validity, "next_uid": here.uid_next });
    }
    if config.has_smtp {
        let mut wire = Socket::connect("smtp", TIMEOUT_MS)?;
        smtp::open(&mut wire, config)?;
        smtp::close(&mut wire);
        found["smtp"] = "the server takes mail".into();
    }
    if !config.has_imap {
        found["post_to"] = "the connection's own address, raw mails as message/rfc822 with the header X-Patchbay-Token".into();
    }
    Ok(found)
}
