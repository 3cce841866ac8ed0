//! `connector new`: a connector that builds and passes its tests as it is.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::templates::{Kind, Template};
use crate::failure::{Exit, Failure};
use crate::languages::Language;
use crate::output::Out;

/// Where the SDK is had from when nothing nearer is known.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// Longest id.
const LONGEST: usize = 64;

/// Write a new connector: manifest, code and fixtures that build and pass as they are
///
/// The SDK is taken from --sdk, else from the checkout that this folder or this program lies in, else from the project's repository by git.
#[derive(clap::Args)]
pub struct New {
    /// The connector's id, and the folder that is made; a path makes it elsewhere
    name: PathBuf,
    /// What it connects; a messenger in JavaScript or Python is a bot of Telegram
    #[arg(long, value_enum, default_value = "form")]
    kind: Kind,
    /// The language: rust, js or python
    #[arg(long, default_value = "rust")]
    lang: String,
    /// Where the SDK is: the folder of a checkout (or its sdk/), or a git address
    #[arg(long, value_name = "PATH|URL")]
    sdk: Option<String>,
}

/// Where a new connector has the SDK from.
#[derive(Debug, PartialEq, Eq)]
enum Sdk {
    /// The folder of the crate.
    Folder(PathBuf),
    /// A repository.
    Git(String),
    /// The workspace that the connector becomes a member of.
    Workspace,
    /// A file of the template, which is written beside the code.
    Brought,
}

impl New {
    pub fn run(self, out: Out) -> Result<(), Failure> {
        let Some(language) = Language::ALL.into_iter().find(|it| it.word() == self.lang) else {
            return Err(Failure::new(Exit::Usage, format!("there is no template in `{}`", self.lang)).help(
                "the languages that there are: rust, js, python. A connector in any language that makes components of sdk/wit is as good: \
                 `connector test`, `package` and `install` take its .wasm",
            ));
        };
        let folder = std::path::absolute(&self.name).map_err(|error| Failure::io(self.name.display(), &error))?;
        let id = folder.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        check_id(&id)?;
        if folder.read_dir().is_ok_and(|mut it| it.next().is_some()) || folder.is_file() {
            return Err(Failure::new(Exit::Refused, format!("{} is there already", folder.display()))
                .help("choose another name, or move what is there out of the way"));
        }
        let name = title(&id);
        let (sdk, lock) = if language == Language::Rust { self.sdk(&folder)? } else { (Sdk::Brought, None) };
        let is_member = sdk == Sdk::Workspace;
        let template = Template { kind: self.kind, language, id: &id, name: &name, sdk: &sdk.dependency(), is_member };
        for (path, text) in template.files() {
            write(&folder.join(path), &text)?;
        }
        if let Some(lock) = lock {
            // The versions that the checkout was tested with.
            let place = folder.join("Cargo.lock");
            std::fs::copy(&lock, &place).map_err(|error| Failure::io(place.display(), &error))?;
        }
        let (kind, from) = (self.kind.word(), sdk.tell());
        out.note(format!("the SDK comes from {from}"));
        out.answer(&json!({ "id": id, "kind": kind, "lang": language.word(), "folder": folder, "sdk": from }), || {
            let place = self.name.display();
            let install = language.install().map(|it| format!("\x20 {it}\n")).unwrap_or_default();
            format!(
                "Made {place}: a connector of the kind {kind} that builds and passes as it is.\n\n\
                 \x20 cd {place}\n{install}\
                 \x20 patchbay connector build      compile it; shows its size and all that it may reach\n\
                 \x20 patchbay connector test       play fixtures/ through it, without a network\n\n\
                 Then: connector.toml says what the hub may know without running it, src/ what it does.\n",
            )
        })
    }

