//! `audit`: which secret was used for what, who changed one, who erased a person.

use super::connection::find;
use super::failure::Failure;
use super::output::{Out, Table, time};
use patchbay_host::hub::Hub;
use patchbay_host::store::audit::AuditFilter;

#[derive(clap::Args)]
pub struct Audit {
    /// Only of this connection: cxn_…, or its name
    #[arg(long)]
    connection: Option<String>,
    /// Only this action, or all that begin with this word: contact.erase, secret
    #[arg(long)]
    action: Option<String>,
    /// Only what somebody did, without uses of secrets
    #[arg(long)]
    changes: bool,
    /// At most so many lines, the newest
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

impl Audit {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        let subject = match &self.connection {
            Some(wanted) => Some(find(hub, wanted).await?.id.to_string()),
            None => None,
        };
        let filter = AuditFilter { subject, action: self.action, changes: self.changes, before: None, limit: self.limit };
        let lines = hub.store.audit(hub.workspace.id, &filter).await?;
        out.answer(&lines, || {
            let mut table = Table::new(["SINCE", "LAST", "ACTION", "SUBJECT", "SECRET", "BY", "COUNT"]);
            for it in &lines {
                let [secret, by] = [&it.secret, &it.author].map(|it| it.clone().unwrap_or_default());
                table.row([time(it.at), time(it.last_at), it.action.clone(), it.subject.clone(), secret, by, it.count.to_string()]);
            }
            table.or("nothing of that kind was done yet")
        })
    }
}
