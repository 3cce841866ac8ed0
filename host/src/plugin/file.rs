//! The file of a message that is being sent: fetched for a connector whose vendor takes bytes, from the address that the command names.

use std::time::Duration;

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::FILE;
use serde::Deserialize;

use super::bindings::exports::patchbay::connector::commands::Command;
use super::bindings::patchbay::connector::http::Response;
use super::bindings::patchbay::connector::types::Header;
use super::guest::Guest;
use super::outbound::{MAX_WAIT, OutboundError, OutboundRequest, OutboundResponse};

/// As much of a message as says where its file is.
#[derive(Deserialize)]
struct Message {
    attachment: Option<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    url: Option<String>,
}

/// Whether a request goes to a file and not to the vendor.
pub(super) fn is_file(manifest: &Manifest, endpoint: &str) -> bool {
    endpoint == FILE && manifest.commands.as_ref().is_some_and(|it| it.files)
}

/// The addresses of files that the commands name, for a connector that fetches them itself.
pub(super) fn named(manifest: &Manifest, batch: &[Command]) -> Vec<String> {
    if !manifest.commands.as_ref().is_some_and(|it| it.files) {
        return Vec::new();
    }
    let messages = batch.iter().filter(|it| it.kind == "message.send");
    messages.filter_map(|it| serde_json::from_str::<Message>(&it.payload).ok()?.attachment?.url).collect()
}

impl Guest {
    /// Fetches a file. It is no matter of the vendor's: neither its rate limits nor its health. The request carries no secret, so the answer
    /// echoes none.
    pub(super) async fn fetch(&self, request: OutboundRequest) -> Result<Response, OutboundError> {
        if request.method != "GET" || !request.headers.is_empty() || !request.body.is_empty() {
            return Err(OutboundError::File("a file is fetched by GET, without headers and without a body"));
        }
        if !self.files.contains(&request.path_and_query) {
            return Err(OutboundError::File(
                "the endpoint `file` leads to the address of the attachment that is to be sent, and to no other",
            ));
        }
        // Half of what is left of the call at most, so that there is time to send it.
        let wait: Duration = request.timeout.unwrap_or(MAX_WAIT).min(self.left() / 2);
        let OutboundResponse { status, headers, body } =
            self.surroundings.fetch(OutboundRequest { timeout: Some(wait), ..request }).await?;
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Ok(Response { status, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: bool) -> Manifest {
        let text = format!(
            "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.1'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['messenger']\n\
             [commands]\nkinds = ['message.send']\nfiles = {files}\n"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn only_who_says_so_fetches_files_and_only_those_that_messages_name() {
        let command =
            |kind: &str, payload: &str| Command { idempotency_key: "k".to_owned(), kind: kind.to_owned(), payload: payload.to_owned() };
        let batch = [
            command(
                "message.send",
                r#"{ "conversation": { "key": "1" }, "attachment": { "kind": "photo", "url": "https://a.example/1" } }"#,
            ),
            command("message.send", r#"{ "conversation": { "key": "1" }, "text": "https://a.example/2" }"#),
            command("message.send", r#"{ "attachment": { "kind": "photo", "reference": "https://a.example/3" } }"#),
            command("lead.upsert", r#"{ "attachment": { "kind": "photo", "url": "https://a.example/4" } }"#),
        ];
        assert_eq!(named(&manifest(true), &batch), ["https://a.example/1"]);
        assert_eq!(named(&manifest(false), &batch), Vec::<String>::new());
        let asks = |files: bool, endpoint: &str| is_file(&manifest(files), endpoint);
        assert_eq!([asks(true, "file"), asks(false, "file"), asks(true, "api")], [true, false, false]);
    }
}