    /// Where the SDK is, and a Cargo.lock to begin with.
    fn sdk(&self, folder: &Path) -> Result<(Sdk, Option<PathBuf>), Failure> {
        if let Some(given) = &self.sdk {
            if given.contains("://") || given.starts_with("git@") {
                return Ok((Sdk::Git(given.clone()), None));
            }
            let path = std::path::absolute(given).map_err(|error| Failure::io(given, &error))?;
            let found = [path.join("sdk"), path].into_iter().find(|it| is_sdk(it));
            let found = found.ok_or_else(|| {
                Failure::new(Exit::NotFound, format!("there is no SDK in {given}"))
                    .help("--sdk names a checkout of Patchbay, its sdk/ folder, or a git address such as https://…")
            })?;
            let lock = lock_beside(&found);
            return Ok((Sdk::Folder(found), lock));
        }
        if let Some(checkout) = folder.ancestors().skip(1).find(|it| is_sdk(&it.join("sdk"))) {
            // The folders whose members the workspace names by a pattern.
            if folder.parent() == Some(&checkout.join("plugins")) {
                return Ok((Sdk::Workspace, None));
            }
            let sdk = checkout.join("sdk");
            return Ok((Sdk::Folder(sdk.clone()), lock_beside(&sdk)));
        }
        let program = std::env::current_exe().ok().and_then(|it| it.canonicalize().ok());
        let near = program.iter().flat_map(|it| it.ancestors()).map(|it| it.join("sdk")).find(|it| is_sdk(it));
        Ok(match near {
            Some(sdk) => (Sdk::Folder(sdk.clone()), lock_beside(&sdk)),
            None => (Sdk::Git(REPOSITORY.to_owned()), None),
        })
    }
}

impl Sdk {
    /// As it stands in Cargo.toml.
    fn dependency(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Folder(path) => format!("{{ path = {} }}", quoted(&path.to_string_lossy())),
            Self::Git(url) => format!("{{ git = {} }}", quoted(url)),
            Self::Workspace => "{ workspace = true }".to_owned(),
            Self::Brought => String::new(),
        }
    }

    fn tell(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Git(url) => url.clone(),
            Self::Workspace => "this workspace".to_owned(),
            Self::Brought => "a file in src/".to_owned(),
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    folder.join("wit").is_dir() && folder.join("Cargo.toml").is_file()
}

fn lock_beside(sdk: &Path) -> Option<PathBuf> {
    sdk.parent().map(|it| it.join("Cargo.lock")).filter(|it| it.is_file())
}

/// Ids stand in addresses and in the database, and are the package's name.
fn check_id(id: &str) -> Result<(), Failure> {
    let is_part = |it: &str| !it.is_empty() && it.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let is_good = id.len() <= LONGEST && id.starts_with(|it: char| it.is_ascii_lowercase()) && id.split(['-', '_']).all(is_part);
    if !is_good {
        return Err(Failure::new(Exit::Usage, format!("`{id}` cannot be a connector's id"))
            .help("an id has lower-case Latin letters and digits, parts joined by - or _, and begins with a letter: acme, acme-forms"));
    }
    if ["test", "core", "std", "alloc", "proc_macro", "proc-macro", "patchbay-sdk", "patchbay-schemas", "build", "deps"].contains(&id) {
        return Err(Failure::new(Exit::Usage, format!("cargo does not take `{id}` as a package's name")).help("choose another name"));
    }
    Ok(())
}

/// `acme-forms` → `Acme Forms`
fn title(id: &str) -> String {
    let word = |it: &str| {
        let mut letters = it.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    id.split(['-', '_']).map(word).collect::<Vec<_>>().join(" ")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_manifests_schema_takes() {
        for good in ["acme", "acme-forms", "a1_b2"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "Acme", "1c", "acme--forms", "-acme", "acme-", "анна", "a b", "test", &"a".repeat(65)] {
            assert_eq!(check_id(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn a_name_for_people_is_made_of_the_id() {
        assert_eq!(title("acme-forms_2"), "Acme Forms 2");
    }

    #[test]
    fn the_dependency_is_written_as_toml() {
        assert_eq!(Sdk::Folder("/a b/\"c\"/sdk".into()).dependency(), r#"{ path = '/a b/"c"/sdk' }"#);
        assert_eq!(Sdk::Git("https://example.com/p".to_owned()).dependency(), r#"{ git = "https://example.com/p" }"#);
    }
}
