//! `key list`, `rotate`, `forget`

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{Out, Table, time};
use super::view::count;
use patchbay_host::hub::Hub;
use patchbay_host::secrets::KeyId;

#[derive(clap::Subcommand)]
pub enum Keys {
    /// Show the keys that secrets are sealed with, and which master keys open them
    List,
    /// Seal every secret anew with a new key, while hubs run; what was cut off is finished
    Rotate,
    /// Let a master key open nothing any more, once every hub has another one
    Forget {
        /// Its sixteen digits, as `key list` shows them
        master: String,
    },
}

impl Keys {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::List => list(out, hub).await,
            Self::Rotate => rotate(out, hub).await,
            Self::Forget { master } => forget(out, hub, &master).await,
        }
    }
}

async fn list(out: Out, hub: &Hub) -> Result<(), Failure> {
    let keys = hub.keys.list().await?;
    let own: Vec<String> = hub.keys.masters().iter().map(ToString::to_string).collect();
    out.answer(&json!({ "keys": keys, "masters": own }), || {
        let mut table = Table::new(["KEY", "STATE", "MADE", "SECRETS", "OPENED BY"]);
        for it in &keys {
            table.wide_row([it.id.clone(), it.state.clone(), time(it.made_at), it.secrets.to_string(), it.masters.join(", ")]);
        }
        format!("{}\nthis hub's master key is {}\n", table.text(), own.join(", before it "))
    })
}

async fn rotate(out: Out, hub: &Hub) -> Result<(), Failure> {
    let done = hub.keys.rotate(&hub.author).await?;
    let keys = hub.keys.list().await?;
    let own = hub.keys.masters();
    out.answer(&done, || {
        let what = if done.resumed { "what was begun before is finished" } else { "there is a new key" };
        format!(
            "{what}: {} sealed anew, and the former key is destroyed\n",
            count(usize::try_from(done.secrets).unwrap_or(usize::MAX), "secret")
        )
    })?;
    let other = keys.iter().flat_map(|it| &it.masters).find(|it| own.first().is_none_or(|own| own.to_string() != **it));
    if let Some(other) = other {
        out.note(format!(
            "the master key {other} still opens the new key: once every hub has the new master key, `patchbay key forget {other}`"
        ));
    }
    Ok(())
}

async fn forget(out: Out, hub: &Hub, master: &str) -> Result<(), Failure> {
    let id: KeyId = master.parse().map_err(|()| {
        Failure::new(Exit::Usage, format!("`{master}` names no master key"))
            .help("sixteen hexadecimal digits, as `patchbay key list` shows them")
    })?;
    hub.keys.forget(id).await?;
    out.answer(&json!({ "forgotten": master }), || format!("the master key {master} opens nothing any more\n"))
}
