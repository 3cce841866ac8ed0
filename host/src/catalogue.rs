//! The connectors that are installed: the `.wasm` files of one folder.

pub(crate) mod in_use;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use self::in_use::InUse;
pub use self::in_use::Waiting;
use crate::plugin::{Artifact, ArtifactError, Connector, LoadError, Runtime};

/// The connectors that are installed.
pub struct Catalogue {
    folder: PathBuf,
    in_use: InUse,
    runtime: Runtime,
    /// Compiled so far, by the digest of the `.wasm`.
    loaded: Mutex<HashMap<[u8; 32], Arc<Connector>>>,
}

/// The version of a connector that a hub begins with.
pub struct Beginning<T> {
    /// The version.
    pub version: T,
    /// Whether it is kept for the next start.
    pub is_kept: bool,
    /// Whether another one lies in its place that is to be tried.
    pub another_waits: bool,
}

/// What tells another file from the one that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: std::time::SystemTime,
}

/// Why a connector cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The folder or a file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What runs cannot be kept for the next start.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What lies there was turned away, and there is nothing else to run.
    #[error("the version {} of the connector `{id}` is not taken ({}), and the one that ran before cannot be read", refused.read_by, refused.reason)]
    Refused {
        /// The connector.
        id: String,
        /// The version, and why it is not taken.
        refused: Waiting,
    },
    /// A file is no connector.
    #[error("{}: {source}", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ArtifactError,
    },
    /// A connector cannot be compiled or linked.
    #[error("the connector `{id}` cannot be loaded: {source}")]
    Load {
        /// Its id.
        id: String,
        /// Why.
        source: LoadError,
    },
    /// No such connector is installed.
    #[error("there is no connector `{id}` in {} (installed: {installed})", folder.display())]
    Unknown {
        /// What was asked for.
        id: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// What is there.
        installed: String,
    },
}

impl Catalogue {
    /// The connectors in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, runtime: Runtime) -> Self {
        Self { in_use: InUse::new(&folder), folder, runtime, loaded: Mutex::default() }
    }

    /// Every `.wasm` of the folder by its connector's id, read but not compiled; files that are none are told apart.
    pub fn list(&self) -> Result<(BTreeMap<String, Artifact>, Vec<CatalogueError>), CatalogueError> {
        let (mut found, mut broken) = (BTreeMap::new(), Vec::new());
        let failed = |source| CatalogueError::Read { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((found, broken)),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|it| it == "wasm") {
                match read(&path) {
                    Ok(artifact) => drop(found.insert(artifact.manifest.id.clone(), artifact)),
                    Err(error) => broken.push(error),
                }
            }
        }
        Ok((found, broken))
    }

    /// The connector that lies in the folder, by its id, read but not compiled. It need not be the version that runs.
    pub fn installed(&self, id: &str) -> Result<Artifact, CatalogueError> {
        // The usual file name first, so that others need not be read.
        if let Some(artifact) = read(&self.usual(id)).ok().filter(|it| it.manifest.id == id) {
            return Ok(artifact);
        }
        let (mut found, _) = self.list()?;
        let installed = found.keys().cloned().collect::<Vec<_>>().join(", ");
        found.remove(id).ok_or_else(|| CatalogueError::Unknown { id: id.to_owned(), folder: self.folder.clone(), installed })
    }

    /// A connector by its id, read but not compiled: what lies in the folder, or the version that runs where a hub turned that away.
    pub fn artifact(&self, id: &str) -> Result<Artifact, CatalogueError> {
        let installed = self.installed(id)?;
        if self.in_use.refusal(id, &installed.digest).is_none() || self.is_accepted(id, &installed.digest) {
            return Ok(installed);
        }
        Ok(self.in_use.get(id).unwrap_or(installed))
    }

    /// The version that a hub begins with: what lies in the folder, unless another one ran before and nobody accepted this one.
    pub fn at_start(&self, id: &str) -> Result<Beginning<Artifact>, CatalogueError> {
        let installed = self.installed(id);
        // Who takes a connector away wants it gone; a file that is none changes nothing.
        let former = if self.stamp(id).is_some() { self.in_use.get(id) } else { None };
        match (former, installed) {
            (former, Ok(installed)) if self.is_accepted(id, &installed.digest) => {
                let is_kept = former.is_some_and(|it| it.digest == installed.digest);
                Ok(Beginning { version: installed, is_kept, another_waits: false })
            }
            (Some(former), installed) => {
                let another_waits = installed.is_ok_and(|it| it.digest != former.digest);
                Ok(Beginning { version: former, is_kept: true, another_waits })
            }
            (None, installed) => {
                let installed = installed?;
                match self.in_use.refusal(id, &installed.digest) {
                    Some(refused) => Err(CatalogueError::Refused { id: id.to_owned(), refused }),
                    None => Ok(Beginning { version: installed, is_kept: false, another_waits: false }),
                }
            }
        }
    }

    /// The version that a hub begins with, compiled and linked.
    pub async fn connector_at_start(&self, id: &str) -> Result<Beginning<Arc<Connector>>, CatalogueError> {
        let Beginning { version, is_kept, another_waits } = self.at_start(id)?;
        Ok(Beginning { version: self.load(version).await?, is_kept, another_waits })
    }

    /// The version that runs, and how the one that lies in the folder waits where that is another.
    #[must_use]
    pub fn standing(&self, installed: Artifact) -> (Artifact, Option<Waiting>) {
        let (id, digest) = (&installed.manifest.id, &installed.digest);
        if self.is_accepted(id, digest) {
            return (installed, None);
        }
        match self.in_use.get(id).filter(|it| it.digest != *digest) {
            Some(running) => {
                let waiting = self.in_use.waiting(&installed);
                (running, Some(waiting))
            }
            None => (installed, None),
        }
    }

    /// The connector of the folder, compiled and linked.
    pub async fn connector(&self, id: &str) -> Result<Arc<Connector>, CatalogueError> {
        self.load(self.installed(id)?).await
    }

    /// A connector from any file, compiled and linked. Nobody waits for it but who asks.
    pub async fn load(&self, artifact: Artifact) -> Result<Arc<Connector>, CatalogueError> {
        if let Some(connector) = self.loaded.lock().await.get(&artifact.digest) {
            return Ok(Arc::clone(connector));
        }
        let (id, digest) = (artifact.manifest.id.clone(), artifact.digest);
        let connector = self.runtime.load(artifact).await.map_err(|source| CatalogueError::Load { id, source })?;
        // Two may have compiled it at once: the first one stays.
        Ok(Arc::clone(self.loaded.lock().await.entry(digest).or_insert_with(|| Arc::new(connector))))
    }

    /// What tells another file in the place of a connector, without reading it. None: there is no file of the usual name.
    #[must_use]
    pub fn stamp(&self, id: &str) -> Option<Stamp> {
        let file = std::fs::metadata(self.usual(id)).ok()?;
        Some(Stamp { length: file.len(), modified: file.modified().ok()? })
    }
}

