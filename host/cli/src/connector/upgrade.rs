//! `connector upgrade`: another version in the place of the installed one, after what changes was shown.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{install, permissions};
use crate::failure::{Exit, Failure};
use crate::files::Here;
use crate::output::{clean, complain, confirm};
use crate::view::{differences, tally};
use patchbay_host::catalogue::CatalogueError;
use patchbay_host::config::Config;
use patchbay_host::hub::Hub;
use patchbay_host::plugin::Artifact;
use patchbay_host::shadow::Seen;
use patchbay_host::shelf::Shelf;
use patchbay_host::store::connections::{Connection, ConnectionState};

/// Replace an installed connector by another version, after showing what more it may do and what it reads differently
///
/// The new version reads the last deliveries of each connection beside the old one, without a network and without leaving anything behind.
/// Where events would be gone or it breaks, --yes is not enough: the exit code is 7, and --accept-loss goes on all the same.
#[derive(clap::Args)]
pub struct Upgrade {
    /// The package (.patchbay) or the .wasm
    file: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// With --yes: also where events would be gone, or the new version breaks on what the old one reads
    #[arg(long, requires = "yes")]
    accept_loss: bool,
    /// How many of the last deliveries of each connection both versions read; 0: none [default: install.shadow of patchbay.toml]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    shadow: Option<u32>,
}

impl Upgrade {
    pub async fn run(&self, here: &Here) -> Result<(), Failure> {
        let config = here.config()?;
        let package = install::read(&self.file)?;
        let by = install::trusted(&package, &config)?;
        let id = package.artifact.manifest.id.clone();
        let shelf = Shelf::new(config.connectors.clone());
        let there = shelf.current(&id)?.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("`{id}` is not installed in {}", config.connectors.display()))
                .help(format!("`patchbay connector install {}` installs it", self.file.display()))
        })?;
        if there.artifact.digest == package.artifact.digest {
            // Whatever waits in its place is no longer wanted.
            shelf.exchange(&package)?;
            here.out.note("this very file is installed already");
            return install::tell(here.out, "installed", &package.artifact, None, by.as_deref());
        }
        install::loads(&config, &package.artifact).await?;
        let mut change = Change::between(&there.artifact, &package.artifact);
        change.shadows = self.shadows(here, &config, &there.artifact, &package.artifact).await?;
        complain(&change.text());
        self.confirm(&change)?;
        shelf.put(&package)?;
        install::tell(here.out, "upgraded", &package.artifact, Some(&change), by.as_deref())
    }

    /// What differs in the connections of the hub, where there is one and anything is to be read.
    async fn shadows(&self, here: &Here, config: &Config, old: &Artifact, new: &Artifact) -> Result<Vec<(Connection, Seen)>, Failure> {
        let most = self.shadow.unwrap_or(config.install.shadow);
        // A command that looks must not set up a hub.
        let missing = config.database.strip_prefix("sqlite:").is_some_and(|it| !Path::new(it).exists());
        if most == 0 || missing {
            return Ok(Vec::new());
        }
        let mut shadows = Vec::new();
        here.with_hub(async |hub| {
            shadows = run(hub, old, new, most).await?;
            Ok(())
        })
        .await?;
        Ok(shadows)
    }

    fn confirm(&self, change: &Change) -> Result<(), Failure> {
        let question = format!("Replace {} {} by {}?", change.id, change.from, change.to);
        if self.yes && (self.accept_loss || !change.loses()) || !self.yes && confirm(&question)? {
            return Ok(());
        }
        Err(if change.loses() {
            Failure::new(Exit::Violated, "nothing was replaced: the new version does not read all that the installed one reads")
                .help("--yes --accept-loss replaces it all the same; `patchbay connector rollback` takes it back")
        } else {
            Failure::new(Exit::Refused, "nothing was replaced").help("--yes replaces it without asking")
        })
    }
}

/// Both versions side by side in each connection.
async fn run(hub: &Hub, old: &Artifact, new: &Artifact, most: u32) -> Result<Vec<(Connection, Seen)>, Failure> {
    let (old, new) = (load(hub, old).await?, load(hub, new).await?);
    let mut shadows = Vec::new();
    let all = hub.store.all_connections().await?;
    for connection in all.into_iter().filter(|it| it.connector == old.manifest.id && it.state != ConnectionState::Removed) {
        let seen = hub.registry.shadow(&connection, &old, &new, most).await?;
        shadows.push((connection, seen));
    }
    Ok(shadows)
}

async fn load(hub: &Hub, artifact: &Artifact) -> Result<std::sync::Arc<patchbay_host::plugin::Connector>, CatalogueError> {
    hub.catalogue.load(artifact.clone()).await
}

/// What another version of a connector may do and could not, and the other way round.
pub struct Change {
    id: String,
    from: String,
    to: String,
    more: Vec<String>,
    less: Vec<String>,
    /// Properties of the configuration that are due now.
    due: Vec<String>,
    /// What it reads differently, connection by connection.
    shadows: Vec<(Connection, Seen)>,
}

impl Change {
    pub fn between(old: &Artifact, new: &Artifact) -> Self {
        let (before, after) = (permissions::of(old), permissions::of(new));
        let told = |it: &permissions::Permission| it.to_string();
        let required = |it: &Artifact| -> Vec<String> {
            let required = it.manifest.config.get("required").and_then(Value::as_array);
            required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let had = required(old);
        Self {
            id: new.manifest.id.clone(),
            from: old.manifest.version.clone(),
            to: new.manifest.version.clone(),
            more: after.difference(&before).map(told).collect(),
            less: before.difference(&after).map(told).collect(),
            due: required(new).into_iter().filter(|it| !had.contains(it)).collect(),
            shadows: Vec::new(),
        }
    }

    pub fn text(&self) -> String {
        let mut lines = vec![format!("{} {} → {}", self.id, self.from, self.to)];
        lines.extend(self.more.iter().map(|it| format!("  + may {it}")));
        lines.extend(self.less.iter().map(|it| format!("  - may no longer {it}")));
        if self.more.is_empty() && self.less.is_empty() {
            lines.push("  it may do what it could do before, no more and no less".to_owned());
        }
        lines.extend(self.due.iter().map(|it| format!("  ! its connections need `{it}` now: patchbay connection update")));
        for (connection, seen) in &self.shadows {
            let broken = if seen.broken == 0 { String::new() } else { format!(", {} BROKEN by it", seen.broken) };
            lines.push(format!("  ~ `{}` ({}), {}{broken}", clean(&connection.name), connection.id, tally(&seen.tally)));
            if !seen.differences.is_empty() {
                lines.push(differences(&seen.differences).indented().indented().text().trim_end().to_owned());
            }
        }
        lines.join("\n")
    }

    /// True where something that is read now would not be read any more.
    fn loses(&self) -> bool {
        self.shadows.iter().any(|(_, seen)| seen.loses())
    }

    pub fn json(&self) -> Value {
        let shadow = |(connection, seen): &(Connection, Seen)| {
            let mut json = serde_json::to_value(seen).unwrap_or_default();
            json["connection"] = json!(connection.id);
            json
        };
        let shadows: Vec<Value> = self.shadows.iter().map(shadow).collect();
        json!({ "from": self.from, "to": self.to, "more": self.more, "less": self.less, "due": self.due, "shadows": shadows })
    }
}
