//! The templates of `connector new`, compiled in from `sdk/templates`.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

use crate::languages::Language;

static ALL: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/templates");

/// What a new connector connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Messages of people, and answers to them
    Messenger,
    /// Calls of a PBX
    Telephony,
    /// Leads to a CRM, changes back
    Crm,
    /// Forms that visitors fill in
    Form,
}

/// One template, with what is filled in.
pub struct Template<'a> {
    /// Which one.
    pub kind: Kind,
    /// What it is written in.
    pub language: Language,
    /// `{{id}}`
    pub id: &'a str,
    /// `{{name}}`
    pub name: &'a str,
    /// `{{sdk}}`: the dependency as TOML. JavaScript and Python bring their SDK along: it is a file of the template.
    pub sdk: &'a str,
    /// True: it becomes a member of the Rust workspace that it lies in, which has the profile and the linker.
    pub is_member: bool,
}

impl Kind {
    /// As it is written on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Messenger => "messenger",
            Self::Telephony => "telephony",
            Self::Crm => "crm",
            Self::Form => "form",
        }
    }
}

impl Template<'_> {
    /// Path and text of every file.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = match self.language {
            Language::Rust => self.crate_of_rust(),
            Language::Js | Language::Python => self.sources(),
        };
        let fixtures = ALL.get_dir(format!("{}/fixtures", self.folder())).into_iter().flat_map(Dir::files);
        files.extend(fixtures.map(|it| {
            let path = it.path().strip_prefix(self.folder()).unwrap_or(it.path()).to_owned();
            (path, it.contents_utf8().unwrap_or_default().to_owned())
        }));
        files
    }

    /// Where manifest, code and fixtures of a kind stand. A messenger in JavaScript or Python is a bot of Telegram.
    fn folder(&self) -> &'static str {
        if self.kind == Kind::Messenger && self.language != Language::Rust { "telegram" } else { self.kind.word() }
    }

    fn crate_of_rust(&self) -> Vec<(PathBuf, String)> {
        let mut package = self.of_language("package.toml");
        let mut files = vec![
            (PathBuf::from("connector.toml"), self.of_kind("connector.toml")),
            (PathBuf::from("src/lib.rs"), self.of_kind("lib.rs")),
            (PathBuf::from("README.md"), self.of_language("README.md")),
        ];
        if !self.is_member {
            package += text("rust/workspace.toml");
            files.push((PathBuf::from(".cargo/config.toml"), self.of_language("cargo_config.toml")));
            files.push((PathBuf::from(".gitignore"), self.of_language("gitignore")));
        }
        files.push((PathBuf::from("Cargo.toml"), package));
        files
    }

    fn sources(&self) -> Vec<(PathBuf, String)> {
        let ending = self.language.ending();
        let (source, helpers) = (format!("connector.{ending}"), format!("src/patchbay.{ending}"));
        let mut files = vec![
            (PathBuf::from("connector.toml"), self.of_kind("connector.toml") + text(&format!("{}/limits.toml", self.language.word()))),
            (PathBuf::from("src").join(&source), self.of_kind(&source)),
            (PathBuf::from(".gitignore"), self.of_language("gitignore")),
        ];
        for name in ["README.md", self.language.file(), &helpers] {
            files.push((PathBuf::from(name), self.of_language(name)));
        }
        files
    }

    fn of_kind(&self, name: &str) -> String {
        self.filled(text(&format!("{}/{name}", self.folder())))
    }

    fn of_language(&self, name: &str) -> String {
        self.filled(text(&format!("{}/{name}", self.language.word())))
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{{id}}", self.id).replace("{{name}}", self.name).replace("{{sdk}}", self.sdk)
    }
}

fn text(path: &str) -> &'static str {
    ALL.get_file(path).and_then(include_dir::File::contents_utf8).expect("the templates are tested to be there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;
    use patchbay_schemas::Manifest;

    #[test]
    fn every_template_is_whole_and_nothing_in_it_is_left_to_be_filled_in() {
        for (kind, language) in Kind::value_variants().iter().flat_map(|kind| Language::ALL.map(|it| (*kind, it))) {
            for is_member in [false, true] {
                let template = Template { kind, language, id: "acme", name: "Acme", sdk: "{ workspace = true }", is_member };
                let files = template.files();
                for (path, text) in &files {
                    assert!(!text.is_empty() && !text.contains("{{"), "{}", path.display());
                }
                let of = |path: &str| &files.iter().find(|it| it.0.as_os_str() == path).unwrap_or_else(|| panic!("{path}")).1;
                let manifest: Manifest = toml::from_str(of("connector.toml")).unwrap();
                assert_eq!((manifest.id.as_str(), manifest.name.as_str()), ("acme", "Acme"));
                assert!(files.iter().any(|it| it.0.starts_with("fixtures")), "{kind:?} {language:?}");
                assert!(!of(language.file()).is_empty() && !of("README.md").is_empty());
                if language == Language::Rust {
                    let package: toml::Table = of("Cargo.toml").parse().unwrap();
                    assert_eq!(package.contains_key("workspace"), !is_member);
                } else {
                    assert!(manifest.limits.memory_mib > 100, "an interpreter needs more than the default");
                    assert!(of(&format!("src/connector.{}", language.ending())).contains("patchbay"));
                }
            }
        }
    }
}
