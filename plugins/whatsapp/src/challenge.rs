//! Meta's question when the callback address is set: the answer is the challenge that came along.
//!
//! The host compared `hub.verify_token` before this runs, as the manifest says:
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests>.

use patchbay_sdk::{Failure, Reply};

/// The challenge as Meta sent it.
pub fn answer(query: &str) -> Result<Reply, Failure> {
    let value = |name: &str| query.split('&').filter_map(|it| it.split_once('=')).find(|(it, _)| *it == name).map(|(_, value)| value);
    let refused = |what: &str| Failure::never("whatsapp.challenge", what);
    if value("hub.mode") != Some("subscribe") {
        return Err(refused("a GET without `hub.mode=subscribe` is not Meta's question"));
    }
    let challenge = value("hub.challenge").filter(|it| is_plain(it));
    let challenge = challenge.ok_or_else(|| refused("`hub.challenge` is missing, or it is more than letters and digits"))?;
    Ok(Reply::text(challenge, Vec::new()))
}

/// Meta sends a number. What could be a page or a script is not sent back to whoever asks.
fn is_plain(challenge: &str) -> bool {
    (1..=256).contains(&challenge.len()) && challenge.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_comes_back_as_it_was_sent() {
        let reply = answer("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=x").unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.events.len()), (200, b"1158201444".as_slice(), 0));
    }

    #[test]
    fn anything_else_is_refused() {
        for query in [
            "",
            "hub.mode=unsubscribe&hub.challenge=1",
            "hub.mode=subscribe",
            "hub.mode=subscribe&hub.challenge=%3Cscript%3E",
            "hub.mode=subscribe&hub.challenge=",
        ] {
            assert_eq!(answer(query).unwrap_err().code, "whatsapp.challenge", "{query}");
        }
    }
}
