//! `connector install`, `connector upgrade`, `connector rollback`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use patchbay_host::config::Config;
use patchbay_host::package::{Package, Trust};
use patchbay_host::plugin::Artifact;
use patchbay_host::shelf::{Shelf, ShelfError};
use serde_json::{Value, json};

use super::permissions;
use crate::cli::failure::{Exit, Failure};
use crate::cli::files::{Here, ScratchCache};
use crate::cli::output::{Out, complain, confirm};

/// Install a connector from a package or a .wasm
///
/// Who signed it must be named under [install.publishers] in patchbay.toml; what nobody signed is installed only where
/// `install.unsigned = true` stands there.
#[derive(clap::Args)]
pub struct Install {
    /// The package (.patchbay) or the .wasm
    file: PathBuf,
}

/// Replace an installed connector by another version, after showing what more it may do
#[derive(clap::Args)]
pub struct Upgrade {
    /// The package (.patchbay) or the .wasm
    file: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Go back to the version of a connector that the last upgrade replaced; a second time takes it back
#[derive(clap::Args)]
pub struct Rollback {
    /// The connector's id
    connector: String,
}

impl Install {
    pub async fn run(&self, here: &Here) -> Result<(), Failure> {
        let config = here.config()?;
        let package = read(&self.file)?;
        let by = trusted(&package, &config)?;
        let id = package.artifact.manifest.id.clone();
        let shelf = Shelf::new(config.connectors.clone());
        if let Some(there) = shelf.installed(&id)? {
            return Err(Failure::new(Exit::Refused, format!("`{id}` {} is installed already", there.artifact.manifest.version))
                .help(format!("`patchbay connector upgrade {}` replaces it and shows what changes", self.file.display())));
        }
        loads(&config, &package.artifact).await?;
        shelf.put(&package)?;
        tell(here.out, "installed", &package.artifact, None, by.as_deref())
    }
}

impl Upgrade {
    pub async fn run(&self, here: &Here) -> Result<(), Failure> {
        let config = here.config()?;
        let package = read(&self.file)?;
        let by = trusted(&package, &config)?;
        let id = package.artifact.manifest.id.clone();
        let shelf = Shelf::new(config.connectors.clone());
        let there = shelf.installed(&id)?.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("`{id}` is not installed in {}", config.connectors.display()))
                .help(format!("`patchbay connector install {}` installs it", self.file.display()))
        })?;
        if there.artifact.digest == package.artifact.digest {
            here.out.note("this very file is installed already");
            return tell(here.out, "installed", &package.artifact, None, by.as_deref());
        }
        loads(&config, &package.artifact).await?;
        let change = Change::between(&there.artifact, &package.artifact);
        complain(&change.text());
        if !self.yes && !confirm(&format!("Replace {id} {} by {}?", change.from, change.to))? {
            return Err(Failure::new(Exit::Refused, "nothing was replaced").help("--yes replaces it without asking"));
        }
        shelf.put(&package)?;
        tell(here.out, "upgraded", &package.artifact, Some(&change), by.as_deref())
    }
}

impl Rollback {
    pub fn run(&self, here: &Here) -> Result<(), Failure> {
        let config = here.config()?;
        let shelf = Shelf::new(config.connectors);
        let before = shelf.installed(&self.connector)?;
        let package = shelf.take_back(&self.connector)?;
        let change = before.map(|it| Change::between(&it.artifact, &package.artifact));
        if let Some(change) = &change {
            complain(&change.text());
        }
        let by = package.signature.as_ref().map(|it| it.publisher.as_str());
        tell(here.out, "rolled back", &package.artifact, change.as_ref(), by)
    }
}

/// What another version of a connector may do and could not, and the other way round.
struct Change {
    id: String,
    from: String,
    to: String,
    more: Vec<String>,
    less: Vec<String>,
    /// Properties of the configuration that are due now.
    due: Vec<String>,
}

impl Change {
    fn between(old: &Artifact, new: &Artifact) -> Self {
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
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("{} {} → {}", self.id, self.from, self.to)];
        lines.extend(self.more.iter().map(|it| format!("  + may {it}")));
        lines.extend(self.less.iter().map(|it| format!("  - may no longer {it}")));
        if self.more.is_empty() && self.less.is_empty() {
            lines.push("  it may do what it could do before, no more and no less".to_owned());
        }
        lines.extend(self.due.iter().map(|it| format!("  ! its connections need `{it}` now: patchbay connection update")));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        json!({ "from": self.from, "to": self.to, "more": self.more, "less": self.less, "due": self.due })
    }
}

/// Reads a package or a component.
pub fn read(path: &Path) -> Result<Package, Failure> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure { exit: Exit::NotFound, ..Failure::io(path.display(), &error) },
        _ => Failure::io(path.display(), &error),
    })?;
    Ok(Package::read(bytes)?)
}

/// Who signed it, where that is enough; none: nobody did, and the configuration says that this is enough.
fn trusted(package: &Package, config: &Config) -> Result<Option<String>, Failure> {
    let install = &config.install;
    let own_risk = "or set `install.unsigned = true` there, which lets anything in";
    match package.trust(&install.publishers) {
        Trust::Trusted(name) => Ok(Some(name)),
        Trust::Unsigned | Trust::Unknown(_) if install.unsigned => Ok(None),
        Trust::Unsigned => Err(Failure::new(Exit::Unsigned, "nobody signed it, and patchbay.toml does not allow that")
            .help(format!("have it packaged with a key (`patchbay connector package --key`) that patchbay.toml names, {own_risk}"))),
        Trust::Unknown(signature) => {
            Err(Failure::new(Exit::Unsigned, format!("it is signed by `{}`, whom patchbay.toml does not name", signature.publisher)).help(
                format!(
                    "if this is their key, write `{} = \"{}\"` under [install.publishers], {own_risk}",
                    signature.publisher, signature.key
                ),
            ))
        }
        // Never enough: this is what a forger would do.
        Trust::OtherKey(signature) => Err(Failure::new(
            Exit::Unsigned,
            format!("it calls itself `{}`, but is signed with another key than patchbay.toml has for that name", signature.publisher),
        )
        .help("ask the publisher whether the key changed before you write the new one into [install.publishers]")),
    }
}

/// It must compile and link here before it replaces anything.
async fn loads(config: &Config, artifact: &Artifact) -> Result<(), Failure> {
    let scratch = ScratchCache::find(config);
    let catalogue = Here::catalogue(config, scratch.cache.clone())?;
    catalogue.load(artifact.clone()).await?;
    Ok(())
}

fn tell(out: Out, what: &str, artifact: &Artifact, change: Option<&Change>, by: Option<&str>) -> Result<(), Failure> {
    let manifest = &artifact.manifest;
    let json = BTreeMap::from([
        ("id", json!(manifest.id)),
        ("version", json!(manifest.version)),
        ("publisher", json!(by)),
        ("change", change.map(Change::json).unwrap_or_default()),
    ]);
    out.answer(&json, || {
        let signed = by.map_or_else(|| "not signed".to_owned(), |it| format!("signed by {it}"));
        format!(
            "{what} {} {} ({signed}); a hub that runs takes it at its next start\nNext: patchbay connection add {}\n",
            manifest.id, manifest.version, manifest.id
        )
    })
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::NothingBehind(_) => Self::new(Exit::Refused, error.to_string()),
            ShelfError::Package { path, source } => {
                let failure = Self::from(source);
                Self { what: format!("{}: {}", path.display(), failure.what), ..failure }
            }
            ShelfError::File { .. } => Self::new(Exit::Unexpected, error.to_string()),
        }
    }
}