impl Catalogue {
    /// True where somebody who saw what changes put this very version there: `connector install`, `upgrade` or `rollback`.
    #[must_use]
    pub fn is_accepted(&self, id: &str, digest: &[u8; 32]) -> bool {
        crate::shelf::is_accepted(&self.usual(id), digest)
    }

    /// Keeps a version that was let in, so that the next start goes on with it.
    pub fn keep_in_use(&self, id: &str, digest: &[u8; 32]) -> Result<(), CatalogueError> {
        self.in_use.put(&self.usual(id), digest)
    }

    /// Forgets the versions in use of all connectors but these.
    pub fn forget_unused(&self, ids: &BTreeSet<&str>) -> Result<(), CatalogueError> {
        self.in_use.forget_others(ids)
    }

    /// How the version in the folder waits that was turned away before; none: it was not, or somebody accepted it since.
    #[must_use]
    pub fn still_refused(&self, id: &str) -> Option<Waiting> {
        let refused = self.in_use.last_refusal(id)?;
        let installed = self.installed(id).ok()?;
        let holds = refused.read_by.digest == hex::encode(installed.digest) && !self.is_accepted(id, &installed.digest);
        holds.then_some(refused)
    }

    /// Remembers, also over a restart, that a version was turned away.
    pub fn refuse(&self, id: &str, refused: &Waiting) -> Result<(), CatalogueError> {
        self.in_use.refuse(id, refused)
    }

    /// Forgets that a version of this connector was turned away: its file is gone.
    pub fn forget_refusal(&self, id: &str) -> Result<(), CatalogueError> {
        self.in_use.allow(id)
    }

    fn usual(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.wasm"))
    }
}

/// Reads one `.wasm`.
pub fn read(path: &Path) -> Result<Artifact, CatalogueError> {
    let wasm = std::fs::read(path).map_err(|source| CatalogueError::Read { path: path.to_owned(), source })?;
    Artifact::read(wasm).map_err(|source| CatalogueError::Artifact { path: path.to_owned(), source })
}
