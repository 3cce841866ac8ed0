//! `connector test`: a connector's fixtures through the real `.wasm` in the real plugin host, without a network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::build;
use super::record::Record;
use super::report::{Ended, Report};
use crate::conformance::budget::Budget;
use crate::conformance::case::Case;
use crate::conformance::fixture;
use crate::conformance::rig::{Outcome, Place, Played, RigError};
use crate::conformance::{expectation, suite};
use crate::failure::{Exit, Failure};
use crate::files::{Here, ScratchCache};
use crate::logging;
use crate::output::{Out, complain, print};
use patchbay_host::catalogue;
use patchbay_host::plugin::{Artifact, Connector, Runtime, Usage};

/// Play a connector's fixtures through it, as the hub would, without a network
///
/// Each case shows its fuel (instructions, the same on every machine), most memory, host calls and time. budget.toml in the connector's
/// folder is obeyed where it is there.
#[derive(clap::Args)]
pub struct Test {
    /// The connector's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Test this .wasm instead of building the folder
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Only cases whose name has this in it
    #[arg(long, value_name = "PART")]
    case: Option<String>,
    /// Accept what comes out: write expectations (and budget.toml, where it is there) anew after showing the difference
    #[arg(long)]
    update: bool,
    /// Begin a budget.toml with what is used now
    #[arg(long)]
    budget: bool,
    /// Which hostile bodies are tried: the same number, the same bodies
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    record: Record,
}

impl Test {
    pub async fn run(self, here: &Here) -> Result<(), Failure> {
        logging::start_for_command();
        let out = here.out;
        let artifact = match &self.wasm {
            Some(path) => catalogue::read(path)?,
            None => build::build(&self.folder, out)?.artifact,
        };
        let size = artifact.wasm.len() as u64;
        let mut all = fixture::read(&self.folder.join("fixtures"))?;
        let mut chosen = self.chosen(&all);
        if chosen.is_empty() {
            return Err(nothing(&self.folder, self.case.as_deref()));
        }
        let connector = load(here, artifact.clone()).await?;
        if self.record.is_wanted {
            for case in &chosen {
                self.record.case(out, &connector, case, &all).await?;
            }
            all = fixture::read(&self.folder.join("fixtures"))?;
            chosen = self.chosen(&all);
        }
        let mut ended = Vec::new();
        for case in chosen {
            ended.push(self.play(out, &connector, case, &all).await?);
        }
        let grown = self.weigh(out, size, &ended)?;
        // A part of the cases says nothing about the whole.
        let checks = match self.case {
            Some(_) => Vec::new(),
            None => suite::run(&artifact, &connector, &all, self.seed).await.map_err(|error| unplayable("of the suite", &error))?,
        };
        let report = Report { connector: &connector, size, cases: &ended, checks: &checks, grown: &grown };
        report.show(out)?;
        report.verdict(self.update)
    }

