//! `connector release`: ends a quarantine before its time.

use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::files::Here;

/// End the quarantine of a connector that trapped or ran into its limits again and again, in all its connections
///
/// Without it the quarantine ends by itself, when one call that is let through after its time ends as it should, and with another version.
#[derive(clap::Args)]
pub struct Release {
    /// The connector's id
    connector: String,
}

impl Release {
    pub async fn run(&self, here: &Here) -> Result<(), Failure> {
        let id = &self.connector;
        here.with_hub(async |hub| {
            let released = hub.store.release_connector(hub.workspace.id, id).await?;
            if released == 0 {
                return Err(Failure::new(Exit::Refused, format!("`{id}` is not in quarantine in any connection"))
                    .help("`patchbay connection show <connection>` shows what holds a connection up"));
            }
            here.out.answer(&json!({ "connector": id, "connections": released }), || {
                format!("released {id} in {released} connection(s)\nNext: patchbay dead redrive --code connector.quarantined\n")
            })
        })
        .await
    }
}
