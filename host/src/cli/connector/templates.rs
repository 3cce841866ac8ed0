//! The templates of `connector new`, compiled in from `sdk/templates`.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

static ALL: Dir = include_dir!("$CARGO_MANIFEST_DIR/../sdk/templates");

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
    /// `{{id}}`
    pub id: &'a str,
    /// `{{name}}`
    pub name: &'a str,
    /// `{{sdk}}`: the dependency as TOML.
    pub sdk: &'a str,
    /// True: it becomes a member of the workspace that it lies in, which has the profile and the linker.
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
        let kind = self.kind.word();
        let mut package = self.common("package.toml");
        let mut files = vec![
            (PathBuf::from("connector.toml"), self.filled(text(&format!("{kind}/connector.toml")))),
            (PathBuf::from("src/lib.rs"), text(&format!("{kind}/lib.rs")).to_owned()),
            (PathBuf::from("README.md"), self.common("README.md")),
        ];
        if !self.is_member {
            package += text("common/workspace.toml");
            files.push((PathBuf::from(".cargo/config.toml"), self.common("cargo_config.toml")));
            files.push((PathBuf::from(".gitignore"), self.common("gitignore")));
        }
        files.push((PathBuf::from("Cargo.toml"), package));
        let fixtures = ALL.get_dir(format!("{kind}/fixtures")).into_iter().flat_map(Dir::files);
        files.extend(fixtures.map(|it| {
            let path = it.path().strip_prefix(kind).unwrap_or(it.path()).to_owned();
            (path, it.contents_utf8().unwrap_or_default().to_owned())
        }));
        files
    }

    fn common(&self, name: &str) -> String {
        self.filled(text(&format!("common/{name}")))
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
        for kind in Kind::value_variants() {
            for is_member in [false, true] {
                let template = Template { kind: *kind, id: "acme", name: "Acme", sdk: "{ workspace = true }", is_member };
                let files = template.files();
                for (path, text) in &files {
                    assert!(!text.is_empty() && !text.contains("{{"), "{}", path.display());
                }
                let of = |path: &str| &files.iter().find(|it| it.0.as_os_str() == path).unwrap_or_else(|| panic!("{path}")).1;
                let manifest: Manifest = toml::from_str(of("connector.toml")).unwrap();
                assert_eq!((manifest.id.as_str(), manifest.name.as_str()), ("acme", "Acme"));
                let package: toml::Table = of("Cargo.toml").parse().unwrap();
                assert_eq!(package.contains_key("workspace"), !is_member);
                assert!(files.iter().any(|it| it.0.starts_with("fixtures")), "{kind:?}");
            }
        }
    }
}
