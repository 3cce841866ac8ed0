//! Connections that are held up, and what a try costs a row.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::clock::timestamp;
use crate::rules::breaker::{Hold, Why};
use crate::store::authorisations::NewTokens;
use crate::store::connections::Asking;

/// A time that only the test moves.
pub(super) fn still(world: &mut World) -> Arc<AtomicI64> {
    let time = Arc::new(AtomicI64::new(1_000_000_000_000));
    world.store.clock = Clock::Manual(Arc::clone(&time));
    time
}

async fn people(world: &World, handles: &[&str]) {
    let batch: Vec<Intake> = handles.iter().map(|it| world.said(it, vec![Identity::handle(*it)])).collect();
    world.ingest(&batch).await;
}

fn hold(why: Why, since: i64, until: i64) -> Hold {
    Hold { why, since, until, reason: "vendor.http_502: no".to_owned() }
}

const OPEN: Why = Why::Breaker { probes: 0, probing: false };

#[test]
fn a_vendor_that_seems_down_is_tried_by_one_lane_at_a_time() {
    on_both("breaker", |mut world| async move {
        let time = still(&mut world);
        people(&world, &["anna", "boris", "vera"]).await;
        let (store, sink) = (&world.store, world.sink);
        let now = store.clock.now_ms();
        let claimed = async |hub: &str| store.claim_lanes(sink, hub, 10, 60_000).await.unwrap();
        // One lane failed and waits for hours, the others are due.
        let first = claimed("hub").await.remove(0);
        store.finish(&first, &[], Some(Release::Later { due_at: now + 36_000_000 }), 0).await.unwrap();
        store.release_own_leases("hub").await.unwrap();

        store.put_hold(sink, hold(OPEN, now, now + 5_000)).await.unwrap();
        assert!(claimed("hub").await.is_empty());
        assert_eq!(store.next_due(sink).await.unwrap(), Some(now + 5_000));
        time.fetch_add(5_000, Ordering::Relaxed);
        let probe = claimed("hub").await;
        assert_eq!(probe.iter().map(|it| it.probe).collect::<Vec<_>>(), [Some(0)]);
        assert!(claimed("other").await.is_empty(), "one at a time, over all hubs");
        assert_eq!(store.hold(sink).await.unwrap().unwrap().why, Why::Breaker { probes: 0, probing: true });

        store.finish(&probe[0], &[], Some(Release::More), 0).await.unwrap();
        store.probe_failed(sink, "a late one", now, "").await.unwrap();
        store.probe_failed(sink, &probe[0].token, now + 20_000, "vendor.http_503: no").await.unwrap();
        assert!(claimed("hub").await.is_empty());
        time.fetch_add(15_000, Ordering::Relaxed);
        let next = claimed("hub").await.remove(0);
        assert_eq!(next.probe, Some(1));
        assert_ne!(next.lane, probe[0].lane, "another lead tries, so that one that fails by itself does not keep all others waiting");

        // The hub that probed dies and starts again.
        store.release_own_leases("hub").await.unwrap();
        let again = claimed("hub").await;
        assert_eq!((again.len(), again[0].probe), (1, Some(1)));
        assert!(store.lift_hold(sink).await.unwrap() && !store.lift_hold(sink).await.unwrap());
        store.finish(&again[0], &[], Some(Release::More), 0).await.unwrap();
        let all = claimed("hub").await;
        assert_eq!(all.len(), 3, "also the one that waited for hours: what it waited for was the vendor");
        assert!(all.iter().all(|it| it.probe.is_none()));
        assert_eq!(store.hold(sink).await.unwrap(), None);
        world.assert_sound().await;
    });
}

#[test]
fn what_was_leased_and_is_served_by_nobody_is_given_back() {
    on_both("givenback", |mut world| async move {
        let time = still(&mut world);
        people(&world, &["anna", "boris"]).await;
        let (store, sink) = (&world.store, world.sink);
        let claimed = async |hub: &str| store.claim_lanes(sink, hub, 10, 60_000).await.unwrap();
        let lanes = claimed("hub").await;
        let token = lanes[0].token.as_str();
        assert_eq!((lanes.len(), lanes[1].token.as_str()), (2, token));

        // One lane of two, since the database failed while it was served.
        store.abandon(sink, token, Some(&lanes[0].lane), 2_000).await.unwrap();
        assert!(claimed("other").await.is_empty(), "not at once: what fails every time must not be tried all the time");
        time.fetch_add(2_000, Ordering::Relaxed);
        let first = claimed("other").await;
        assert_eq!((first.len(), first[0].lane.as_str(), first[0].abandoned), (1, lanes[0].lane.as_str(), true));

        // All that the token stands for, since nobody heard that it was leased. What another one has by now stays its own.
        store.abandon(sink, token, None, 0).await.unwrap();
        let second = claimed("other").await;
        assert_eq!((second.len(), second[0].lane.as_str(), second[0].abandoned), (1, lanes[1].lane.as_str(), true));

        // One that was to find out whether the vendor is back.
        store.finish(&first[0], &[], Some(Release::More), 0).await.unwrap();
        store.put_hold(sink, hold(OPEN, 0, store.clock.now_ms())).await.unwrap();
        let probe = claimed("hub").await.remove(0);
        assert_eq!(probe.probe, Some(0));
        store.abandon(sink, &probe.token, Some(&probe.lane), 2_000).await.unwrap();
        assert!(claimed("hub").await.is_empty());
        time.fetch_add(2_000, Ordering::Relaxed);
        assert_eq!(claimed("hub").await.remove(0).probe, Some(0), "nothing was found out");
        world.assert_sound().await;
    });
}

