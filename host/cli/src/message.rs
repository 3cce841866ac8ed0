//! `message send`

use patchbay_schemas::command::{Button, ButtonAction};
use patchbay_schemas::{Attachment, AttachmentKind, Author, Extra};
use serde_json::json;

use super::failure::Failure;
use super::fields::Pair;
use super::output::Out;
use patchbay_host::hub::Hub;
use patchbay_host::ids::ConversationId;
use patchbay_host::operations::Outgoing;

#[derive(clap::Subcommand)]
pub enum Messages {
    /// Send a message into a conversation; it goes out through the channel that the person used
    Send {
        /// cnv_…, as `lead show` lists them
        conversation: ConversationId,
        /// The text, or what stands under the file
        #[arg(long, required_unless_present = "file")]
        text: Option<String>,
        /// A file that goes along: its address, from which the vendor fetches it (for a mail, the hub)
        #[arg(long, value_name = "URL")]
        file: Option<String>,
        /// What the file is called [default: as its address ends]
        #[arg(long, value_name = "NAME", requires = "file")]
        file_name: Option<String>,
        /// A button under the message, with what comes back when it is pressed
        #[arg(long = "button", value_name = "TEXT=CHOICE")]
        buttons: Vec<Pair>,
        /// The vendor's id of the message that this one answers
        #[arg(long)]
        reply_to: Option<String>,
        /// Who writes, as the timeline shows it
        #[arg(long)]
        author: Option<String>,
        /// A key of your own: the same message with the same key is sent once, however often this is run
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
}

impl Messages {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let Self::Send { conversation, text, file, file_name, buttons, reply_to, author, idempotency_key } = self;
        let button = |it: Pair| vec![Button { text: it.name, action: ButtonAction::Choice(it.value) }];
        let message = Outgoing {
            text,
            attachment: file.map(|url| document(url, file_name)),
            buttons: buttons.into_iter().map(button).collect(),
            reply_to,
            author: author.map(|name| Author { id: None, name: Some(name) }),
        };
        let id = hub.send_message(hub.workspace.id, conversation, message, idempotency_key.map(|it| format!("cli:{it}"))).await?;
        out.answer(&json!({ "id": id, "state": "pending" }), || format!("{id} waits to be sent\n"))?;
        if !out.json {
            out.note("a running hub sends it at once; `patchbay dead list` shows it if it cannot be delivered");
        }
        Ok(())
    }
}

fn document(url: String, name: Option<String>) -> Attachment {
    let kind = AttachmentKind::Document;
    Attachment { kind, reference: None, url: Some(url), name, mime: None, size: None, extra: Extra::default() }
}
