//! Names and values on the command line, and what is asked for on the terminal: a connection's configuration and secrets.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use patchbay_schemas::Manifest;
use serde_json::{Map, Value};

use super::failure::{Exit, Failure};
use super::output::{ask, clean, complain};
use patchbay_host::rules::schema::Schema;
use patchbay_host::setup;

/// `name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    pub value: String,
}

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
        if name.trim().is_empty() {
            return Err("there is no name before the `=`");
        }
        Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
    }
}

/// What a connection is configured with, and where its secrets come from.
#[derive(clap::Args)]
pub struct Fields {
    /// A property of the configuration; lists as a,b, objects as JSON
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<Pair>,
    /// The configuration as a file, JSON or TOML; --set wins over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask for this secret too, or take it from `PATCHBAY_SECRET_<NAME>`; required ones are asked for anyway
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    /// A file that holds a secret and nothing else
    #[arg(long = "secret-file", value_name = "NAME=PATH")]
    secret_files: Vec<Pair>,
    /// Read secrets from stdin, one name=value a line
    #[arg(long)]
    secrets_stdin: bool,
    /// A private network that the connection may reach: 10.0.0.0/8 or one address
    #[arg(long = "allow-network", value_name = "CIDR")]
    pub networks: Vec<String>,
}

/// A secret's name; a value that stands there too is not repeated, which clap's own errors would do.
fn bare_name(text: &str) -> Result<&str, Failure> {
    match text.split_once('=') {
        Some((name, _)) => Err(kept_in_history("--secret takes a name, not a value: the value", name)),
        None => Ok(text),
    }
}

fn kept_in_history(what: &str, name: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{what} would stay in the shell's history")).help(other_ways(name))
}

fn other_ways(name: &str) -> String {
    format!(
        "`--secret {name}` asks for it on a terminal; PATCHBAY_SECRET_{}, --secret-file and --secrets-stdin suit scripts",
        name.to_uppercase()
    )
}

impl Fields {
    /// Everything that was given, secrets among it. What is already `there` (of an existing connection) is not missing.
    pub fn gather(&self, manifest: &Manifest, there: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
        let known = manifest.secrets();
        let mut given = self.config.as_deref().map_or_else(|| Ok(Map::new()), read_object)?;
        for Pair { name, value } in &self.set {
            if known.contains(&name.as_str()) {
                return Err(kept_in_history(&format!("`{name}` is a secret: its value"), name));
            }
            given.insert(name.clone(), setup::typed(manifest, name, value));
        }
        for (name, value) in self.secrets_from_outside(&known)? {
            given.insert(name, Value::String(value));
        }
        let is_terminal = std::io::stdin().is_terminal() && !self.secrets_stdin;
        for name in &self.secrets {
            let name = bare_name(name)?;
            known_secret(&known, name)?;
            if !given.contains_key(name) {
                if !is_terminal {
                    return Err(nobody_to_ask(name));
                }
                given.insert(name.to_owned(), ask_property(manifest, name, true)?);
            }
        }
        if is_terminal {
            ask_what_is_missing(manifest, there, &mut given)?;
        } else if let Some(name) = missing(manifest, there, &given).into_iter().find(|it| known.contains(&it.as_str())) {
            return Err(nobody_to_ask(&name));
        }
        Ok(given)
    }

    /// Secrets from files, stdin and the environment, the former first.
    fn secrets_from_outside(&self, known: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
        let mut found = BTreeMap::new();
        for name in known {
            if let Ok(value) = std::env::var(format!("PATCHBAY_SECRET_{}", name.to_uppercase())) {
                found.insert((*name).to_owned(), value);
            }
        }
        if self.secrets_stdin {
            for line in std::io::stdin().lock().lines() {
                let line = line.map_err(|error| Failure::io("the secrets cannot be read from stdin", &error))?;
                if !line.trim().is_empty() {
                    // The line is not quoted: it may be the secret itself.
                    let pair: Pair = line.parse().map_err(|_| Failure::new(Exit::Usage, "a line on stdin is not name=value"))?;
                    known_secret(known, &pair.name)?;
                    found.insert(pair.name, pair.value.trim_end_matches('\r').to_owned());
                }
            }
        }
        for Pair { name, value: path } in &self.secret_files {
            known_secret(known, name)?;
            let text = std::fs::read_to_string(path).map_err(|error| Failure::io(format!("{path} cannot be read"), &error))?;
            found.insert(name.clone(), text.trim_end_matches(['\r', '\n']).to_owned());
        }
        Ok(found)
    }
}

fn known_secret(known: &[&str], name: &str) -> Result<(), Failure> {
    if known.contains(&name) {
        return Ok(());
    }
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Failure::new(Exit::Invalid, format!("this connector has no secret `{name}`")).help(format!("its secrets: {list}")))
}

fn nobody_to_ask(name: &str) -> Failure {
    Failure::new(Exit::Invalid, format!("the secret `{name}` is not given, and there is no terminal to ask on")).help(other_ways(name))
}

