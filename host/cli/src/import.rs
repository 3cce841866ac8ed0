//! `connection import`: reads what a CRM knew before, with its progress on the terminal. The hub does it; the command only looks on.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::connection::{Which, find};
use super::failure::{Exit, Failure};
use super::output::{Out, clean};
use patchbay_host::hub::Hub;
use patchbay_host::store::imports::ImportView;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// For so many looks nobody may hold the turn to poll before the command says that no hub runs.
const PATIENCE: u32 = 20;

/// What is wanted of an import.
#[derive(clap::Args)]
pub struct Import {
    #[command(flatten)]
    which: Which,
    /// End it; it goes on where it was when it is asked for again
    #[arg(long)]
    stop: bool,
    /// Do not wait for its end
    #[arg(long)]
    no_wait: bool,
}

impl Import {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let connection = find(hub, &self.which.connection).await?;
        let (workspace, id) = (hub.workspace.id, connection.id);
        if self.stop {
            let stopped = hub.stop_import(workspace, id).await?;
            return out.answer(&stopped, || summary(&stopped));
        }
        let mut seen = hub.begin_import(workspace, id).await?;
        let (mut said, mut alone) = (String::new(), 0);
        while seen.is_running() && !self.no_wait {
            alone = if hub.store.is_polled(id).await? { 0 } else { alone + 1 };
            if alone > PATIENCE {
                return Err(Failure::new(Exit::Refused, "no hub polls this connection now: the import goes on when one does")
                    .help("`patchbay serve` runs the hub; `patchbay connection show` says what else may be wrong"));
            }
            let now = progress(&seen);
            if now != said && std::io::stderr().is_terminal() {
                out.note(&now);
            }
            said = now;
            tokio::time::sleep(LOOK).await;
            seen = hub.imported(workspace, id).await?;
        }
        out.answer(&seen, || summary(&seen))?;
        match (&seen.reason, seen.is_running()) {
            (Some(reason), false) => Err(Failure::new(Exit::Violated, format!("the import was stopped: {}", clean(reason)))
                .help("`patchbay connection import` goes on where it was")),
            _ => Ok(()),
        }
    }
}

/// How far it has come, in words.
pub fn progress(it: &ImportView) -> String {
    let of = it.expected.map(|of| format!(" of {of}")).unwrap_or_default();
    let why = it.reason.as_deref().map(|it| format!("; held up: {}", clean(it))).unwrap_or_default();
    format!("{}{of} records: {} new people, {} new leads, {} records of known leads{why}", it.records, it.people, it.leads, it.joined)
}

fn summary(it: &ImportView) -> String {
    format!("import   {}\n         {}\n", it.state, progress(it))
}
