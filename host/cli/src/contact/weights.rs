//! `contact weights`

use patchbay_identity::weights::Weights;

use crate::failure::Failure;
use crate::output::{Out, Table, time};
use patchbay_host::hub::Hub;
use patchbay_host::people::{Agreement, Agreements, Estimate};
use patchbay_host::store::people::WeightsView;

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
        "{} contacts, {} pairs of them compared\n{} people, {} by these weights; {} contacts belong to another person then\n",
        it.contacts, it.pairs, it.people_before, it.people_after, it.moved
    );
    let Agreements { shipped, estimated } = it.agrees_with_answers;
    let asked = [shipped.same.of, shipped.different.of].iter().any(|it| *it > 0);
    let told = if asked {
        format!("of what people decided these weights would find {}; the shipped ones {}\n\n", agreement(estimated), agreement(shipped))
    } else {
        "people decided nothing yet that the weights could be held against\n\n".to_owned()
    };
    head + &told + &table.or("no weight moves by more than a twentieth")
}

fn agreement(Agreement { same, different }: Agreement) -> String {
    format!("one person {} of {}, two people {} of {}", same.agree, same.of, different.agree, different.of)
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

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_host::people::Share;

    #[test]
    fn an_effect_says_how_far_weights_find_what_people_decided() {
        let mut estimate = Estimate {
            applied: false,
            contacts: 4,
            pairs: 1,
            people_before: 3,
            people_after: 3,
            moved: 0,
            agrees_with_answers: Agreements::default(),
            weights: Weights::shipped(),
        };
        assert!(effect(&estimate).contains("people decided nothing yet"));
        let share = |agree, of| Share { agree, of };
        estimate.agrees_with_answers.estimated = Agreement { same: share(41, 43), different: share(9, 9) };
        estimate.agrees_with_answers.shipped = Agreement { same: share(40, 43), different: share(9, 9) };
        let told = effect(&estimate);
        let said =
            "these weights would find one person 41 of 43, two people 9 of 9; the shipped ones one person 40 of 43, two people 9 of 9";
        assert!(told.contains(said), "{told}");
    }
}
