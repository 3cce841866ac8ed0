//! Waiting for what must happen: look again and again until it is there, never sleep for a fixed time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long something may take before the test fails. A debug hub on two busy cores is slow.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What `look` finds, as soon as it finds something. Panics with `what` when it never does.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns as soon as `look` says what is wanted. Panics with what it said last when it never does.
pub async fn until_equal<T: PartialEq + Debug>(what: &str, wanted: T, mut look: impl AsyncFnMut() -> T) {
    let started = Instant::now();
    loop {
        let found = look().await;
        if found == wanted {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}: found {found:?}, wanted {wanted:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
