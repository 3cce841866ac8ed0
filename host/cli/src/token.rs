//! `token create`, `token list`, `token revoke`

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use patchbay_host::clock::timestamp;
use patchbay_host::hub::Hub;
use patchbay_host::ids::TokenId;

#[derive(clap::Subcommand)]
pub enum Tokens {
    /// Make a token; it is shown once and not kept
    Create {
        /// What it is for, as the list shows it
        name: String,
    },
    /// List the tokens, without the tokens themselves
    List,
    /// Make a token worthless
    Revoke {
        /// tok_…
        id: TokenId,
    },
}

impl Tokens {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let workspace = hub.workspace.id;
        match self {
            Self::Create { name } => {
                let name = name.trim();
                if name.is_empty() {
                    return Err(Failure::new(Exit::Usage, "a token needs a name that says what it is for"));
                }
                let (id, token) = hub.store.create_token(workspace, name).await?;
                out.answer(&json!({ "id": id, "name": name, "token": token }), || format!("{token}\n"))?;
                if !out.json {
                    out.note(format!(
                        "{id} is shown this once. Use it as: curl -H \"Authorization: Bearer <token>\" {}/api/v1/leads",
                        hub.config.base_url()
                    ));
                }
                Ok(())
            }
            Self::List => {
                let tokens = hub.store.tokens(workspace).await?;
                let json: Vec<_> = tokens
                    .iter()
                    .map(|it| json!({ "id": it.id, "name": it.name, "created_at": timestamp(it.created_at), "revoked_at": it.revoked_at.map(timestamp) }))
                    .collect();
                out.answer(&json, || {
                    let mut table = Table::new(["ID", "NAME", "MADE", "REVOKED"]);
                    for it in &tokens {
                        let revoked = it.revoked_at.map(|it| time(timestamp(it))).unwrap_or_default();
                        table.row([it.id.to_string(), it.name.clone(), time(timestamp(it.created_at)), revoked]);
                    }
                    table.or("no tokens yet: `patchbay token create <name>` makes one")
                })
            }
            Self::Revoke { id } => {
                if !hub.store.revoke_token(workspace, id).await? {
                    return Err(
                        Failure::new(Exit::NotFound, format!("there is no valid token {id}")).help("`patchbay token list` lists them")
                    );
                }
                out.answer(&json!({ "id": id, "revoked": true }), || format!("{id} is revoked\n"))
            }
        }
    }
}
