//! What `connector test` found, for people or as JSON.

use serde_json::{Value, json};

use crate::conformance::suite::{Check, Verdict};
use crate::failure::{Exit, Failure};
use crate::output::{Out, Table};
use patchbay_host::plugin::{Connector, Usage};

/// How a case ended.
pub struct Ended {
    /// Its name.
    pub name: String,
    /// What it used up.
    pub usage: Usage,
    /// How long it took, microseconds.
    pub time_us: u128,
    /// What is wrong; empty: it passed.
    pub faults: Vec<String>,
    /// Its expectation was written anew.
    pub is_updated: bool,
}

/// What `connector test` found.
pub struct Report<'a> {
    /// The connector.
    pub connector: &'a Connector,
    /// Bytes of its `.wasm`.
    pub size: u64,
    /// Its own cases.
    pub cases: &'a [Ended],
    /// What every connector must do.
    pub checks: &'a [Check],
    /// What grew past its budget, in words.
    pub grown: &'a [String],
}

impl Report<'_> {
    /// Prints it.
    pub fn show(&self, out: Out) -> Result<(), Failure> {
        out.answer(&self.json(), || self.human())
    }

    /// The command's end.
    pub fn verdict(&self, is_updated: bool) -> Result<(), Failure> {
        let failed = self.cases.iter().filter(|it| !it.faults.is_empty()).count();
        let broken = self.checks.iter().filter(|it| !it.holds()).count();
        let parts = [(failed, "cases failed"), (broken, "checks failed"), (self.grown.len(), "values grew past budget.toml")];
        let parts: Vec<String> = parts.iter().filter(|it| it.0 > 0).map(|(number, what)| format!("{number} {what}")).collect();
        if parts.is_empty() {
            return Ok(());
        }
        let accepts = failed > 0 || !self.grown.is_empty();
        let hint =
            if is_updated || !accepts { "" } else { "; --update accepts what came out and what is used, after showing the difference" };
        Err(Failure::new(Exit::Violated, parts.join(", ")).help(format!("what is wrong stands above{hint}")))
    }

    fn json(&self) -> Value {
        let case = |it: &Ended| {
            json!({
                "case": it.name, "passed": it.faults.is_empty(), "updated": it.is_updated, "faults": it.faults, "fuel": it.usage.fuel,
                "memory": it.usage.memory, "host_calls": it.usage.host_calls, "time_us": u64::try_from(it.time_us).unwrap_or(u64::MAX),
            })
        };
        let check = |it: &Check| {
            let (verdict, faults) = match &it.verdict {
                Verdict::Passed(_) => ("passed", &[][..]),
                Verdict::NotNeeded(_) => ("not_needed", &[][..]),
                Verdict::Failed(faults) => ("failed", faults.as_slice()),
            };
            json!({ "check": it.name, "sentence": it.sentence, "verdict": verdict, "faults": faults })
        };
        json!({
            "id": self.connector.manifest.id, "version": self.connector.manifest.version, "size": self.size,
            "passed": self.verdict(false).is_ok(),
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "budget": self.grown,
        })
    }

    fn human(&self) -> String {
        let mut text = String::new();
        let faults = |faults: &[String]| {
            let lines: Vec<String> = faults.iter().map(|it| format!("  {}", it.trim_end().replace('\n', "\n  "))).collect();
            lines.join("\n") + "\n"
        };
        for it in self.cases.iter().filter(|it| !it.faults.is_empty()) {
            text += &format!("{} failed\n{}\n", it.name, faults(&it.faults));
        }
        for it in self.checks {
            if let Verdict::Failed(found) = &it.verdict {
                text += &format!("{} failed: {}\n{}\n", it.name, it.sentence, faults(found));
            }
        }
        let mut cases = Table::new(["CASE", "RESULT", "FUEL", "MEMORY", "HOST CALLS", "TIME"]);
        for it in self.cases {
            let result = match (it.faults.is_empty(), it.is_updated) {
                (false, _) => "FAILED",
                (true, true) => "updated",
                (true, false) => "passed",
            };
            let memory = format!("{} KiB", it.usage.memory >> 10);
            let host_calls = it.usage.host_calls.to_string();
            cases.row([it.name.clone(), result.to_owned(), it.usage.fuel.to_string(), memory, host_calls, format!("{} µs", it.time_us)]);
        }
        text += &cases.text();
        if !self.checks.is_empty() {
            let mut checks = Table::new(["CHECK", "RESULT", "LOOKED AT", "WHAT MUST BE TRUE"]);
            for it in self.checks {
                let (result, looks) = match &it.verdict {
                    Verdict::Passed(looks) => ("passed", looks.to_string()),
                    Verdict::NotNeeded(why) => ("-", (*why).to_owned()),
                    Verdict::Failed(_) => ("FAILED", String::new()),
                };
                checks.row([it.name.to_owned(), result.to_owned(), looks, it.sentence.to_owned()]);
            }
            text += "\n";
            text += &checks.text();
        }
        for it in self.grown {
            text += &format!("over budget: {it}\n");
        }
        text
    }
}
