//! The version of each connector that a hub let in, kept beside the installed ones: a restart goes on with it, whatever lies in its place by then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CatalogueError, read};
use crate::package::Package;
use crate::plugin::Artifact;
use crate::rules::ingest::ReadBy;
use crate::shelf::{self, ShelfError};

/// The folder, beside the installed connectors.
const FOLDER: &str = "in-use";
/// How a version waits that no hub has looked at.
const UNTRIED: &str = "no hub has tried it yet: one that runs does so within seconds";

/// A version that lies in the folder of connectors and does not run: another one does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Waiting {
    /// The version.
    #[serde(flatten)]
    pub read_by: ReadBy,
    /// Why it does not run.
    pub reason: String,
}

/// `in-use/<id>.wasm` with its signature, and `in-use/<id>.refused.json` where another version was turned away.
pub(super) struct InUse {
    folder: PathBuf,
}

impl InUse {
    pub(super) fn new(connectors: &Path) -> Self {
        Self { folder: connectors.join(FOLDER) }
    }

    /// What a hub let in last. None: no hub ran it, or what it kept cannot be read, which is logged.
    pub(super) fn get(&self, id: &str) -> Option<Artifact> {
        match read(&self.place(id)) {
            Ok(artifact) => Some(artifact),
            Err(CatalogueError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!(connector.id = id, error = %error, "the version of a connector that ran before cannot be read");
                None
            }
        }
    }

    /// Keeps an installed version. Where another one lies in its place by now, that one is let in or turned away by itself.
    pub(super) fn put(&self, installed: &Path, digest: &[u8; 32]) -> Result<(), CatalogueError> {
        let package = match shelf::read(installed) {
            Ok(package) => package,
            // A signature that fits another file says nothing of this one.
            Err(ShelfError::Package { .. }) => Package { artifact: read(installed)?, signature: None },
            Err(ShelfError::File { path, source }) => return Err(CatalogueError::Read { path, source }),
            Err(ShelfError::NothingBehind(_)) => return Ok(()),
        };
        let (id, kept) = (&package.artifact.manifest.id, self.place(&package.artifact.manifest.id));
        if package.artifact.digest != *digest {
            return Ok(());
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogueError::Write { path, source }
        };
        std::fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        shelf::write(&kept, &package).map_err(|error| match error {
            ShelfError::File { path, source } => CatalogueError::Write { path, source },
            other => CatalogueError::Write { path: kept.clone(), source: std::io::Error::other(other) },
        })?;
        self.allow(id)
    }

    /// Why a version was turned away. None: it was not.
    pub(super) fn refusal(&self, id: &str, digest: &[u8; 32]) -> Option<Waiting> {
        self.last_refusal(id).filter(|it| it.read_by.digest == hex::encode(digest))
    }

    /// The version of a connector that was turned away last.
    pub(super) fn last_refusal(&self, id: &str) -> Option<Waiting> {
        let text = std::fs::read(self.refusals(id)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Remembers that a version was turned away.
    pub(super) fn refuse(&self, id: &str, refused: &Waiting) -> Result<(), CatalogueError> {
        let path = self.refusals(id);
        let text = serde_json::to_vec_pretty(refused).expect("texts are JSON");
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| shelf::replace(&path, &text));
        written.map_err(|source| CatalogueError::Write { path, source })
    }

    /// Forgets what was turned away.
    pub(super) fn allow(&self, id: &str) -> Result<(), CatalogueError> {
        gone(self.refusals(id))
    }

    /// A version in the folder of connectors beside the one that a hub let in: how it waits.
    pub(super) fn waiting(&self, installed: &Artifact) -> Waiting {
        let (manifest, digest) = (&installed.manifest, &installed.digest);
        let untried = || Waiting { read_by: ReadBy::new(&manifest.version, digest), reason: UNTRIED.to_owned() };
        self.refusal(&manifest.id, digest).unwrap_or_else(untried)
    }

    /// Forgets all connectors but these: who is connected anew begins with what is installed by then.
    pub(super) fn forget_others(&self, ids: &BTreeSet<&str>) -> Result<(), CatalogueError> {
        let failed = |source| CatalogueError::Read { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            // `<id>.wasm`, `<id>.signature.toml`, `<id>.refused.json`: ids have no dots.
            let id = path.file_name().and_then(|it| it.to_str()).and_then(|it| it.split('.').next());
            if id.is_some_and(|it| !ids.contains(it)) {
                gone(path)?;
            }
        }
        Ok(())
    }

    fn place(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.wasm"))
    }

    fn refusals(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.refused.json"))
    }
}

/// The version that a hub let in last, with its signature; none: no hub ran it.
pub(crate) fn kept(connectors: &Path, id: &str) -> Result<Option<Package>, ShelfError> {
    let path = InUse::new(connectors).place(id);
    if path.is_file() { shelf::read(&path).map(Some) } else { Ok(None) }
}

fn gone(path: PathBuf) -> Result<(), CatalogueError> {
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(CatalogueError::Write { path, source }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::artifact::with_manifest;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("patchbay-in-use-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// Puts a version of the connector there: its digest.
        fn install(&self, id: &str, version: &str) -> (PathBuf, [u8; 32]) {
            let text = format!(
                "id = '{id}'\nversion = '{version}'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n"
            );
            let path = self.0.join(format!("{id}.wasm"));
            std::fs::write(&path, with_manifest(vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0], &text)).unwrap();
            let digest = read(&path).unwrap().digest;
            (path, digest)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_kept_stays_when_another_version_takes_the_file_s_place() {
        let folder = Folder::new("kept");
        let in_use = InUse::new(&folder.0);
        assert!(in_use.get("x").is_none());
        let (path, first) = folder.install("x", "1.0.0");
        in_use.put(&path, &first).unwrap();
        let (path, second) = folder.install("x", "2.0.0");
        in_use.put(&path, &first).unwrap();
        assert_eq!(in_use.get("x").unwrap().digest, first, "what was exchanged meanwhile is not what was let in");
        assert_eq!(kept(&folder.0, "x").unwrap().unwrap().artifact.manifest.version, "1.0.0");
        in_use.put(&path, &second).unwrap();
        assert_eq!(in_use.get("x").unwrap().manifest.version, "2.0.0");
    }

    #[test]
    fn a_version_is_refused_until_it_is_let_in() {
        let folder = Folder::new("refused");
        let in_use = InUse::new(&folder.0);
        let (path, digest) = folder.install("x", "1.0.0");
        let installed = read(&path).unwrap();
        assert_eq!(in_use.waiting(&installed).reason, UNTRIED);
        let refused = Waiting { read_by: ReadBy::new("1.0.0", &digest), reason: "it breaks".to_owned() };
        in_use.refuse("x", &refused).unwrap();
        assert_eq!((in_use.refusal("x", &digest), in_use.refusal("x", &[0; 32])), (Some(refused.clone()), None));
        assert_eq!(in_use.waiting(&installed), refused);
        in_use.put(&path, &digest).unwrap();
        assert_eq!(in_use.refusal("x", &digest), None);
    }

    #[test]
    fn what_no_connection_runs_is_forgotten() {
        let folder = Folder::new("forgotten");
        let in_use = InUse::new(&folder.0);
        in_use.forget_others(&BTreeSet::new()).unwrap();
        for id in ["x", "y"] {
            let (path, digest) = folder.install(id, "1.0.0");
            in_use.put(&path, &digest).unwrap();
        }
        in_use.forget_others(&BTreeSet::from(["y"])).unwrap();
        assert!(in_use.get("x").is_none() && in_use.get("y").is_some());
    }
}
