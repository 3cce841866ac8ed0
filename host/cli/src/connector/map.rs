//! `connector map`: what one delivery becomes, by the real `.wasm` in the real host, without database and network.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patchbay_schemas::manifest::Framing;
use patchbay_schemas::{Event, Manifest, Outline, Timestamp};
use serde_json::{Map, Value};

use crate::conformance::fixture;
use crate::failure::{Exit, Failure};
use crate::fields::{Pair, read_object};
use crate::files::{Here, ScratchCache};
use crate::logging;
use crate::output::print;
use patchbay_host::catalogue::{self, Catalogue, CatalogueError};
use patchbay_host::clock::Clock;
use patchbay_host::pace::Pace;
use patchbay_host::plugin::outbound::Outbound;
use patchbay_host::plugin::state::StateKeeper;
use patchbay_host::plugin::{Artifact, Header, Instances, Randomness, Request, Surroundings, compose};
use patchbay_host::reading::{self, Answer};
use patchbay_host::rules::ingest::Reading;
use patchbay_host::rules::verify::{Presented, verify};
use patchbay_host::secrets::SecretValue;
use patchbay_host::setup;
use patchbay_host::stream::framing;

/// Where connectors lie after `cargo build` in a checkout.
const BUILT: &str = "target/wasm32-unknown-unknown/connector";

/// Show what one delivery becomes: JSON with one object for each event
///
/// Of a connector with a stream and no webhook the body is a frame, an `.ami` file its blocks, a `.jsonl` file its lines.
///
/// The real .wasm runs in the real host, without a database and without a network. Configuration that is not given takes its defaults.
#[derive(clap::Args)]
pub struct MapArgs {
    /// A connector's id, or the path of a .wasm
    connector: String,
    /// The body, byte for byte (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// A header of the request; without a content type, the file's ending decides
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// The request's method
    #[arg(long, default_value = "POST")]
    method: String,
    /// The address that the vendor posted to; what follows `/in/<connection>` is the connector's
    #[arg(long)]
    url: Option<String>,
    /// The connection's configuration, JSON or TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A secret of the connection
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<Pair>,
    /// Check the signature first, as the manifest says
    #[arg(long)]
    verify: bool,
    /// What the connector takes for the present time, RFC 3339
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
}

impl MapArgs {
    pub async fn run(self, here: &Here) -> Result<(), Failure> {
        logging::start_for_command();
        let config = here.config()?;
        let scratch = ScratchCache::find(&config);
        let catalogue = Here::catalogue(&config, scratch.cache.clone())?;
        let artifact = find(&catalogue, &self.connector)?;
        let manifest = artifact.manifest.clone();
        let streams = !artifact.abilities().contains(&"webhook") && artifact.abilities().contains(&"stream");
        if !streams && !artifact.abilities().contains(&"webhook") {
            return Err(Failure::new(
                Exit::Refused,
                format!("the connector `{}` takes no deliveries: it exports neither `webhook` nor `stream`", manifest.id),
            )
            .help(format!("it exports: {}", artifact.abilities().join(", "))));
        }
        let request = self.request()?;
        let (config, secrets) = self.setup(&manifest)?;
        if self.verify {
            check(&manifest, &request, &secrets)?;
        }
        let connector = catalogue.load(artifact).await?;
        let surroundings = Surroundings {
            connection: "map".to_owned(),
            manifest: Arc::clone(&connector.manifest),
            config_text: config.to_string(),
            config,
            secrets,
            uses: Arc::default(),
            tokens: None,
            outbound: Outbound::Closed,
            pace: Pace::default(),
            state: StateKeeper::in_memory(),
            clock: self.now.map_or(Clock::System, Clock::at),
            random: Randomness::System,
            journal: Arc::default(),
        };
        let instances = Instances::new(connector, Arc::new(surroundings));
        let read = if streams {
            reading::of_frames(&instances, &frames(&self.body, request.body)).await
        } else {
            reading::of(&instances, &request).await
        };
        let outlines = outlines(read.reading, &read.answer)?;
        let text = serde_json::to_string_pretty(&outlines).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        print(&(text + "\n"))
    }

    fn request(&self) -> Result<Request, Failure> {
        let body = read_body(&self.body)?;
        let mut headers = self.headers.clone();
        if !headers.iter().any(|it| it.name == "content-type") {
            headers.extend(fixture::content_type(&self.body).map(|it| Header { name: "content-type".to_owned(), value: it.to_owned() }));
        }
        let (path, query) = self.url.as_deref().map_or_else(Default::default, place);
        Ok(Request { method: self.method.to_uppercase(), path, query, headers, body })
    }

