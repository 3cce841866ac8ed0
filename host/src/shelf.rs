//! Where installed connectors lie: `<id>.wasm` in one folder, its signature beside it, and what it replaced behind it.

use std::path::{Path, PathBuf};

use crate::catalogue::in_use;
use crate::package::{Package, PackageError, Signature};
use crate::plugin::Artifact;

/// Most versions of a connector that are kept behind the installed one.
const KEPT: usize = 5;

/// The folder of installed connectors.
pub struct Shelf {
    folder: PathBuf,
}

/// Why a connector could not be put there or taken back.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What lies there is not what was put there.
    #[error("{}: {source}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// Nothing was replaced yet.
    #[error("nothing lies behind the connector `{0}`: it was never upgraded here")]
    NothingBehind(String),
}

impl Shelf {
    /// The connectors' folder of a hub.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The installed connector with its signature; none: it is not installed.
    pub fn installed(&self, id: &str) -> Result<Option<Package>, ShelfError> {
        let path = self.place(id);
        if path.is_file() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Puts a connector there. What lay there is kept behind it.
    pub fn put(&self, package: &Package) -> Result<(), ShelfError> {
        let id = &package.artifact.manifest.id;
        make(&self.folder)?;
        self.keep(id)?;
        self.accept(package)?;
        write(&self.place(id), package)
    }

    /// Keeps the version that runs, so that [`Shelf::take_back`] finds it whatever is put in the place of what lies there.
    pub fn keep(&self, id: &str) -> Result<(), ShelfError> {
        self.current(id)?.map_or(Ok(()), |it| self.put_behind(id, &it))
    }

    /// The version that runs, or would: the one that a hub let in last, unless somebody put that there who saw what changes; none: it is not
    /// installed.
    pub fn current(&self, id: &str) -> Result<Option<Package>, ShelfError> {
        let Some(installed) = self.installed(id)? else { return Ok(None) };
        let wanted = is_accepted(&self.place(id), &installed.artifact.digest);
        let running = if wanted { None } else { in_use::kept(&self.folder, id)? };
        Ok(Some(running.unwrap_or(installed)))
    }

    /// Puts a connector in the place of what lies there, which is not kept; a hub that runs tries it first, as it does whatever it finds.
    pub fn exchange(&self, package: &Package) -> Result<(), ShelfError> {
        make(&self.folder)?;
        write(&self.place(&package.artifact.manifest.id), package)
    }

    /// Says to the hub that this version is wanted, whatever differs.
    fn accept(&self, package: &Package) -> Result<(), ShelfError> {
        let path = acceptance_beside(&self.place(&package.artifact.manifest.id));
        replace(&path, hex::encode(package.artifact.digest).as_bytes()).map_err(|source| ShelfError::File { path, source })
    }

    /// Exchanges a connector for the one that it replaced, so that a second call takes it back.
    pub fn take_back(&self, id: &str) -> Result<Package, ShelfError> {
        let newest = self.behind(id)?.pop().ok_or_else(|| ShelfError::NothingBehind(id.to_owned()))?;
        let package = read(&newest)?;
        self.keep(id)?;
        self.accept(&package)?;
        write(&self.place(id), &package)?;
        remove(&newest)?;
        Ok(package)
    }

    fn place(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.wasm"))
    }

    /// A copy behind the installed one: it itself stays until it is replaced in one step.
    fn put_behind(&self, id: &str, package: &Package) -> Result<(), ShelfError> {
        let folder = self.folder.join("previous").join(id);
        make(&folder)?;
        let mut behind = self.behind(id)?;
        let last = behind.last().and_then(|it| it.file_stem()?.to_str()?.parse::<u32>().ok()).unwrap_or(0);
        let next = folder.join(format!("{:06}.wasm", last + 1));
        write(&next, package)?;
        behind.push(next);
        let excess = behind.len().saturating_sub(KEPT);
        behind.iter().take(excess).try_for_each(|it| remove(it))
    }

    /// What lies behind a connector, the oldest first.
    fn behind(&self, id: &str) -> Result<Vec<PathBuf>, ShelfError> {
        let folder = self.folder.join("previous").join(id);
        let failed = |source| ShelfError::File { path: folder.clone(), source };
        let mut found = Vec::new();
        match std::fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry.map_err(failed)?.path();
                    if path.extension().is_some_and(|it| it == "wasm") {
                        found.push(path);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(source)),
        }
        found.sort();
        Ok(found)
    }
}

/// Where the signature of a `.wasm` lies.
#[must_use]
pub fn signature_beside(wasm: &Path) -> PathBuf {
    wasm.with_extension("signature.toml")
}

/// Where it stands that a `.wasm` is wanted: its SHA-256, hexadecimal.
#[must_use]
pub fn acceptance_beside(wasm: &Path) -> PathBuf {
    wasm.with_extension("accepted")
}

