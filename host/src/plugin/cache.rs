//! The compile cache: machine code of connectors, one file each, protected by a MAC.
//!
//! Loading machine code is trusting it, so a file counts only when this host's own key signed it.
//! The key is derived from the hub's master key; whoever can write into the folder but does not hold the key can only cause a miss.

use std::path::{Path, PathBuf};

use ring::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

const MAC_LEN: usize = 32;

/// A folder of compiled connectors.
#[derive(Clone)]
pub struct CompileCache {
    folder: PathBuf,
    key: hmac::Key,
}

impl CompileCache {
    /// A cache in `folder`, protected by `key`.
    #[must_use]
    pub fn new(folder: PathBuf, key: hmac::Key) -> Self {
        Self { folder, key }
    }

    /// The compiled component, from the cache where it is there and genuine, else compiled now. Takes long: not for async threads.
    pub fn load(&self, engine: &Engine, wasm: &[u8], digest: &[u8; 32]) -> wasmtime::Result<Component> {
        let path = self.path(engine, digest);
        if let Some(component) = self.read(engine, &path) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, wasm)?;
        if let Err(error) = component.serialize().and_then(|code| Ok(self.write(&path, &code)?)) {
            tracing::warn!(error = %error, cache.path = %path.display(), "the compile cache cannot be written: the next start compiles again");
        }
        Ok(component)
    }

    fn path(&self, engine: &Engine, digest: &[u8; 32]) -> PathBuf {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        // Another wasmtime or other settings make other code: their hash is part of the name.
        let mut compatibility = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        self.folder.join(format!("{}-{:016x}.cwasm", hex::encode(&digest[..16]), compatibility.finish()))
    }

    #[expect(unsafe_code, reason = "machine code can only be loaded by trusting it; the MAC says that this hub wrote it")]
    fn read(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let file = std::fs::read(path).ok()?;
        let (mac, code) = file.split_at_checked(MAC_LEN)?;
        if hmac::verify(&self.key, code, mac).is_err() {
            tracing::warn!(cache.path = %path.display(), "a file in the compile cache is not ours and is compiled anew");
            return None;
        }
        // SAFETY: the MAC was made with this hub's key over bytes that `Component::serialize` returned.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    fn write(&self, path: &Path, code: &[u8]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = hmac::sign(&self.key, code).as_ref().to_vec();
        file.extend_from_slice(code);
        let aside = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&aside, file)?;
        std::fs::rename(aside, path)
    }
}
