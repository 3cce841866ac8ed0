//! `connector test --record`: a case against the live vendor, once, and what it answered as a cassette.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patchbay_schemas::manifest::Framing;

use crate::conformance::case::{Call, Case};
use crate::conformance::rig::Place;
use crate::conformance::scrub::Scrub;
use crate::failure::{Exit, Failure};
use crate::fields::Pair;
use crate::output::Out;
use patchbay_host::plugin::Connector;
use patchbay_host::plugin::cassette::Exchange;
use patchbay_host::plugin::network::Network;
use patchbay_host::setup;

/// Where the live vendor is, and with what.
#[derive(clap::Args)]
pub struct Record {
    /// Play the cases that --case names against the live vendor and write their cassettes: secrets and people are replaced
    ///
    /// Commands are really carried out, twice where they come again. Secrets come from `PATCHBAY_SECRET_<NAME>`.
    #[arg(long = "record", requires = "case")]
    pub is_wanted: bool,
    /// A property of the configuration, for the recording alone
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "is_wanted")]
    set: Vec<Pair>,
    /// A private network that may be reached: 10.0.0.0/8 or one address
    #[arg(long = "allow-network", value_name = "CIDR", requires = "is_wanted")]
    networks: Vec<Network>,
    /// How long to listen to a stream, which `CASE.opened.json` connects: what comes in becomes the case `CASE-heard`
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 10, requires = "is_wanted")]
    seconds: u64,
}

impl Record {
    /// Records one case; it is read anew afterwards.
    pub async fn case(&self, out: Out, connector: &Arc<Connector>, case: &Case, all: &[Case]) -> Result<(), Failure> {
        let manifest = &connector.manifest;
        let mut settings = case.settings.clone();
        for Pair { name, value } in &self.set {
            settings.config.insert(name.clone(), setup::typed(manifest, name, value));
        }
        for name in manifest.secrets() {
            if let Ok(value) = std::env::var(format!("PATCHBAY_SECRET_{}", name.to_uppercase())) {
                settings.secrets.insert(name.to_owned(), value);
            }
        }
        let due = Place::missing_secrets(manifest, &settings);
        if let Some(name) = due.first() {
            return Err(Failure::new(Exit::Usage, format!("the live vendor needs the secret `{name}`"))
                .help(format!("PATCHBAY_SECRET_{} in the environment holds it", name.to_uppercase())));
        }
        let failed = |error: crate::conformance::rig::RigError| Failure::new(Exit::Invalid, format!("{}: {error}", case.name));
        let place = Place::live(connector, &settings, self.networks.clone()).map_err(failed)?;
        place.come_before(case, all).await.map_err(failed)?;
        let first = place.record(&case.call).await;
        let again = match &case.call {
            Call::Execute(_) => place.record(&case.call.retried()).await,
            _ => Vec::new(),
        };
        let mut scrub = Scrub::new(case.own_text(), settings.secrets.into_values().collect());
        let (first, again) = (scrub.cassette(first), scrub.cassette(again));
        if matches!(case.call, Call::Opened) {
            let heard = place.listen(Duration::from_secs(self.seconds)).await.map_err(failed)?;
            let (framing, count) = (manifest.stream.as_ref().map(|it| it.framing).unwrap_or_default(), heard.len());
            write_frames(case, framing, &scrub.frames(heard))?;
            out.note(format!("{}: {count} frames recorded", case.name));
        }
        write(&case.beside("cassette.json"), &first)?;
        if !again.is_empty() {
            write(&case.beside("again.cassette.json"), &again)?;
        }
        out.note(format!(
            "{}: {} requests recorded{}, {} texts about people replaced; look the cassette over before you share it",
            case.name,
            first.len(),
            if again.is_empty() { String::new() } else { format!(" and {} when it came again", again.len()) },
            scrub.replaced()
        ));
        Ok(())
    }
}

/// What came in is a case of its own, with the settings of the one that connected.
fn write_frames(case: &Case, framing: Framing, frames: &[Vec<u8>]) -> Result<(), Failure> {
    let (ending, end) = if framing == Framing::Blocks { ("ami", "\r\n\r\n") } else { ("jsonl", "\n") };
    let heard = |ending: &str| case.expectation.with_file_name(format!("{}-heard.{ending}", case.name));
    let text: Vec<u8> = frames.iter().flat_map(|it| it.iter().copied().chain(end.bytes())).collect();
    let failed = |path: &Path, error: &std::io::Error| Failure::io(format!("{} cannot be written", path.display()), error);
    std::fs::write(heard(ending), text).map_err(|error| failed(&heard(ending), &error))?;
    let settings = case.beside("case.toml");
    if settings.is_file() {
        std::fs::copy(&settings, heard("case.toml")).map_err(|error| failed(&heard("case.toml"), &error))?;
    }
    Ok(())
}

fn write(path: &Path, exchanges: &[Exchange]) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(exchanges).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    let path: PathBuf = path.to_owned();
    std::fs::write(&path, text + "\n").map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))
}
