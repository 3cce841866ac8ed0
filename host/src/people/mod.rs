//! People: who is one, found out behind the deliveries, and what somebody decided about it.
//!
//! A batch of deliveries joins only what is plain. Everything else is the matcher's: it walks over new contacts by their ids, which costs the
//! deliveries nothing, and gives way to them: the more come in, the longer it rests.

mod links;
mod matcher;
mod neighbours;
mod operations;
mod weights;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use links::{LinkWish, Opened};
pub use matcher::{Matcher, Round};
pub use operations::Answer;
pub use weights::{Agreement, Agreements, Estimate, Share, estimate_for};

use crate::hub::Hub;
use crate::ids::WorkspaceId;

/// How long the matcher rests for each moment that it worked, from so many deliveries a second on: the more come in, the more they have the way.
const REST: [(u64, u32); 3] = [(500, 30), (50, 5), (0, 1)];
/// Longest rest after one round.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// How soon after a delivery the matcher looks at what it brought.
const SOON: Duration = Duration::from_millis(100);
/// How often it looks where nothing came in here: another hub may have taken something in, or died.
const LOOK: Duration = Duration::from_secs(5);

/// Compares people as long as the hub runs.
pub async fn supervise(hub: Hub, wake: Arc<Notify>, stop: CancellationToken) {
    let mut matchers: HashMap<WorkspaceId, Matcher> = HashMap::new();
    let mut taken = hub.store.taken();
    let mut since = Instant::now();
    loop {
        let worked = Instant::now();
        let looked = one_round(&hub, &mut matchers, &wake).await;
        let took = worked.elapsed();
        let (before, now) = (std::mem::replace(&mut taken, hub.store.taken()), hub.store.taken());
        let passed = std::mem::replace(&mut since, Instant::now()).elapsed().as_millis().max(1);
        let rate = u128::from(now - before) * 1_000 / passed;
        let rest = (took * resting(rate)).min(LONGEST_REST);
        let wait = async {
            tokio::time::sleep(rest).await;
            if !looked {
                // What came in while nobody listened is found at the next look.
                drop(tokio::time::timeout(LOOK, wake.notified()).await);
                tokio::time::sleep(SOON).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wait => {}
        }
    }
}

fn resting(rate: u128) -> u32 {
    REST.iter().find(|it| rate >= u128::from(it.0)).map_or(1, |it| it.1)
}

/// One round for each workspace. True: there may be more to do.
async fn one_round(hub: &Hub, matchers: &mut HashMap<WorkspaceId, Matcher>, wake: &Notify) -> bool {
    let current = hub.registry.current();
    let mut more = false;
    for (workspace, context) in &current.contexts {
        let fits = matchers.get(workspace).is_some_and(|it| it.region() == context.region);
        if !fits {
            matchers.insert(*workspace, Matcher::new(&hub.store, *workspace, &hub.config.name, &context.region));
        }
        let Some(matcher) = matchers.get_mut(workspace) else { continue };
        match matcher.round(context).await {
            Ok(Round::Idle | Round::Elsewhere) => {}
            Ok(Round::Looked(count)) => {
                metrics::counter!("patchbay_contacts_compared_total").increment(count as u64);
                wake.notify_waiters();
                more = true;
            }
            Ok(Round::Counted) => more = true,
            Err(error) => tracing::warn!(workspace.id = %workspace, error = %error, "contacts could not be compared; they are tried again"),
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_comes_in_the_longer_the_matcher_rests() {
        assert_eq!([0, 49, 50, 499, 500, 10_000].map(resting), [1, 1, 5, 5, 30, 30]);
    }
}
