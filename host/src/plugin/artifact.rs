//! A connector's `.wasm` as a file: its manifest, its digest and what it imports, read without running it.

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::SECTION;
use ring::digest;
use wasmparser::{Parser, Payload};

/// Largest `.wasm` that is read, bytes.
pub const MAX_WASM: usize = 64 << 20;

/// A `.wasm` that was read and looked at, but neither compiled nor run.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The bytes of the component.
    pub wasm: Vec<u8>,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its imports: all that it can reach.
    pub imports: Vec<String>,
    /// Its exports: all that it can do.
    pub exports: Vec<String>,
}

/// Why a file is not a connector.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not WebAssembly, or damaged. What the parser saw instead fills a screen.
    #[error("this is no WebAssembly component, or the file is damaged (at byte {at})")]
    Wasm {
        /// Where the parser stopped.
        at: usize,
    },
    /// A core module: it was not linked with `wasm-component-ld`.
    #[error(
        "this is a core module, not a component: build it with the linker `wasm-component-ld` (.cargo/config.toml, target.wasm32-unknown-unknown.linker)"
    )]
    CoreModule,
    /// A compiled artefact of wasmtime or something else that is too large.
    #[error("{size} bytes are more than the {MAX_WASM} that a connector may have")]
    TooLarge {
        /// Size of the file in bytes.
        size: usize,
    },
    /// No manifest inside.
    #[error("there is no manifest inside (custom section `{SECTION}`): `patchbay_sdk::register!` embeds connector.toml")]
    NoManifest,
    /// The manifest is no TOML of the right shape.
    #[error("the manifest inside is not valid: {0}")]
    Manifest(String),
    /// It asks for something that the host does not give.
    #[error("it imports `{0}`, which no connector may: only patchbay:connector interfaces are given")]
    ForeignImport(String),
}

impl From<wasmparser::BinaryReaderError> for ArtifactError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Wasm { at: usize::try_from(error.offset()).unwrap_or(usize::MAX) }
    }
}

impl Artifact {
    /// Reads a `.wasm`.
    pub fn read(wasm: Vec<u8>) -> Result<Self, ArtifactError> {
        if wasm.len() > MAX_WASM {
            return Err(ArtifactError::TooLarge { size: wasm.len() });
        }
        let (mut manifest, mut imports, mut exports) = (None, Vec::new(), Vec::new());
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload? {
                Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => return Err(ArtifactError::CoreModule),
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if section.name() == SECTION => manifest = Some(section.data().to_vec()),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        if let Some(foreign) = imports.iter().find(|it| !it.starts_with("patchbay:connector/")) {
            return Err(ArtifactError::ForeignImport(foreign.clone()));
        }
        let manifest = parse_manifest(&manifest.ok_or(ArtifactError::NoManifest)?)?;
        let sha = digest::digest(&digest::SHA256, &wasm);
        let digest = sha.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Self { wasm, digest, manifest, imports, exports })
    }

    /// The abilities that it exports: `webhook`, `polling`, `commands`, `check`.
    #[must_use]
    pub fn abilities(&self) -> Vec<&str> {
        self.exports.iter().filter_map(|it| it.strip_prefix("patchbay:connector/")).map(|it| it.split('@').next().unwrap_or(it)).collect()
    }
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ArtifactError::Manifest(error.to_string()))?;
    toml::from_str(text).map_err(|error| ArtifactError::Manifest(error.to_string()))
}
