//! Renews tokens ahead of their end and at least daily, so that nobody waits for it and a rarely used connection does not lose its own.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Need, TokenKeeper};
use crate::hub::Hub;

/// How often somebody looks what is to be renewed.
const LOOK: Duration = Duration::from_secs(1);
/// Most that are begun at each look; the others have their turn at the next one.
const MOST: i64 = 32;

/// Renews what is due until `stop`. Several hubs may do so at once.
pub async fn keep(hub: Hub, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        match hub.store.due_authorisations(MOST).await {
            Ok(due) => {
                let running = due.into_iter().filter_map(|it| hub.registry.running(it));
                running.filter_map(|it| it.instances.surroundings().tokens.clone()).for_each(begin);
            }
            Err(error) => tracing::warn!(error = %error, "the database does not say which tokens are to be renewed"),
        }
    }
}

/// Renews one beside the others; how it ended is written down where everybody sees it.
fn begin(keeper: Arc<TokenKeeper>) {
    if keeper.turn.try_lock().is_ok() {
        let tasks = keeper.tasks.clone();
        tasks.spawn(async move {
            // Whoever needs the token meets the same failure, and says it.
            drop(keeper.renew(Need::Fresh).await);
        });
    }
}
