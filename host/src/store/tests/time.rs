//! Clocks that are put back and forward.

use std::sync::atomic::Ordering;

use super::holds::still;
use super::*;

const DAY_MS: i64 = 86_400_000;

#[test]
fn a_lease_ends_as_long_from_now_as_before_when_the_clock_is_put_back_or_forward() {
    on_both("leases", |mut world| async move {
        let time = still(&mut world);
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        let (store, sink) = (&world.store, world.sink);
        let claimed = async |hub: &str| store.claim_lanes(sink, hub, 10, 60_000).await.unwrap();
        let put = |by_ms| {
            time.fetch_add(by_ms, Ordering::Relaxed);
            by_ms
        };
        assert_eq!(claimed("hub").await.len(), 1);
        store.follow_clock("hub", put(DAY_MS)).await.unwrap();
        put(59_000);
        assert!(claimed("other").await.is_empty(), "it has not ended because the clock says so");
        store.follow_clock("hub", put(-3 * DAY_MS)).await.unwrap();
        assert!(claimed("other").await.is_empty());
        put(1_000);
        assert!(claimed("other").await[0].abandoned, "and lasts no longer than it would have");

        // What another hub has is its own to move.
        store.follow_clock("hub", put(DAY_MS)).await.unwrap();
        assert_eq!(claimed("hub").await.len(), 1);
    });
}

#[test]
fn what_was_put_off_waits_no_longer_because_the_clock_was_put_back() {
    on_both("putoff", |mut world| async move {
        let time = still(&mut world);
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        let (store, sink) = (&world.store, world.sink);
        let begun = store.clock.now_ms();
        let lane = store.claim_lanes(sink, "hub", 10, 60_000).await.unwrap().remove(0);
        store.finish(&lane, &[], Some(Release::Later { due_at: begun + 3_600_000 }), 0).await.unwrap();
        time.fetch_sub(DAY_MS, Ordering::Relaxed);
        assert_eq!(store.next_due(sink).await.unwrap(), Some(begun + 3_600_000));
        store.follow_clock("hub", -DAY_MS).await.unwrap();
        assert_eq!(store.next_due(sink).await.unwrap(), Some(begun - DAY_MS + 3_600_000), "an hour from now, as before");
        store.follow_clock("another on the same machine", -DAY_MS).await.unwrap();
        assert_eq!(store.next_due(sink).await.unwrap(), Some(begun - DAY_MS), "now, and no earlier");
        time.fetch_add(2 * DAY_MS, Ordering::Relaxed);
        store.follow_clock("hub", 2 * DAY_MS).await.unwrap();
        assert_eq!(store.claim_lanes(sink, "hub", 10, 60_000).await.unwrap().len(), 1);
    });
}

#[test]
fn ids_go_on_after_those_that_are_there_when_the_clock_was_put_back_meanwhile() {
    on_both("idsafter", |world| async move {
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        let newest = world.store.newest_id().await.unwrap().unwrap();
        let yesterday = Clock::at(crate::clock::timestamp(world.store.clock.now_ms() - DAY_MS));
        let again = Store { ids: Arc::new(Ids::new(yesterday.clone())), clock: yesterday, ..world.store.clone() };
        assert!(again.ids.ahead_ms() < 0);
        again.ids.rise_above(again.newest_id().await.unwrap().unwrap());
        assert!(again.ids.ahead_ms() > DAY_MS - 60_000, "{}", again.ids.ahead_ms());
        assert!(again.ids.next::<crate::ids::Outbox>().number() > newest);
    });
}
