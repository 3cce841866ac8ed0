//! `connector build`: compiles a connector and shows what it may reach.

use std::path::{Path, PathBuf};

use patchbay_schemas::Manifest;
use serde_json::json;

use super::permissions;
use crate::failure::{Exit, Failure, chain};
use crate::languages::{self, Language};
use crate::output::{Out, Table};
use crate::toolchain::{self, PROFILE, TARGET, ToolError};
use patchbay_host::catalogue::{self, CatalogueError};
use patchbay_host::plugin::artifact::{self, Artifact, ArtifactError};

/// Compile a connector; show its size and all that it may reach
#[derive(clap::Args)]
pub struct Build {
    /// The connector's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// A connector that was built.
pub struct Built {
    /// Its `.wasm`.
    pub path: PathBuf,
    /// The same, read.
    pub artifact: Artifact,
}

impl Build {
    pub fn run(&self, out: Out) -> Result<(), Failure> {
        let Built { path, artifact } = build(&self.folder, out)?;
        let mut json = super::inspect::summary(&artifact);
        json["file"] = json!(path);
        out.answer(&json, || {
            let mut table = Table::plain();
            table.wide_row(["file".to_owned(), path.display().to_string()]);
            table.wide_row(["size".to_owned(), format!("{} bytes", artifact.wasm.len())]);
            table.wide_row(["can".to_owned(), artifact.abilities().join(", ")]);
            for line in permissions::of(&artifact) {
                table.wide_row(["may".to_owned(), line.to_string()]);
            }
            format!("{} {}\n{}", artifact.manifest.id, artifact.manifest.version, table.text())
        })
    }
}

/// A connector's folder, as its tools take it.
pub fn folder(given: &Path) -> Result<PathBuf, Failure> {
    let folder = given.canonicalize().map_err(|error| not_here(given, &error.to_string()))?;
    if folder.join("connector.toml").is_file() { Ok(folder) } else { Err(not_here(given, "it has no connector.toml")) }
}

/// What the connector of a folder says of itself.
pub fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join("connector.toml");
    parsed(&path, &read_manifest(&path)?)
}

/// Compiles the connector of a folder. Cargo shows its progress on stderr.
pub fn build(given: &Path, out: Out) -> Result<Built, Failure> {
    let folder = folder(given)?;
    let manifest = read_manifest(&folder.join("connector.toml"))?;
    let language = Language::of(&folder).ok_or_else(|| {
        let files = Language::ALL.map(|it| format!("{} ({})", it.file(), it.word())).join(", ");
        not_here(given, &format!("none of its files says in which language it is written: {files}"))
    })?;
    if language != Language::Rust {
        let known = parsed(&folder.join("connector.toml"), &manifest)?;
        let wasm = languages::build(language, &folder, &known, out.quiet)?;
        // The component itself stays as it was made, so that another manifest needs no new one.
        let path = wasm.with_file_name(format!("{}.wasm", known.id));
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        let bytes = artifact::with_manifest(std::fs::read(&wasm).map_err(failed)?, &manifest);
        std::fs::write(&path, bytes).map_err(failed)?;
        let artifact = catalogue::read(&path)?;
        return Ok(Built { path, artifact });
    }
    if !toolchain::has_target(&folder)? {
        return Err(ToolError::NoTarget.into());
    }
    let made = toolchain::build(&folder, &[], out.quiet)?;
    let cargo_toml = folder.join("Cargo.toml");
    let made = made.into_iter().rfind(|it| it.manifest == cargo_toml).ok_or_else(|| {
        Failure::new(Exit::Build, "cargo built the package, but no .wasm came of it")
            .help("Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`, or a src/main.rs with `register!`")
    })?;
    let artifact = embedded(&made.wasm, &manifest)?;
    let table = |text: &str| text.parse::<toml::Table>().ok();
    if table(&manifest) != table(&artifact.manifest_text) {
        return Err(Failure::new(Exit::Build, "the manifest inside the .wasm is not the connector.toml of this folder")
            .help("`patchbay_sdk::register!` must stand in the package whose folder holds connector.toml"));
    }
    Ok(Built { path: made.wasm, artifact })
}

/// The component with its manifest inside. A language whose SDK does not embed it gets it embedded here.
fn embedded(wasm: &Path, manifest: &str) -> Result<Artifact, Failure> {
    match catalogue::read(wasm) {
        Err(CatalogueError::Artifact { source: ArtifactError::NoManifest, .. }) => {
            let failed = |error: std::io::Error| Failure::io(wasm.display(), &error);
            let bytes = artifact::with_manifest(std::fs::read(wasm).map_err(failed)?, manifest);
            // A new file: cargo may have linked this one to another place.
            let aside = wasm.with_extension("new");
            std::fs::write(&aside, &bytes).and_then(|()| std::fs::rename(&aside, wasm)).map_err(failed)?;
            Ok(catalogue::read(wasm)?)
        }
        read => Ok(read?),
    }
}

fn read_manifest(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?;
    parsed(path, &text)?;
    Ok(text)
}

fn parsed(path: &Path, text: &str) -> Result<Manifest, Failure> {
    toml::from_str(text).map_err(|error| {
        Failure::new(Exit::Invalid, format!("{} is not valid: {error}", path.display()))
            .help("sdk/README.md lists every key with its default")
    })
}

fn not_here(folder: &Path, why: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no connector in {}: {why}", folder.display()))
        .help("run it in a connector's folder, or name the folder; `patchbay connector new <name>` makes one")
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        let cure = match &error {
            ToolError::Cargo => format!(
                "`cargo build --profile {PROFILE} --target {TARGET}` in its folder repeats it; Cargo.toml needs `[profile.{PROFILE}]`, and \
                 .cargo/config.toml the linker `wasm-component-ld`, as `connector new` writes them"
            ),
            other => other.cure(),
        };
        Self::new(Exit::Build, chain(&error)).help(cure)
    }
}