/// True where somebody who saw what changes put the version with this digest there: `connector install`, `upgrade` or `rollback`.
#[must_use]
pub fn is_accepted(wasm: &Path, digest: &[u8; 32]) -> bool {
    std::fs::read_to_string(acceptance_beside(wasm)).is_ok_and(|it| it.trim() == hex::encode(digest))
}

/// A `.wasm` with the signature that lies beside it. One that does not fit is an error.
pub fn read(wasm: &Path) -> Result<Package, ShelfError> {
    let file = |path: &Path, source| ShelfError::File { path: path.to_owned(), source };
    let failed = |source| ShelfError::Package { path: wasm.to_owned(), source };
    let bytes = std::fs::read(wasm).map_err(|source| file(wasm, source))?;
    let mut package = Package::read(bytes).map_err(failed)?;
    let beside = signature_beside(wasm);
    match std::fs::read_to_string(&beside) {
        Ok(text) => {
            let signature = Signature::parse(&text).map_err(failed)?;
            signature.verify(&package.artifact).map_err(failed)?;
            package.signature = Some(signature);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(file(&beside, source)),
    }
    Ok(package)
}

/// The connector in one step; its signature right before, so that there is never a signed one without.
pub(crate) fn write(wasm: &Path, package: &Package) -> Result<(), ShelfError> {
    let beside = signature_beside(wasm);
    let Artifact { wasm: bytes, .. } = &package.artifact;
    let file = |source| ShelfError::File { path: wasm.to_owned(), source };
    match &package.signature {
        Some(signature) => replace(&beside, signature.text().as_bytes()).map_err(file)?,
        None if beside.exists() => std::fs::remove_file(&beside).map_err(file)?,
        None => {}
    }
    replace(wasm, bytes).map_err(file)
}

/// A file's bytes in one step: whoever reads it finds the old ones or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(aside, path)
}

fn remove(wasm: &Path) -> Result<(), ShelfError> {
    for path in [signature_beside(wasm), wasm.to_owned()] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(ShelfError::File { path, source }),
            _ => {}
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), ShelfError> {
    std::fs::create_dir_all(folder).map_err(|source| ShelfError::File { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::SigningKey;
    use crate::plugin::artifact::with_manifest;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("patchbay-shelf-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn package(version: &str, key: Option<&SigningKey>) -> Package {
        let text =
            format!("id = 'x'\nversion = '{version}'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n");
        let artifact = Artifact::read(with_manifest(vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0], &text)).unwrap();
        let signature = key.map(|it| it.sign(&artifact, "acme"));
        Package { artifact, signature }
    }

    fn version(shelf: &Shelf) -> String {
        shelf.installed("x").unwrap().unwrap().artifact.manifest.version
    }

    #[test]
    fn an_upgrade_is_taken_back_and_put_there_again_with_its_signature() {
        let folder = Folder::new("back");
        let shelf = Shelf::new(folder.0.clone());
        let (key, _) = SigningKey::generate();
        assert!(shelf.installed("x").unwrap().is_none());
        assert!(matches!(shelf.take_back("x"), Err(ShelfError::NothingBehind(_))));
        shelf.put(&package("1.0.0", Some(&key))).unwrap();
        shelf.put(&package("1.1.0", None)).unwrap();
        assert!(shelf.installed("x").unwrap().unwrap().signature.is_none());
        assert_eq!(shelf.take_back("x").unwrap().artifact.manifest.version, "1.0.0");
        assert!(shelf.installed("x").unwrap().unwrap().signature.is_some());
        assert_eq!(shelf.take_back("x").unwrap().artifact.manifest.version, "1.1.0");
        assert_eq!(version(&shelf), "1.1.0");
    }

    #[test]
    fn no_more_than_a_few_versions_are_kept() {
        let folder = Folder::new("few");
        let shelf = Shelf::new(folder.0.clone());
        for number in 0..KEPT + 4 {
            shelf.put(&package(&format!("1.0.{number}"), None)).unwrap();
        }
        assert_eq!(shelf.behind("x").unwrap().len(), KEPT);
        shelf.take_back("x").unwrap();
        assert_eq!(version(&shelf), format!("1.0.{}", KEPT + 2));
    }

    #[test]
    fn a_file_that_was_exchanged_does_not_pass_for_a_signed_one() {
        let folder = Folder::new("exchanged");
        let shelf = Shelf::new(folder.0.clone());
        let (key, _) = SigningKey::generate();
        shelf.put(&package("1.0.0", Some(&key))).unwrap();
        std::fs::write(folder.0.join("x.wasm"), package("6.6.6", None).artifact.wasm).unwrap();
        assert!(matches!(shelf.installed("x"), Err(ShelfError::Package { source: PackageError::Forged(_), .. })));
    }
}
