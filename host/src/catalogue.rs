//! The connectors that are installed: the `.wasm` files of one folder.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::plugin::{Artifact, ArtifactError, Connector, LoadError, Runtime};

/// The connectors that are installed.
pub struct Catalogue {
    folder: PathBuf,
    runtime: Runtime,
    /// Compiled so far, by the digest of the `.wasm`.
    loaded: Mutex<HashMap<[u8; 32], Arc<Connector>>>,
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
        Self { folder, runtime, loaded: Mutex::default() }
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

    /// A connector by its id, read but not compiled.
    pub fn artifact(&self, id: &str) -> Result<Artifact, CatalogueError> {
        // The usual file name first, so that others need not be read.
        let usual = self.folder.join(format!("{id}.wasm"));
        if let Some(artifact) = read(&usual).ok().filter(|it| it.manifest.id == id) {
            return Ok(artifact);
        }
        let (mut found, _) = self.list()?;
        let installed = found.keys().cloned().collect::<Vec<_>>().join(", ");
        found.remove(id).ok_or_else(|| CatalogueError::Unknown { id: id.to_owned(), folder: self.folder.clone(), installed })
    }

    /// A connector by its id, compiled and linked.
    pub async fn connector(&self, id: &str) -> Result<Arc<Connector>, CatalogueError> {
        let artifact = self.artifact(id)?;
        self.load(artifact).await
    }

    /// A connector from any file, compiled and linked.
    pub async fn load(&self, artifact: Artifact) -> Result<Arc<Connector>, CatalogueError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(connector) = loaded.get(&artifact.digest) {
            return Ok(Arc::clone(connector));
        }
        let (id, digest) = (artifact.manifest.id.clone(), artifact.digest);
        let connector = self.runtime.load(artifact).await.map_err(|source| CatalogueError::Load { id, source })?;
        let connector = Arc::new(connector);
        loaded.insert(digest, Arc::clone(&connector));
        Ok(connector)
    }
}

/// Reads one `.wasm`.
pub fn read(path: &Path) -> Result<Artifact, CatalogueError> {
    let wasm = std::fs::read(path).map_err(|source| CatalogueError::Read { path: path.to_owned(), source })?;
    Artifact::read(wasm).map_err(|source| CatalogueError::Artifact { path: path.to_owned(), source })
}