    fn chosen<'a>(&self, all: &'a [Case]) -> Vec<&'a Case> {
        all.iter().filter(|it| self.case.as_ref().is_none_or(|part| it.name.contains(part.as_str()))).collect()
    }

    async fn play(&self, out: Out, connector: &Arc<Connector>, case: &Case, all: &[Case]) -> Result<Ended, Failure> {
        let place = Place::of(connector, case, all).await.map_err(|error| unplayable(&case.name, &error))?;
        let played = place.play_case(case).await;
        let mut faults = expectation::unacceptable(&played);
        let found = expectation::document(&played.outcome, case.expected.as_ref());
        let difference = expectation::difference(case.expected.as_ref(), &found);
        let mut is_updated = false;
        if !difference.is_empty() && faults.is_empty() {
            if self.update {
                show(out, &format!("{}: accepted\n{difference}", case.name));
                write_json(&case.expectation, &found)?;
                is_updated = true;
            } else if case.expected.is_none() {
                faults.push(format!("nothing says what must come out of it. What came out:\n{difference}"));
            } else {
                faults.push(format!("something else came out{}:\n{difference}", said(&played)));
            }
        }
        Ok(Ended { name: case.name.clone(), usage: played.usage, time_us: played.time.as_micros(), faults, is_updated })
    }

    /// Compares with the budget, or writes it. What grew, in words.
    fn weigh(&self, out: Out, size: u64, ended: &[Ended]) -> Result<Vec<String>, Failure> {
        let path = self.folder.join("budget.toml");
        if !path.is_file() && !self.budget {
            return Ok(Vec::new());
        }
        let used: BTreeMap<String, Usage> = ended.iter().map(|it| (it.name.clone(), it.usage)).collect();
        let text = if path.is_file() {
            std::fs::read_to_string(&path).map_err(|error| Failure::io(path.display(), &error))?
        } else {
            String::new()
        };
        let budget =
            Budget::parse(&text).map_err(|error| Failure::new(Exit::Invalid, format!("{} is not valid: {error}", path.display())))?;
        if !self.update && path.is_file() {
            return Ok(budget
                .growth(size, &used)
                .iter()
                .map(|it| format!("{} is {}, budget.toml allows {}", it.what, it.found, it.allowed))
                .collect());
        }
        if self.case.is_some() {
            return Err(Failure::new(Exit::Usage, "a budget is written for all cases together").help("leave --case out"));
        }
        let next = Budget::of(size, used);
        // What still fits is left as it is: the tenth to spare must not creep upwards.
        let next = if budget.growth(size, &next.cases).is_empty() && budget.cases.len() == next.cases.len() && budget.size.is_some() {
            budget
        } else {
            next
        };
        if next.text() != text {
            show(out, &format!("budget.toml: accepted\n{}", expectation::lines(&text, &next.text())));
            std::fs::write(&path, next.text()).map_err(|error| Failure::io(path.display(), &error))?;
        }
        Ok(Vec::new())
    }
}

/// Compiles it on an engine that measures.
async fn load(here: &Here, artifact: Artifact) -> Result<Arc<Connector>, Failure> {
    let scratch = ScratchCache::find(&here.config()?);
    let runtime = Runtime::measuring(scratch.cache.clone())
        .map_err(|error| Failure::new(Exit::Unexpected, format!("the plugin host cannot start: {error:#}")))?;
    // The time of the first case is its own.
    patchbay_host::reading::warm_up();
    let id = artifact.manifest.id.clone();
    let connector = runtime.load(artifact).await.map_err(|source| catalogue::CatalogueError::Load { id, source })?;
    Ok(Arc::new(connector))
}

/// The connector's own words, where it failed: an expectation compares the code alone.
fn said(played: &Played) -> String {
    let messages: Vec<&str> = match &played.outcome {
        Outcome::Failed(failure) => vec![failure.message.as_str()],
        Outcome::Receipts(receipts) => receipts.iter().filter_map(|it| it.as_ref().err()).map(|it| it.message.as_str()).collect(),
        _ => Vec::new(),
    };
    if messages.is_empty() { String::new() } else { format!(" (it said: {})", messages.join("; ")) }
}

/// Differences are for people: beside JSON they go to stderr.
fn show(out: Out, text: &str) {
    if out.json {
        complain(text);
    } else {
        // Nobody reads on: the answer that follows says so.
        let _ = print(&format!("{text}\n"));
    }
}

fn write_json(path: &Path, document: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))
}

fn nothing(folder: &Path, part: Option<&str>) -> Failure {
    let place = folder.join("fixtures");
    match part {
        Some(part) => Failure::new(Exit::NotFound, format!("no case in {} has `{part}` in its name", place.display())),
        None => Failure::new(Exit::NotFound, format!("there are no cases in {}", place.display()))
            .help("put a body that the vendor posts there, such as fixtures/hello.json, and run it with --update"),
    }
}

fn unplayable(case: &str, error: &RigError) -> Failure {
    Failure::new(Exit::Invalid, format!("the case {case} cannot be played: {error}"))
        .help("the settings of a case stand in fixtures/<case>.case.toml, those of all in fixtures/case.toml; sdk/README.md lists them")
}

impl From<fixture::FixtureError> for Failure {
    fn from(error: fixture::FixtureError) -> Self {
        Self::new(Exit::Invalid, error.to_string()).help("sdk/README.md lists the files of fixtures/ and what stands in them")
    }
}