    /// The configuration and the secrets: what is given must be right, what is not given takes its default, and nothing counts as missing.
    fn setup(&self, manifest: &Manifest) -> Result<(Value, BTreeMap<String, SecretValue>), Failure> {
        let given = self.config.as_deref().map_or_else(|| Ok(Map::new()), read_object)?;
        let mut checked = setup::check(&setup::lenient(manifest), given)?;
        let known = manifest.secrets();
        for Pair { name, value } in &self.secrets {
            if !known.contains(&name.as_str()) {
                return Err(Failure::new(Exit::Invalid, format!("the connector `{}` has no secret `{name}`", manifest.id))
                    .help(format!("its secrets: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })));
            }
            checked.secrets.insert(name.clone(), SecretValue::new(value.clone()));
        }
        compose(manifest, &checked.config, &mut checked.secrets);
        Ok((checked.config, checked.secrets))
    }
}

/// A path of a `.wasm`, an installed connector, or one that was built in this checkout.
pub fn find(catalogue: &Catalogue, wanted: &str) -> Result<Artifact, Failure> {
    let path = Path::new(wanted);
    if wanted.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some_and(|it| it == "wasm") {
        return Ok(catalogue::read(path)?);
    }
    match catalogue.artifact(wanted) {
        Err(CatalogueError::Unknown { .. }) if Path::new(BUILT).join(wanted).with_extension("wasm").is_file() => {
            Ok(catalogue::read(&Path::new(BUILT).join(wanted).with_extension("wasm"))?)
        }
        found => Ok(found?),
    }
}

fn check(manifest: &Manifest, request: &Request, secrets: &BTreeMap<String, SecretValue>) -> Result<(), Failure> {
    let Some(webhook) = &manifest.webhook else { return Ok(()) };
    let headers: Vec<(String, String)> = request.headers.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
    let presented = Presented { method: &request.method, headers: &headers, query: &request.query, body: &request.body };
    verify(&webhook.verify, &presented, |name| secrets.get(name).map(SecretValue::reveal))
        .map_err(|error| Failure::new(Exit::Unsigned, format!("the delivery is not the vendor's: {error}")))
}

fn outlines(reading: Reading, answer: &Answer) -> Result<Vec<Outline>, Failure> {
    let events = match reading {
        Reading::Events(events) => events,
        Reading::Refused(reason) | Reading::Dead(reason) => {
            let exit = match answer {
                Answer::Broken | Answer::Busy => Exit::Unexpected,
                // Some signatures only the connector itself can check.
                _ if reason.starts_with("signature.") => Exit::Unsigned,
                _ => Exit::Malformed,
            };
            return Err(Failure::new(exit, reason));
        }
    };
    let (mut outlines, mut faults) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        match event.body {
            Ok(body) => outlines.push(Outline::of(&Event { id: event.key, occurred_at: event.occurred_at, body })),
            Err(fault) => faults.push(format!("the event `{}` ({}) does not fit its schema: {fault}", event.key, event.kind)),
        }
    }
    if faults.is_empty() { Ok(outlines) } else { Err(Failure::new(Exit::Malformed, faults.join("\n"))) }
}

fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map_err(|error| Failure::io("the body cannot be read", &error))?;
        return Ok(body);
    }
    std::fs::read(path).map_err(|error| Failure { exit: Exit::Usage, ..Failure::io(format!("{} cannot be read", path.display()), &error) })
}

/// The frames that a file holds for a connector with a stream: blocks of an `.ami`, lines of a `.jsonl`, else one.
fn frames(file: &Path, body: Vec<u8>) -> Vec<Vec<u8>> {
    match file.extension().and_then(|it| it.to_str()) {
        Some("ami") => framing::cut(Framing::Blocks, &body),
        Some("jsonl") => framing::cut(Framing::Lines, &body),
        _ => vec![body],
    }
}

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("a header is written as `Name: value`")?;
    Ok(Header { name: name.trim().to_lowercase(), value: value.trim().to_owned() })
}

/// What the connector sees of an address: the path after `/in/<connection>` (the whole path where that is not in it), and the query.
fn place(url: &str) -> (String, String) {
    let url = url.split('#').next().unwrap_or_default();
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let own = match path.split_once("/in/") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => path,
    };
    (own.to_owned(), query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connector_sees_what_follows_its_own_address() {
        let seen = |url: &str| place(url);
        assert_eq!(seen("https://hub.example/in/x/crm/deleted?a=1&b=2"), ("/crm/deleted".to_owned(), "a=1&b=2".to_owned()));
        assert_eq!(seen("https://hub.example/in/x"), (String::new(), String::new()));
        assert_eq!(seen("https://hub.example/in/x?a=/b/"), (String::new(), "a=/b/".to_owned()));
        assert_eq!(seen("https://hub.example/hook/7"), ("/hook/7".to_owned(), String::new()));
        assert_eq!(seen("/in/x/y"), ("/y".to_owned(), String::new()));
        assert_eq!(seen("https://hub.example"), (String::new(), String::new()));
    }

    #[test]
    fn a_header_has_a_name_in_lower_case_and_a_value() {
        let it = header("X-Signature:  a:b ").unwrap();
        assert_eq!((it.name.as_str(), it.value.as_str()), ("x-signature", "a:b"));
        assert!(header("nothing").is_err());
    }

    #[test]
    fn nothing_is_missing_but_what_is_given_must_be_right() {
        let text = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
                    [config]\nrequired = ['base']\n[config.properties.base]\ntype = 'string'\n[config.properties.mode]\nenum = ['a', 'b']\ndefault = 'b'\n\
                    [config.if]\nproperties.mode.const = 'b'\n[config.then]\nrequired = ['token']";
        let manifest = setup::lenient(&toml::from_str(text).unwrap());
        assert_eq!(setup::check(&manifest, Map::new()).unwrap().config, serde_json::json!({ "mode": "b" }));
        let wrong = serde_json::json!({ "mode": "c" });
        assert!(setup::check(&manifest, wrong.as_object().unwrap().clone()).is_err());
    }

    #[test]
    fn a_failure_of_the_connector_is_told_apart() {
        let exit = |reading, answer| outlines(reading, &answer).unwrap_err().exit;
        let refused = |reason: &str| (Reading::Refused(reason.to_owned()), Answer::Refused(reason.to_owned()));
        let (reading, answer) = refused("webform.json: line 1");
        assert_eq!(exit(reading, answer), Exit::Malformed);
        let (reading, answer) = refused("signature.refused: not signed");
        assert_eq!(exit(reading, answer), Exit::Unsigned);
        assert_eq!(exit(Reading::Dead("connector.trap: x".to_owned()), Answer::Broken), Exit::Unexpected);
    }
}
