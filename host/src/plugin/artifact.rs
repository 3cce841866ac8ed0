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
    /// The same as it stands inside: the TOML of connector.toml.
    pub manifest_text: String,
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
        Self::Wasm { at: error.offset() }
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
        let manifest_text =
            String::from_utf8(manifest.ok_or(ArtifactError::NoManifest)?).map_err(|error| ArtifactError::Manifest(error.to_string()))?;
        let manifest = toml::from_str(&manifest_text).map_err(|error| ArtifactError::Manifest(error.to_string()))?;
        let sha = digest::digest(&digest::SHA256, &wasm);
        let digest = sha.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Self { wasm, digest, manifest, manifest_text, imports, exports })
    }

    /// The abilities that it exports: `webhook`, `polling`, `stream`, `commands`, `check`.
    #[must_use]
    pub fn abilities(&self) -> Vec<&str> {
        self.exports.iter().filter_map(|it| it.strip_prefix("patchbay:connector/")).map(|it| it.split('@').next().unwrap_or(it)).collect()
    }
}

/// The component with this text as its manifest section, for languages whose SDK does not put it there.
#[must_use]
pub fn with_manifest(mut wasm: Vec<u8>, manifest: &str) -> Vec<u8> {
    let mut section = leb128(SECTION.len());
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(manifest.as_bytes());
    // A custom section: its id is 0, then its length.
    wasm.push(0);
    wasm.extend(leb128(section.len()));
    wasm.extend(section);
    wasm
}

/// A number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty component: magic number, version, layer.
    const EMPTY: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    #[test]
    fn a_manifest_that_is_put_in_is_read_back() {
        assert!(matches!(Artifact::read(EMPTY.to_vec()), Err(ArtifactError::NoManifest)));
        let text = format!(
            "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'X'\nsummary = '{}'\nchannel = 'x'\nroles = ['source']\n",
            "long ".repeat(100)
        );
        let artifact = Artifact::read(with_manifest(EMPTY.to_vec(), &text)).unwrap();
        assert_eq!((artifact.manifest.id.as_str(), artifact.manifest_text.as_str()), ("x", text.as_str()));
    }
}
