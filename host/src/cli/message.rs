//! `message send`

use patchbay_host::hub::Hub;
use patchbay_host::ids::ConversationId;
use patchbay_host::operations::Outgoing;
use patchbay_schemas::Author;
use patchbay_schemas::command::{Button, ButtonAction};
use serde_json::json;

use super::failure::Failure;
use super::fields::Pair;
use super::output::Out;

#[derive(clap::Subcommand)]
pub enum Messages {
    /// Send a message into a conversation; it goes out through the channel that the person used
    Send {
        /// cnv_…, as `lead show` lists them
        conversation: ConversationId,
        /// The text
        #[arg(long)]
        text: String,
        /// A button under the message, with what comes back when it is pressed
        #[arg(long = "button", value_name = "TEXT=CHOICE")]
        buttons: Vec<Pair>,
        /// The vendor's id of the message that this one answers
        #[arg(long)]
        reply_to: Option<String>,
        /// Who writes, as the timeline shows it
        #[arg(long)]
        author: Option<String>,
    },
}

impl Messages {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let Self::Send { conversation, text, buttons, reply_to, author } = self;
        let button = |it: Pair| vec![Button { text: it.name, action: ButtonAction::Choice(it.value) }];
        let message = Outgoing {
            text: Some(text),
            attachment: None,
            buttons: buttons.into_iter().map(button).collect(),
            reply_to,
            author: author.map(|name| Author { id: None, name: Some(name) }),
        };
        let id = hub.send_message(hub.workspace.id, conversation, message).await?;
        out.answer(&json!({ "id": id, "state": "pending" }), || format!("{id} waits to be sent\n"))?;
        if !out.json {
            out.note("a running hub sends it at once; `patchbay dead list` shows it if it cannot be delivered");
        }
        Ok(())
    }
}
