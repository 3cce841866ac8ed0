//! Connectors in JavaScript and Python: the tools of their languages, and the world that each connector is made for.
//!
//! Both tools stub the whole of WASI inside the component (`--disable`, `--stub-wasi`), so such a component imports what a Rust one does
//! and no more: there is nothing that the host would have to refuse.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use patchbay_schemas::Manifest;
use ring::digest;

use crate::toolchain::ToolError;
use patchbay_host::plugin::contract::SPOKEN;

/// The contract that these connectors are made for.
const CONTRACT: &str = include_str!("../../../sdk/wit/v0.1.1/connector.wit");
/// What a connector may import.
const INTERFACES: [&str; 5] = ["host", "state", "http", "socket", "secrets"];
/// What no connector has: each is stubbed inside the component.
const DISABLED: [&str; 5] = ["stdio", "random", "clocks", "http", "fetch-event"];

/// A language that connectors are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by `ComponentizeJS`.
    Js,
    /// Python, by componentize-py.
    Python,
}

impl Language {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Rust, Self::Js, Self::Python];

    /// As it is written on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    /// The file by which a connector's folder shows its language.
    pub fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "package.json",
            Self::Python => "requirements.txt",
        }
    }

    /// How its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Rust => "rs",
            Self::Js => "js",
            Self::Python => "py",
        }
    }

    /// What brings its tool into a connector's folder. None: cargo does it by itself.
    pub fn install(self) -> Option<&'static str> {
        match self {
            Self::Rust => None,
            Self::Js => Some("npm install"),
            Self::Python => Some("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
        }
    }

    /// The language of a connector's folder.
    pub fn of(folder: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|it| folder.join(it.file()).is_file())
    }
}

/// Makes a component of a connector in JavaScript or Python, where its sources changed. It has no manifest inside yet.
pub fn build(language: Language, folder: &Path, manifest: &Manifest, quiet: bool) -> Result<PathBuf, ToolError> {
    let failed = |source: std::io::Error| ToolError::Language {
        said: format!("{} cannot be built: {source}", folder.display()),
        cure: "look whether its files can be read and build/ can be written".to_owned(),
    };
    let sources = sources(folder, language).map_err(failed)?;
    let world = world(language, manifest, &sources);
    let (place, wasm) = (folder.join("build"), folder.join("build/connector.wasm"));
    let (recipe, made_of) = (place.join("made-of"), fingerprint(&sources, &world));
    if wasm.is_file() && std::fs::read_to_string(&recipe).is_ok_and(|it| it == made_of) {
        return Ok(wasm);
    }
    let wit = place.join("wit");
    std::fs::create_dir_all(wit.join("deps/connector"))
        .and_then(|()| std::fs::write(wit.join("deps/connector/connector.wit"), CONTRACT))
        .and_then(|()| std::fs::write(wit.join("world.wit"), world))
        .map_err(failed)?;
    let out = place.join("component.wasm");
    let (mut tool, cure) = tool(language, folder)?;
    match language {
        Language::Js => {
            tool.arg("src/connector.js").args(["--world-name", "connector", "--wit"]).arg(&wit);
            tool.arg("--disable").args(DISABLED).arg("--out").arg(&out);
        }
        Language::Python | Language::Rust => {
            tool.arg("--quiet").arg("--wit-path").arg(&wit).args(["--world", "connector", "componentize", "--stub-wasi"]);
            tool.args(["--python-path", "src", "connector", "--output"]).arg(&out);
        }
    }
    let repeated = format!("{tool:?}");
    tool.current_dir(folder).stdin(Stdio::null());
    tool.stdout(if quiet { Stdio::null() } else { Stdio::from(std::io::stderr()) });
    let status =
        tool.status().map_err(|source| ToolError::Language { said: format!("{} cannot be started: {source}", language.word()), cure })?;
    if !status.success() {
        return Err(ToolError::Language {
            said: "the connector could not be built: the messages of its tool stand above".to_owned(),
            cure: format!("in its folder, {repeated} repeats it"),
        });
    }
    // A build that was cut off leaves no recipe, and so is done again.
    let _ = std::fs::remove_file(&recipe);
    std::fs::rename(&out, &wasm).and_then(|()| std::fs::write(&recipe, made_of)).map_err(failed)?;
    Ok(wasm)
}

