//! `call start`

use patchbay_schemas::Author;
use serde_json::json;

use super::failure::Failure;
use super::output::Out;
use patchbay_host::calls::NewCall;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ConnectionId, ConversationId};

#[derive(clap::Subcommand)]
pub enum Calls {
    /// Call the person of a conversation: the phone of one of us rings, then theirs
    Start {
        /// cnv_…, as `lead show` lists them
        conversation: ConversationId,
        /// Whom to call: digits, with a plus where the country is among them (the number that the conversation is with)
        #[arg(long)]
        number: Option<String>,
        /// Whose phone rings first (as the connection is configured)
        #[arg(long)]
        extension: Option<String>,
        /// Our number that the other side sees (the telephone system decides)
        #[arg(long)]
        line: Option<String>,
        /// cxn_…: the account that the call is made by (the conversation's own)
        #[arg(long)]
        connection: Option<ConnectionId>,
        /// Who asks for it
        #[arg(long)]
        author: Option<String>,
        /// A key of your own: the same call with the same key is started once, however often this is run
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
}

impl Calls {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let Self::Start { conversation, number, extension, line, connection, author, idempotency_key } = self;
        let author = author.map(|name| Author { id: None, name: Some(name) });
        let new = NewCall { number, extension, line, connection, author };
        let id = hub.start_call(hub.workspace.id, conversation, new, idempotency_key.map(|it| format!("cli:{it}"))).await?;
        out.answer(&json!({ "id": id, "state": "pending" }), || format!("{id} waits to be started\n"))?;
        if !out.json {
            out.note("a running hub starts it at once, and gives it up after five minutes; `patchbay dead list` shows it then");
        }
        Ok(())
    }
}
