//! A connector that is compiled and linked, ready to be instantiated.

use std::sync::Arc;

use patchbay_schemas::Manifest;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use super::artifact::Artifact;
use super::bindings::exports::patchbay::connector::{check, commands, polling, stream, webhook};
use super::bindings::{FullPre, patchbay};
use super::cache::CompileCache;
use super::contract;
use super::engine::WasmEngine;
use super::guest::Guest;
use crate::rules::ingest::ReadBy;

/// Compiles connectors and links them with the host's functions.
#[derive(Clone)]
pub struct Runtime {
    engine: WasmEngine,
    linker: Arc<Linker<Guest>>,
    cache: CompileCache,
}

/// Why a connector cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It was built for another contract than this hub speaks.
    #[error("{0}")]
    Contract(String),
    /// The component does not compile or does not fit the contract.
    #[error("the component cannot be loaded: {0:#}")]
    Component(wasmtime::Error),
    /// The manifest promises what the code does not export, or the other way round.
    #[error("the manifest has a section [{0}], but the component does not export that ability: name it in register!")]
    MissingAbility(&'static str),
    /// The task that compiled it died.
    #[error("the compiler stopped unexpectedly")]
    Compiler,
}

/// A connector that is compiled and linked, ready to be instantiated.
pub struct Connector {
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of its `.wasm`.
    pub digest: [u8; 32],
    pub(super) engine: WasmEngine,
    pub(super) pre: InstancePre<Guest>,
    pub(super) webhook: Option<webhook::GuestIndices>,
    pub(super) polling: Option<polling::GuestIndices>,
    pub(super) stream: Option<stream::GuestIndices>,
    pub(super) commands: Option<commands::GuestIndices>,
    pub(super) check: Option<check::GuestIndices>,
}

impl Connector {
    /// By what it is known which version read a delivery.
    #[must_use]
    pub fn read_by(&self) -> ReadBy {
        ReadBy::new(&self.manifest.version, &self.digest)
    }
}

impl Runtime {
    /// A runtime that keeps compiled code in `cache`.
    pub fn new(cache: CompileCache) -> wasmtime::Result<Self> {
        Self::on(WasmEngine::new()?, cache)
    }

    /// A runtime whose instances tell what each call used up.
    pub fn measuring(cache: CompileCache) -> wasmtime::Result<Self> {
        Self::on(WasmEngine::measuring()?, cache)
    }

    fn on(engine: WasmEngine, cache: CompileCache) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine.raw());
        patchbay::connector::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        patchbay::connector::host::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        patchbay::connector::state::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        patchbay::connector::http::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        patchbay::connector::socket::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        patchbay::connector::secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, |it: &mut Guest| it)?;
        Ok(Self { engine, linker: Arc::new(linker), cache })
    }

    /// Compiles (or finds in the cache) and links. Runs on a thread that may block.
    pub async fn load(&self, artifact: Artifact) -> Result<Connector, LoadError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.load_now(&artifact)).await.map_err(|_| LoadError::Compiler)?
    }

    fn load_now(&self, artifact: &Artifact) -> Result<Connector, LoadError> {
        if let Some(why) = contract::unspoken(&artifact.manifest.contract) {
            return Err(LoadError::Contract(why));
        }
        let component = self.cache.load(self.engine.raw(), &artifact.wasm, &artifact.digest).map_err(LoadError::Component)?;
        let pre = self.linker.instantiate_pre(&component).map_err(LoadError::Component)?;
        let connector = Connector {
            manifest: Arc::new(artifact.manifest.clone()),
            digest: artifact.digest,
            engine: self.engine.clone(),
            webhook: webhook::GuestIndices::new(&pre).ok(),
            polling: polling::GuestIndices::new(&pre).ok(),
            stream: stream::GuestIndices::new(&pre).ok(),
            commands: commands::GuestIndices::new(&pre).ok(),
            check: check::GuestIndices::new(&pre).ok(),
            pre,
        };
        let manifest = &artifact.manifest;
        let promised = [
            ("webhook", manifest.webhook.is_some(), connector.webhook.is_some()),
            ("polling", manifest.polling.is_some(), connector.polling.is_some()),
            ("stream", manifest.stream.is_some(), connector.stream.is_some()),
            ("commands", manifest.commands.is_some(), connector.commands.is_some()),
        ];
        match promised.into_iter().find(|(_, promised, there)| *promised && !there) {
            Some((ability, ..)) => Err(LoadError::MissingAbility(ability)),
            None => Ok(connector),
        }
    }
}

/// The whole world is never instantiated at once; naming its type keeps the bindings honest about it.
const _: fn(InstancePre<Guest>) -> wasmtime::Result<FullPre<Guest>> = FullPre::new;
