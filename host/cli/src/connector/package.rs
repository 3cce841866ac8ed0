//! `connector key`, `connector package`: a connector as one signed file.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::build;
use crate::failure::{Exit, Failure};
use crate::output::Out;
use patchbay_host::catalogue;
use patchbay_host::package::{Package, PackageError, SigningKey};

/// Make a key to sign packages with
///
/// Keep the file to yourself: whoever has it can publish in your name. The line that is printed goes into the patchbay.toml of whoever
/// trusts you.
#[derive(clap::Args)]
pub struct Key {
    /// Your name as a publisher; the key goes to NAME.key
    name: String,
}

/// Make one file of a connector, to be installed anywhere
#[derive(clap::Args)]
pub struct Pack {
    /// The connector's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Package this .wasm instead of building the folder
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Sign with this key, which `connector key` makes
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Who signs; without it, the name of the key's file
    #[arg(long, value_name = "NAME", requires = "key")]
    publisher: Option<String>,
    /// Where the package goes
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Key {
    pub fn run(&self, out: Out) -> Result<(), Failure> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;

        check_name(&self.name)?;
        let path = PathBuf::from(format!("{}.key", self.name));
        let (key, text) = SigningKey::generate();
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())).map_err(|error| {
            let what = Failure::io(format!("{} cannot be written", path.display()), &error);
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Failure { exit: Exit::Refused, ..what }
                    .help("a key is never written over: choose another name, or use the one that is there")
            } else {
                what
            }
        })?;
        let line = format!("{} = \"{}\"", self.name, key.public());
        out.note(format!("wrote {}; keep it to yourself, and a copy of it", path.display()));
        out.answer(&json!({ "file": path, "publisher": self.name, "key": key.public() }), || {
            format!("Whoever trusts you writes this into patchbay.toml:\n\n[install.publishers]\n{line}\n")
        })
    }
}

impl Pack {
    pub fn run(&self, out: Out) -> Result<(), Failure> {
        let artifact = match &self.wasm {
            Some(path) => catalogue::read(path)?,
            None => build::build(&self.folder, out)?.artifact,
        };
        let signature = self.key.as_deref().map(|path| -> Result<_, Failure> {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?;
            let key = SigningKey::parse(&text, &path.display().to_string())?;
            let publisher = self.publisher.clone().unwrap_or_else(|| stem(path));
            check_name(&publisher)?;
            Ok(key.sign(&artifact, &publisher))
        });
        let package = Package { signature: signature.transpose()?, artifact };
        let manifest = &package.artifact.manifest;
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}-{}.patchbay", manifest.id, manifest.version)));
        let bytes = package.bytes();
        std::fs::write(&path, &bytes).map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))?;
        let by = package.signature.as_ref().map(|it| it.publisher.clone());
        out.answer(&json!({ "file": path, "id": manifest.id, "version": manifest.version, "size": bytes.len(), "publisher": by }), || {
            let signed = by.as_ref().map_or_else(|| "not signed (--key signs)".to_owned(), |it| format!("signed by {it}"));
            format!("{}: {} {}, {} bytes, {signed}\n", path.display(), manifest.id, manifest.version, bytes.len())
        })
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(|it| it.to_str()).unwrap_or_default().to_owned()
}

/// A publisher's name is a bare key of TOML, so that it stands in patchbay.toml without quotes.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_good = (1..=64).contains(&name.len()) && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_'));
    if is_good {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("`{name}` cannot be a publisher's name"))
        .help("Latin letters, digits, - and _, at most 64: acme"))
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let help = match &error {
            PackageError::Archive(_) | PackageError::Part(_) => "`patchbay connector package` makes packages; have this one sent again",
            PackageError::Artifact(_) => "the file must hold a component of this hub's contract: build it anew, see sdk/README.md",
            PackageError::Forged(_) => "do not install it; have it sent again by its publisher",
            PackageError::Key(..) => "`patchbay connector key <name>` makes a key; a public key is the text that it prints",
        };
        let exit = if matches!(error, PackageError::Forged(_)) { Exit::Unsigned } else { Exit::Invalid };
        Self::new(exit, error.to_string()).help(help)
    }
}