/// The tool of a language, and what helps where it cannot be started.
fn tool(language: Language, folder: &Path) -> Result<(Command, String), ToolError> {
    if language == Language::Js {
        let script = folder.join("node_modules/@bytecodealliance/componentize-js/src/cli.js");
        if !script.is_file() {
            return Err(ToolError::Language {
                said: "ComponentizeJS is not installed in the connector's folder".to_owned(),
                cure: format!("`npm install` in {} installs it (Node.js 20 or later: https://nodejs.org)", folder.display()),
            });
        }
        let mut node = Command::new("node");
        node.arg(script);
        return Ok((node, "install Node.js 20 or later: https://nodejs.org".to_owned()));
    }
    let own = folder.join(".venv/bin/componentize-py");
    let cure =
        format!("`python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in {} installs componentize-py", folder.display());
    Ok((Command::new(if own.is_file() { own } else { PathBuf::from("componentize-py") }), cure))
}

/// The sources of a connector, by their names.
fn sources(folder: &Path, language: Language) -> std::io::Result<Vec<(String, String)>> {
    let mut found = vec![(language.file().to_owned(), std::fs::read_to_string(folder.join(language.file()))?)];
    let mut folders = vec![folder.join("src")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == language.ending()) {
                found.push((path.display().to_string(), std::fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn fingerprint(sources: &[(String, String)], world: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in sources.iter().flat_map(|(name, text)| [name.as_str(), text]).chain([world, CONTRACT]) {
        context.update(&part.len().to_le_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

/// The world of a connector: what its manifest declares, and the interfaces that its sources name. Whatever it does not name it cannot reach.
fn world(language: Language, manifest: &Manifest, sources: &[(String, String)]) -> String {
    let version = SPOKEN[SPOKEN.len() - 1];
    let names = |interface: &str| sources.iter().any(|(_, text)| imports(language, text, interface));
    let check = if language == Language::Js { "export const check" } else { "class Check" };
    let has_check = sources.iter().any(|(_, text)| text.lines().any(|it| it.starts_with(check)));
    let abilities = [
        ("webhook", manifest.webhook.is_some()),
        ("polling", manifest.polling.is_some()),
        // A word of WIT's own.
        ("%stream", manifest.stream.is_some()),
        ("commands", manifest.commands.is_some()),
        ("check", has_check),
    ];
    let mut text = "package patchbay:app;\n\nworld connector {\n".to_owned();
    for interface in INTERFACES.into_iter().filter(|it| names(it)) {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  import patchbay:connector/{interface}@{version};");
    }
    for (ability, _) in abilities.into_iter().filter(|it| it.1) {
        let _ = writeln!(text, "  export patchbay:connector/{ability}@{version};");
    }
    text + "}\n"
}

/// Whether a source imports an interface: `'patchbay:connector/http@…'` in JavaScript, `from wit_world.imports import http` in Python.
fn imports(language: Language, text: &str, interface: &str) -> bool {
    if language == Language::Js {
        return text.contains(&format!("patchbay:connector/{interface}@"));
    }
    text.lines().filter(|it| it.contains("wit_world.imports")).any(|line| {
        let mut words = line.split(|it: char| !(it.is_alphanumeric() || it == '_'));
        words.any(|it| it == interface)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(sections: &str) -> Manifest {
        let head = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.1'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n";
        toml::from_str(&format!("{head}{sections}")).unwrap()
    }

    #[test]
    fn a_world_has_what_the_manifest_declares_and_the_sources_name() {
        let js = "import { send } from 'patchbay:connector/http@0.1.1';\nexport const check = {};\n";
        let text = world(Language::Js, &manifest("[webhook]"), &[("a.js".to_owned(), js.to_owned())]);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|it| it.ends_with(';')).skip(1).collect();
        assert_eq!(
            lines,
            ["import patchbay:connector/http@0.1.1;", "export patchbay:connector/webhook@0.1.1;", "export patchbay:connector/check@0.1.1;"]
        );
        let python = "from wit_world.imports import state, secrets\n# http\n";
        let text = world(Language::Python, &manifest("[commands]\nkinds = ['message.send']"), &[("a.py".to_owned(), python.to_owned())]);
        assert!(text.contains("/state@") && text.contains("/secrets@") && !text.contains("/http@"), "{text}");
        assert!(text.contains("export patchbay:connector/commands@") && !text.contains("check@") && !text.contains("webhook@"), "{text}");
        let text = world(Language::Js, &manifest("[stream]"), &[]);
        assert!(text.contains("export patchbay:connector/%stream@"), "{text}");
    }

    #[test]
    fn the_contract_that_is_brought_along_is_the_newest() {
        assert!(CONTRACT.contains(&format!("package patchbay:connector@{};", SPOKEN[SPOKEN.len() - 1])));
    }
}
