//! `bench`: how right and how fast this build is on a file of the reader's own.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use patchbay_identity::bench::{Report, rows, run};
use patchbay_identity::resolve::Settings;

use super::failure::{Exit, Failure};
use super::output::Out;

/// Measurements.
#[derive(Subcommand)]
pub enum Bench {
    /// Find out who is who in a labelled CSV with the shipped defaults, and compare with the labels
    Identity(Identity),
}

/// A labelled file: `record_id`, `cluster_id`, and any of `given_name`, `surname`, `full_name`, `phone`, `email`, `messenger_id`, `street`, `city`,
/// `postcode`, `state`, `country`, `birth_date`, `company`, `national_id`.
#[derive(Args)]
pub struct Identity {
    /// The CSV; its labels are used for scoring alone
    #[arg(long, value_name = "FILE")]
    labelled: PathBuf,
    /// ISO 3166 country of phones that are written without a country code
    #[arg(long, value_name = "COUNTRY", default_value = "")]
    region: String,
}

impl Bench {
    /// Measures and prints.
    pub fn run(self, out: Out) -> Result<(), Failure> {
        let Self::Identity(it) = self;
        let file = File::open(&it.labelled).map_err(|error| Failure::io(format!("{} cannot be opened", it.labelled.display()), &error))?;
        let malformed =
            |error: patchbay_identity::bench::LabelledError| Failure::new(Exit::Malformed, format!("{}: {error}", it.labelled.display()));
        let (report, _) = rows(BufReader::new(file))
            .and_then(|rows| run(rows, &Settings::shipped(&it.region.to_uppercase()), peak))
            .map_err(malformed)?;
        out.answer(&report, || human(&report))
    }
}

/// The most memory that this process ever held; none where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|it| it.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|it| it * 1024)
}

fn human(it: &Report) -> String {
    let pairs = |name: &str, it: patchbay_identity::bench::Pairs| {
        format!(
            "{name:24} precision {:.4}  recall {:.4}  F1 {:.4}  ({} of {} pairs right)\n",
            it.precision, it.recall, it.f1, it.right, it.found
        )
    };
    let mut text = format!("{} records, {} people found, {} in truth\n", it.records, it.clusters, it.true_clusters);
    text += &pairs("automatic merges", it.automatic);
    text += &pairs("with questions answered", it.with_answers);
    text += &format!("{} questions, {} of them about one person; {:.2} % of pairs\n", it.asked, it.asked_same, it.asked_share * 100.0);
    text += &format!("{:.0} records a second; median {:.0} us, 99 % below {:.0} us\n", it.records_per_second, it.p50_us, it.p99_us);
    text + &format!("everything anew in {:.2} s; at most {} MiB\n", it.bulk_seconds, it.peak_memory_bytes.unwrap_or(0) >> 20)
}
