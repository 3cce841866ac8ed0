//! What waits for a vendor, in its order; what stopped, and what is tried again.

use super::*;

#[test]
fn a_lane_keeps_its_order_and_ends_empty() {
    on_both("lane", |world| async move {
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        let lanes = world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap();
        assert_eq!(lanes.len(), 1);
        assert!(world.store.claim_lanes(world.sink, "other", 10, 60_000).await.unwrap().is_empty(), "a leased lane is nobody else's");
        let rows = world.store.waiting(&lanes[0]).await.unwrap();
        assert!(matches!((&rows[0].ask, &rows[1].ask), (Asked::Upsert(_), Asked::Add(_))));
        // Something comes in while the lane is served.
        world.ingest(&[world.said("2", vec![Identity::handle("42")])]).await;
        let reference = Reference { kind: "lead", local: lanes[0].lane.clone(), remote: "7".to_owned(), details: "{}".to_owned() };
        let done = |id, reference| Tried { id, at: 0, took_ms: 1, end: End::Delivered { reference, told: None } };
        let tried = [done(rows[0].id, Some(reference)), done(rows[1].id, None)];
        assert!(world.store.finish(&lanes[0], &tried, Some(Release::Done), 0).await.unwrap());
        assert_eq!(world.store.reference(world.sink, "lead", &lanes[0].lane).await.unwrap().unwrap().0, "7");
        let again = world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap();
        assert_eq!(again.len(), 1, "what came in meanwhile is not forgotten");
        assert!(!world.store.finish(&lanes[0], &[], Some(Release::Done), 0).await.unwrap(), "a lost lease writes nothing");
        let row = world.store.waiting(&again[0]).await.unwrap().remove(0);
        let dead = Tried { id: row.id, at: 0, took_ms: 1, end: End::Dead { reason: "vendor.http_400: no".to_owned() } };
        assert!(world.store.finish(&again[0], &[dead], Some(Release::Done), 0).await.unwrap());
        assert_eq!(world.store.next_due(world.sink).await.unwrap(), None);
        world.assert_sound().await;
        let workspace = world.origin.workspace;
        assert_eq!(world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap()[0].reason, "vendor.http_400: no");
        assert!(world.store.redrive_outbox(workspace, row.id).await.unwrap());
        assert_eq!(world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap().len(), 1);
        world.assert_sound().await;
    });
}

#[test]
fn a_lane_whose_worker_died_says_so_to_the_next_one() {
    on_both("abandoned", |world| async move {
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        assert!(!world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap()[0].abandoned);
        assert_eq!(world.store.release_own_leases("other").await.unwrap(), 0);
        assert_eq!(world.store.release_own_leases("hub").await.unwrap(), 1);
        assert!(world.store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap()[0].abandoned);
    });
}

#[test]
fn what_is_dead_is_kept_and_can_be_redriven() {
    on_both("redrive", |world| async move {
        let workspace = world.origin.workspace;
        let trapped = world.intake(Reading::Dead("connector.trap: unreachable".to_owned()));
        assert_eq!(world.ingest(std::slice::from_ref(&trapped)).await, [Outcome::Dead]);
        assert_eq!(
            world
                .store
                .dead_letters(workspace, &DeadFilter { connection: Some(world.origin.connection), ..DeadFilter::default() }, None, 10)
                .await
                .unwrap()
                .len(),
            1
        );
        let newer = Arc::new(ReadBy { version: "1.1.0".to_owned(), digest: "b".repeat(64) });
        let origin = Origin { read_by: Arc::clone(&newer), ..world.origin.clone() };
        let letter = world.store.dead_letter(workspace, &trapped.id.to_string()).await.unwrap().unwrap();
        assert_eq!(letter.read_by.as_ref(), Some(&*world.origin.read_by));
        let mended = Intake { id: trapped.id, origin, ..world.said("1", vec![Identity::handle("42")]) };
        let outcome = world.store.redrive_delivery(Outcome::Dead, &mended, &world.contexts, 100).await.unwrap();
        assert_eq!(outcome, Outcome::Accepted);
        assert!(world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap().is_empty());
        let now = world.store.deliveries(workspace, &Filter { limit: 10, ..Filter::default() }).await.unwrap().remove(0);
        assert_eq!((now.outcome.as_str(), &now.read_by), ("accepted", &*newer), "whoever read it last");
        world.assert_sound().await;
        assert!(world.store.redrive_delivery(Outcome::Dead, &mended, &world.contexts, 100).await.is_err(), "once is enough");
        world.assert_sound().await;
    });
}