#[test]
fn a_vendor_that_names_a_time_is_asked_by_all_after_it() {
    on_both("after", |mut world| async move {
        let time = still(&mut world);
        people(&world, &["anna", "boris"]).await;
        let (store, sink) = (&world.store, world.sink);
        let now = store.clock.now_ms();
        store.put_hold(sink, hold(Why::After, now, now + 90_000)).await.unwrap();
        let joined = store.put_hold(sink, hold(Why::After, now + 1, now + 10_000)).await.unwrap();
        assert_eq!((joined.since, joined.until), (now, now + 90_000), "it never gets shorter");
        assert_eq!(store.holds().await.unwrap().len(), 1);
        time.fetch_add(89_999, Ordering::Relaxed);
        assert!(store.claim_lanes(sink, "hub", 10, 60_000).await.unwrap().is_empty());
        time.fetch_add(1, Ordering::Relaxed);
        assert_eq!(store.hold(sink).await.unwrap(), None, "it is over");
        assert_eq!(store.claim_lanes(sink, "hub", 10, 60_000).await.unwrap().len(), 2);
        // Another connection was never held up.
        store.put_hold(world.origin.connection, hold(OPEN, now, i64::MAX)).await.unwrap();
        assert_eq!(store.hold(sink).await.unwrap(), None);
    });
}

#[test]
fn a_row_remembers_what_speaks_against_it_and_a_redrive_forgets_that_but_not_the_tries() {
    on_both("failures", |mut world| async move {
        let time = still(&mut world);
        people(&world, &["anna"]).await;
        let (store, sink) = (&world.store, world.sink);
        let lane = store.claim_lanes(sink, "hub", 1, 60_000).await.unwrap().remove(0);
        let row = store.waiting(&lane).await.unwrap().remove(0);
        let failed = |failures| Tried {
            id: row.id,
            at: 0,
            took_ms: 1,
            end: End::Failed { verdict: "later", failures, reason: "vendor.http_500: no".to_owned() },
        };
        time.fetch_add(50_000, Ordering::Relaxed);
        assert!(store.finish(&lane, &[failed(1)], None, 0).await.unwrap());
        assert!(store.finish(&lane, &[failed(1)], None, 0).await.unwrap());
        time.fetch_add(50_000, Ordering::Relaxed);
        assert!(store.claim_lanes(sink, "other", 1, 60_000).await.unwrap().is_empty(), "each end of a row begins the lease anew");
        let waits = store.waiting(&lane).await.unwrap().remove(0);
        assert_eq!((waits.attempts, waits.failures), (2, 1), "two tries, one of them its own fault");
        let dead = Tried { id: row.id, at: 0, took_ms: 1, end: End::Dead { reason: "vendor.http_400: no".to_owned() } };
        assert!(store.finish(&lane, &[dead], Some(Release::More), 0).await.unwrap());
        assert!(store.redrive_outbox(world.origin.workspace, row.id).await.unwrap());
        let lane = store.claim_lanes(sink, "hub", 1, 60_000).await.unwrap().remove(0);
        let again = store.waiting(&lane).await.unwrap().into_iter().find(|it| it.id == row.id).unwrap();
        assert_eq!((again.attempts, again.failures), (3, 0), "what was tried may have been carried out");
        world.assert_sound().await;
    });
}

#[test]
fn a_refused_credential_breaks_a_connection_unless_another_is_there_by_now() {
    on_both("refused", |mut world| async move {
        let time = still(&mut world);
        let (store, workspace, id) = (&world.store, world.origin.workspace, world.origin.connection);
        let state = async || store.connection(workspace, id).await.unwrap().unwrap();
        let tokens = |after| NewTokens { after, expires_at: None, due_at: i64::MAX, config: None };
        let later = || timestamp(time.fetch_add(1_000, Ordering::Relaxed) + 1_000);

        let asking = |at, token| Asking { at, token };

        // Somebody authorised it while the vendor was being asked without a token, and the token, given before that, was committed after it.
        let seen = state().await;
        store.lease_authorisation(id, "hub", 1_000, false).await.unwrap().unwrap();
        store.put_tokens(id, "hub", &tokens(0), &BTreeMap::new()).await.unwrap();
        assert!(!store.break_connection(&seen, asking(later(), 0), "oauth2.not_authorised").await.unwrap());
        assert_eq!(state().await.state, ConnectionState::Active);

        // The vendor refuses that token, and the one that was got in its place.
        let asked = asking(later(), 1);
        later();
        store.lease_authorisation(id, "hub", 1_000, true).await.unwrap().unwrap();
        store.put_tokens(id, "hub", &tokens(1), &BTreeMap::new()).await.unwrap();
        assert!(store.break_connection(&seen, asked, "vendor.http_401").await.unwrap());
        assert_eq!(state().await.state, ConnectionState::Broken { reason: "vendor.http_401".to_owned() });

        // Somebody paused it, or gave it another configuration, meanwhile.
        later();
        store.set_connection_state(workspace, id, &ConnectionState::Paused).await.unwrap();
        assert!(!store.break_connection(&seen, asking(later(), 2), "vendor.http_401").await.unwrap());
        assert_eq!(state().await.state, ConnectionState::Paused);
    });
}
