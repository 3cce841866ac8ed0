//! `connector install`, `connector rollback`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::upgrade::Change;
use crate::failure::{Exit, Failure};
use crate::files::{Here, ScratchCache};
use crate::output::{Out, complain};
use patchbay_host::config::Config;
use patchbay_host::package::{Package, Trust};
use patchbay_host::plugin::Artifact;
use patchbay_host::shelf::{Shelf, ShelfError};

/// Install a connector from a package or a .wasm
///
/// Who signed it must be named under [install.publishers] in patchbay.toml; what nobody signed is installed only where
/// `install.unsigned = true` stands there.
#[derive(clap::Args)]
pub struct Install {
    /// The package (.patchbay) or the .wasm
    file: PathBuf,
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

impl Rollback {
    pub fn run(&self, here: &Here) -> Result<(), Failure> {
        let config = here.config()?;
        let shelf = Shelf::new(config.connectors);
        let before = shelf.current(&self.connector)?;
        let package = shelf.take_back(&self.connector)?;
        let change = before.map(|it| Change::between(&it.artifact, &package.artifact));
        if let Some(change) = &change {
            complain(&change.text());
        }
        let by = package.signature.as_ref().map(|it| it.publisher.as_str());
        tell(here.out, "rolled back", &package.artifact, change.as_ref(), by)
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
pub(super) fn trusted(package: &Package, config: &Config) -> Result<Option<String>, Failure> {
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
pub(super) async fn loads(config: &Config, artifact: &Artifact) -> Result<(), Failure> {
    let scratch = ScratchCache::find(config);
    let catalogue = Here::catalogue(config, scratch.cache.clone())?;
    catalogue.load(artifact.clone()).await?;
    Ok(())
}

pub(super) fn tell(out: Out, what: &str, artifact: &Artifact, change: Option<&Change>, by: Option<&str>) -> Result<(), Failure> {
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
            "{what} {} {} ({signed}); a hub that runs takes it within seconds\nNext: patchbay connection add {}\n",
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