#[test]
fn tries_of_a_vendor_are_one_dead_letter_that_a_successful_one_closes() {
    on_both("again", |world| async move {
        let workspace = world.origin.workspace;
        let failed = |fingerprint: &str| Intake {
            fingerprint: Some(fingerprint.to_owned()),
            ..world.intake(Reading::Dead("vendor.down: later".to_owned()))
        };
        // In one batch and in the next one.
        assert_eq!(world.ingest(&[failed("a"), failed("a"), failed("b")]).await, [Outcome::Dead, Outcome::Duplicate, Outcome::Dead]);
        assert_eq!(world.ingest(&[failed("a")]).await, [Outcome::Duplicate]);
        world.assert_sound().await;
        assert_eq!(world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap().len(), 2);

        let read = Intake { fingerprint: Some("a".to_owned()), ..world.said("1", vec![Identity::handle("42")]) };
        assert_eq!(world.ingest(std::slice::from_ref(&read)).await, [Outcome::Accepted]);
        world.assert_sound().await;
        let dead = world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap();
        assert_eq!(dead.len(), 1, "the other body is still dead: {dead:?}");
        let kept = world.store.deliveries(workspace, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
        let closed = kept.iter().find(|it| it.reason.as_ref().is_some_and(|it| it.contains(&read.id.to_string()))).unwrap();
        assert_eq!(closed.outcome, "duplicate");
        let sums = world.store.sums(workspace).await.unwrap();
        let ours = sums.iter().find(|it| it.connection == world.origin.connection.to_string()).unwrap();
        assert_eq!((ours.received, ours.accepted, ours.duplicate, ours.dead), (5, 1, 3, 1));

        // A failure after that is a new one.
        assert_eq!(world.ingest(&[failed("a")]).await, [Outcome::Dead]);
        // An event that does not fit its schema is no failure of the connector: a repeat does not close it.
        let mut misfit = Intake { fingerprint: Some("c".to_owned()), ..world.said("2", Vec::new()) };
        if let Reading::Events(events) = &mut misfit.reading {
            events[0].body = Err("/payload/text: no".to_owned());
        }
        let again = Intake { id: world.store.ids.next(), ..misfit.clone() };
        assert_eq!(world.ingest(&[misfit, again]).await, [Outcome::Dead, Outcome::Duplicate]);
        assert_eq!(world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap().len(), 3);
        world.assert_sound().await;
    });
}

#[test]
fn dead_letters_are_walked_by_their_places_also_within_one_millisecond() {
    on_both("places", |world| async move {
        let workspace = world.origin.workspace;
        let mut batch: Vec<Intake> = (0..5).map(|_| world.intake(Reading::Dead("connector.trap: x".to_owned()))).collect();
        let at = world.store.clock.now();
        for it in &mut batch {
            it.received_at = at;
        }
        world.ingest(&batch).await;
        let (mut walked, mut before) = (Vec::new(), None);
        while let Some(letter) = world.store.dead_letters(workspace, &DeadFilter::default(), before, 1).await.unwrap().into_iter().next() {
            assert_eq!(world.store.dead_letter(workspace, &letter.id).await.unwrap().unwrap().reason, letter.reason);
            before = Some(letter.place());
            walked.push(letter.id);
        }
        batch.reverse();
        assert_eq!(walked, batch.iter().map(|it| it.id.to_string()).collect::<Vec<_>>());
        let other = world.store.further_workspace("Other", "DE").await.unwrap();
        assert!(world.store.dead_letter(other, &walked[0]).await.unwrap().is_none());
    });
}

#[test]
fn the_hub_sums_up_every_workspace_and_the_tries_of_a_command() {
    on_both("sums", |world| async move {
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        let workspace = world.origin.workspace;
        let sums = world.store.all_sums().await.unwrap();
        assert_eq!(sums, world.store.sums(workspace).await.unwrap());
        assert_eq!(sums.iter().map(counters::Sums::pending).sum::<i64>(), 2);
        let oldest = world.store.oldest_waiting().await.unwrap();
        assert_eq!(oldest.iter().map(|it| it.0).collect::<Vec<_>>(), [world.sink]);
        let lane = world.store.claim_lanes(world.sink, "hub", 1, 60_000).await.unwrap().remove(0);
        let row = world.store.waiting(&lane).await.unwrap().remove(0);
        let end = End::Failed { verdict: "later", failures: 1, reason: "vendor.http_500: no".to_owned() };
        let tried = Tried { id: row.id, at: 1_000, took_ms: 20, end };
        assert!(world.store.finish(&lane, &[tried], Some(Release::More), 0).await.unwrap());
        let attempts = world.store.attempts(workspace, row.id, 10).await.unwrap();
        assert_eq!((attempts[0].took_ms, attempts[0].result.as_str(), attempts[0].code.as_deref()), (20, "later", Some("vendor.http_500")));
        assert!(world.store.attempts(world.store.further_workspace("Other", "DE").await.unwrap(), row.id, 10).await.unwrap().is_empty());
    });
}
