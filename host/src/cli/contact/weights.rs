//! `contact weights`

use patchbay_identity::weights::Weights;

use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table, time};
use crate::hub::Hub;
use crate::people::Estimate;
use crate::store::people::WeightsView;

/// A level is shown where it is estimated so much more or less often than it was, as a share.
const TELLING: f32 = 0.05;

/// What is done with the weights.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct Wish {
    /// Estimate them anew from the contacts that are there, and only show what that would change
    #[arg(long)]
    estimate: bool,
    /// Estimate them anew, and compare people by them from now on
    #[arg(long)]
    apply: bool,
    /// Compare people by the shipped weights again
    #[arg(long)]
    shipped: bool,
}

pub async fn run(out: Out, hub: &Hub, wish: Wish) -> Result<(), Failure> {
    let workspace = hub.workspace.id;
    if wish.estimate || wish.apply {
        let estimate = hub.estimate_weights(workspace, wish.apply, &hub.author).await?;
        out.answer(&estimate, || effect(&estimate))?;
        if !wish.apply {
            out.note("nothing was changed: `patchbay contact weights --apply` takes this over");
        }
        return Ok(());
    }
    let view = if wish.shipped { hub.ship_weights(workspace, &hub.author).await? } else { hub.store.weights(workspace).await? };
    out.answer(&view, || in_use(&view))
}

fn effect(it: &Estimate) -> String {
    let mut table = Table::new(["FIELD", "LEVEL", "OF ONE PERSON'S PAIRS", "SHIPPED"]);
    for (new, old) in it.weights.weight.iter().zip(&Weights::shipped().weight) {
        if (new.m - old.m).abs() > TELLING * old.m {
            let (field, level) = (word(&new.field), word(&new.level));
            table.row([field, level, format!("{:.2} %", new.m * 100.0), format!("{:.2} %", old.m * 100.0)]);
        }
    }
    let head = format!(
        "{} contacts, {} pairs of them compared\n{} people, {} by these weights; {} contacts belong to another person then\n\n",
        it.contacts, it.pairs, it.people_before, it.people_after, it.moved
    );
    head + &table.or("no weight moves by more than a twentieth")
}

fn in_use(view: &WeightsView) -> String {
    let taken = match (&view.author, view.at) {
        (Some(author), Some(at)) => format!("taken over by {author}, {}\n", time(at)),
        _ => "as they are shipped\n".to_owned(),
    };
    let mut table = Table::new(["FIELD", "LEVEL", "OF ONE PERSON'S PAIRS"]);
    for it in view.weights.weight.iter().filter(|it| it.odds.is_none()) {
        table.row([word(&it.field), word(&it.level), format!("{:.2} %", it.m * 100.0)]);
    }
    taken + &view.weights.source + "\n\n" + &table.or("no weights")
}

/// A field or level as it stands in JSON.
fn word(it: &impl serde::Serialize) -> String {
    serde_json::to_value(it).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}
