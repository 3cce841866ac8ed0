//! `cargo run --release -p patchbay-identity --example bench -- FILE.csv… [--region RU] [--weights FILE] [--wrong N [--no-missed]] [--short]`

use std::fs::File;

use patchbay_identity::bench::{Labelled, record_id, rows, run};
use patchbay_identity::resolve::Settings;
use patchbay_identity::weights::Weights;

fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|it| it.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|it| it * 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    let mut settings = Settings::shipped("");
    let (mut wrong, mut short, mut missed) = (0, false, true);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--region" => settings.region = arguments.next().ok_or("--region needs a value")?,
            "--weights" => settings.weights = Weights::parse(&std::fs::read_to_string(arguments.next().ok_or("--weights needs a file")?)?)?,
            "--wrong" => wrong = arguments.next().ok_or("--wrong needs a number")?.parse()?,
            "--short" => short = true,
            "--no-missed" => missed = false,
            _ => files.push(argument),
        }
    }
    for file in files {
        let (report, engine) = run(rows(File::open(&file)?)?, &settings, peak)?;
        let labelled = if wrong > 0 { Labelled::read(File::open(&file)?)? } else { Labelled::default() };
        if short {
            let (a, w) = (report.automatic, report.with_answers);
            println!(
                "{:40} P {:.4} R {:.4} F1 {:.4} | answered F1 {:.4} | asked {} ({} same) | {:.0}/s bulk {:.2} s p99 {:.0} us",
                file.rsplit('/').next().unwrap_or(&file),
                a.precision,
                a.recall,
                a.f1,
                w.f1,
                report.asked,
                report.asked_same,
                report.records_per_second,
                report.bulk_seconds,
                report.p99_us
            );
        } else {
            println!("{}", serde_json::to_string_pretty(&report)?);
        }
        // The likeliest mistakes, to learn from.
        let mut mistakes = Vec::new();
        if wrong > 0 {
            let mut people = std::collections::BTreeMap::<u32, Vec<usize>>::new();
            let mut found = std::collections::BTreeMap::<_, Vec<usize>>::new();
            for (at, row) in labelled.rows.iter().enumerate() {
                people.entry(row.person).or_default().push(at);
                found.entry(engine.person(record_id(at))).or_default().push(at);
            }
            for group in people.values().filter(|_| missed) {
                for (i, a) in group.iter().enumerate() {
                    mistakes.extend(
                        group[..i]
                            .iter()
                            .filter(|b| engine.person(record_id(*a)) != engine.person(record_id(**b)))
                            .map(|b| ("missed", *a, *b)),
                    );
                }
            }
            for group in found.values() {
                for (i, a) in group.iter().enumerate() {
                    mistakes.extend(
                        group[..i].iter().filter(|b| labelled.rows[*a].person != labelled.rows[**b].person).map(|b| ("wrong", *a, *b)),
                    );
                }
            }
        }
        let step = (mistakes.len() / wrong.max(1)).max(1);
        for (kind, a, b) in mistakes.iter().step_by(step) {
            let show = |at: usize| {
                let it = &labelled.rows[at].record;
                format!(
                    "{} | {} {} {} | {} | {} | {} | {} {} {} | {}",
                    labelled.rows[at].id,
                    it.given_name,
                    it.surname,
                    it.full_name,
                    it.birth_date,
                    it.emails.iter().chain(&it.phones).map(|it| it.value.clone()).collect::<Vec<_>>().join(" "),
                    it.street,
                    it.city,
                    it.postcode,
                    it.state,
                    it.company
                )
            };
            println!("{kind}\n  {}\n  {}", show(*a), show(*b));
            if let Some(why) = engine.why(record_id(*a), record_id(*b)) {
                let reasons: Vec<String> =
                    why.reasons.iter().map(|it| format!("{:?} {:?} {:+.1}", it.field, it.level, f64::from(it.milli) / 1000.0)).collect();
                println!("  {:+.1}: {}", f64::from(why.total) / 1000.0, reasons.join(", "));
            }
        }
    }
    Ok(())
}
