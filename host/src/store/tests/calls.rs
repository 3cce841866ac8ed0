//! A call is one interaction, whatever its steps.

use super::*;

/// A step of a call that began at the world's time: when, and how it ended.
fn step(world: &World, key: &str, after: i64, result: Option<CallResult>) -> Intake {
    let began = patchbay_schemas::Timestamp::from_second(1_760_000_000).unwrap();
    let at = |after| patchbay_schemas::Timestamp::from_second(1_760_000_000 + after).ok();
    let call = interaction::Call {
        id: "call \0".to_owned(),
        result,
        started_at: Some(began),
        answered_at: result.filter(|it| *it == CallResult::Answered).and(at(5)),
        ended_at: result.and(at(after)),
        wait_s: None,
        talk_s: None,
        recording: None,
    };
    let person = Person { identities: vec![Identity::phone("+79123456789")], ..Person::default() };
    let body = EventBody::Call(Interaction::new(Direction::In, person, Detail::Call(call)));
    let payload = body.payload().unwrap();
    let event = CheckedEvent { key: key.to_owned(), kind: "call".to_owned(), occurred_at: at(after), payload, body: Ok(body) };
    world.intake(Reading::Events(vec![event]))
}

#[test]
fn a_call_is_one_interaction_that_shows_its_latest_state() {
    on_both("call", |world| async move {
        let workspace = world.origin.workspace;
        let (rings, answered) = (step(&world, "a", 0, None), step(&world, "b", 60, Some(CallResult::Answered)));
        let shown = async || world.store.interactions(workspace, Of::Everybody, None, 10).await.unwrap();
        let rows = async || {
            let lanes = world.store.claim_lanes(world.sink, "hub", 10, 0).await.unwrap();
            world.store.waiting(&lanes[0]).await.unwrap().iter().filter(|it| matches!(it.ask, Asked::Add(_))).count()
        };
        world.ingest(std::slice::from_ref(&rings)).await;
        assert_eq!((shown().await.len(), rows().await), (1, 0), "it rings");
        world.ingest(std::slice::from_ref(&answered)).await;
        assert_eq!((shown().await.len(), rows().await), (1, 1), "it is over");
        // What came before comes late, in a batch with what is there and what corrects it.
        let late = [
            step(&world, "c", 5, None),
            step(&world, "b", 60, Some(CallResult::Answered)),
            step(&world, "d", 61, Some(CallResult::Voicemail)),
        ];
        assert_eq!(world.ingest(&late).await, [Outcome::Accepted, Outcome::Duplicate, Outcome::Accepted]);
        let calls = shown().await;
        assert_eq!((calls.len(), rows().await), (1, 2));
        assert_eq!(calls[0].event["payload"]["call"]["result"], "voicemail");
        assert_eq!(calls[0].at.as_second(), 1_760_000_000);
        let event = world.store.interaction_event(workspace, calls[0].id).await.unwrap().unwrap().event;
        assert_eq!(event.id, "d", "the sinks are told the same");
        world.ingest(&[step(&world, "e", 0, None)]).await;
        assert_eq!(shown().await[0].event["key"], "d");
        world.assert_sound().await;
    });
}

#[test]
fn two_writers_make_one_interaction_of_one_call() {
    on_both("callrace", |world| async move {
        let world = Arc::new(world);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..2_i64 {
            let world = Arc::clone(&world);
            tasks.spawn(async move {
                for round in 0..20 {
                    // Each tells the end once, somewhere among the steps before it.
                    let result = (round == 7).then_some(CallResult::Answered);
                    let batch = [step(&world, &format!("{writer}-{round}"), if round == 7 { 60 } else { round }, result)];
                    world.store.ingest(&batch, &world.contexts, writer).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let calls = world.store.interactions(world.origin.workspace, Of::Everybody, None, 100).await.unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].event["payload"]["call"]["result"], "answered");
        world.assert_sound().await;
    });
}