fn ask_what_is_missing(manifest: &Manifest, there: &Map<String, Value>, given: &mut Map<String, Value>) -> Result<(), Failure> {
    // An answer may make another property necessary.
    loop {
        let missing = missing(manifest, there, given);
        if missing.is_empty() {
            return Ok(());
        }
        for name in missing {
            let is_secret = manifest.secrets().contains(&name.as_str());
            given.insert(name.clone(), ask_property(manifest, &name, is_secret)?);
        }
    }
}

/// Known properties that the schema calls required and that are not there.
fn missing(manifest: &Manifest, there: &Map<String, Value>, given: &Map<String, Value>) -> Vec<String> {
    let mut config = there.clone();
    config.extend(given.clone());
    if let Value::Object(defaults) = setup::defaults(manifest) {
        for (name, value) in defaults {
            config.entry(name).or_insert(value);
        }
    }
    let config = Value::Object(config);
    let Ok(schema) = Schema::new(&manifest.config) else { return Vec::new() };
    let required = schema.breaches(&config).filter(|it| it.at().is_empty()).filter_map(|it| it.missing().map(str::to_owned));
    required.filter(|it| manifest.config.pointer(&format!("/properties/{it}")).is_some()).collect()
}

fn ask_property(manifest: &Manifest, name: &str, is_secret: bool) -> Result<Value, Failure> {
    let property = manifest.config.pointer(&format!("/properties/{name}")).cloned().unwrap_or_default();
    let text = |key: &str| property.get(key).and_then(Value::as_str);
    complain(&format!("{} ({name})", text("title").unwrap_or(name)));
    if let Some(description) = text("description") {
        complain(&format!("  {description}"));
    }
    if let Some(allowed) = property.get("enum") {
        complain(&format!("  one of {}", list(allowed)));
    }
    loop {
        let answer = if is_secret {
            rpassword::prompt_password(format!("  {name} (not shown): "))
                .map_err(|error| Failure::io("the secret cannot be read", &error))?
        } else {
            ask(&format!("  {name}: "))?
        };
        let answer = answer.trim();
        if answer.is_empty() {
            complain("  it is required");
            continue;
        }
        let value = if is_secret { Value::String(answer.to_owned()) } else { setup::typed(manifest, name, answer) };
        match fault(&property, &value, is_secret) {
            None => return Ok(value),
            Some(fault) => complain(&format!("  {}", clean(&fault))),
        }
    }
}

fn fault(property: &Value, value: &Value, is_secret: bool) -> Option<String> {
    let schema = Schema::new(property).ok()?;
    let breach = schema.breaches(value).next()?;
    Some(if is_secret { breach.masked() } else { breach.problem() })
}

/// The values of a JSON list, as words.
pub fn list(values: &Value) -> String {
    let word = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    values.as_array().map(|it| it.iter().map(word).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// A JSON or TOML file that holds one object.
pub fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure { exit: Exit::Usage, ..Failure::io(format!("{} cannot be read", path.display()), &error) })?;
    let parsed: Result<Value, String> = if path.extension().is_some_and(|it| it == "toml") {
        toml::from_str(&text).map_err(|error| error.to_string())
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    match parsed {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::new(Exit::Invalid, format!("{}: it is not an object", path.display()))),
        Err(error) => Err(Failure::new(Exit::Invalid, format!("{}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
                    [config]\nrequired = ['token']\n[config.properties.token]\ntype = 'string'\nwriteOnly = true\n\
                    [config.properties.mode]\nenum = ['a', 'b']\ndefault = 'a'\n[config.properties.key]\ntype = 'string'\nwriteOnly = true\n\
                    [config.if]\nproperties.mode.const = 'b'\n[config.then]\nrequired = ['key']";
        toml::from_str(text).unwrap()
    }

    fn fields(set: &[&str]) -> Fields {
        let set = set.iter().map(|it| it.parse().unwrap()).collect();
        Fields { set, config: None, secrets: Vec::new(), secret_files: Vec::new(), secrets_stdin: false, networks: Vec::new() }
    }

    #[test]
    fn a_pair_splits_at_the_first_equals_sign() {
        assert_eq!("a=b=c".parse(), Ok(Pair { name: "a".to_owned(), value: "b=c".to_owned() }));
        assert!("a".parse::<Pair>().is_err() && "=b".parse::<Pair>().is_err());
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let failure = fields(&["token=hunter2"]).gather(&manifest(), &Map::new()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(!format!("{failure:?}").contains("hunter2") && failure.help.unwrap().contains("PATCHBAY_SECRET_TOKEN"));
        let failure = bare_name("token=hunter2").unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }

    #[test]
    fn an_answer_may_make_another_property_necessary() {
        let config = |value: Value| value.as_object().unwrap().clone();
        assert_eq!(missing(&manifest(), &Map::new(), &Map::new()), ["token"]);
        assert_eq!(missing(&manifest(), &Map::new(), &config(serde_json::json!({ "token": "1", "mode": "b" }))), ["key"]);
        assert!(missing(&manifest(), &Map::new(), &config(serde_json::json!({ "token": "1" }))).is_empty());
    }

    #[test]
    fn a_wrong_answer_is_told_without_the_secret() {
        let property = serde_json::json!({ "type": "string", "pattern": "^[0-9]+$" });
        let told = fault(&property, &"hunter2".into(), true).unwrap();
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(fault(&property, &"12".into(), true), None);
    }
}
