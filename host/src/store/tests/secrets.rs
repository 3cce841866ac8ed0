//! Keys change while hubs run; uses and changes of secrets are written down; raw deliveries grow old.

use super::super::audit::{AuditFilter, AuditLine, UseCount};
use super::*;
use crate::audit::Purpose;
use crate::keys::{KeyError, Keyring};
use crate::secrets::{DataKey, MasterKey, SecretError, SecretValue};

fn secret(text: &str) -> BTreeMap<String, SecretValue> {
    BTreeMap::from([("token".to_owned(), SecretValue::new(text.to_owned()))])
}

impl World {
    /// Gives the connection this token, sealed by these keys.
    async fn set(&self, keys: &Keyring, id: ConnectionId, text: &str) {
        let there = self.store.connection(self.origin.workspace, id).await.unwrap().unwrap();
        let mut tried = 0;
        loop {
            let sealed = keys.seal_all(id, &secret(text));
            match self.store.update_connection(&there, &sealed, &[], false, "tok_1").await {
                Err(StoreError::FormerKey) => keys.again(&mut tried).await.unwrap(),
                written => break written.unwrap(),
            }
        }
    }

    async fn get(&self, keys: &Keyring, id: ConnectionId) -> String {
        let sealed = &self.store.sealed_secrets(id).await.unwrap()["token"];
        keys.unseal(id, "token", sealed).await.unwrap().reveal().to_owned()
    }

    /// Two connections with tokens, under keys that one master key opens.
    async fn sealed_under(&self, master: &MasterKey) -> Keyring {
        let keys = Keyring::open(self.store.clone(), vec![master.clone()]).await.unwrap();
        self.set(&keys, self.origin.connection, "one").await;
        self.set(&keys, self.sink, "two").await;
        keys
    }
}

#[test]
fn a_hub_that_has_not_heard_of_the_new_key_goes_on() {
    on_both("rotate", |world| async move {
        let (old, new) = (MasterKey::random(), MasterKey::random());
        let (one, two) = (world.origin.connection, world.sink);
        let unaware = world.sealed_under(&old).await;
        let aware = Keyring::open(world.store.clone(), vec![new.clone(), old.clone()]).await.unwrap();
        let done = aware.rotate("cli:anna").await.unwrap();
        assert_eq!((done.resumed, done.secrets), (false, 2));
        assert_eq!((world.get(&unaware, one).await, world.get(&aware, two).await), ("one".to_owned(), "two".to_owned()));

        // What it seals with the key that it knew is refused, and sealed anew.
        let unaware = Keyring::open(world.store.clone(), vec![old.clone()]).await.unwrap();
        aware.rotate("cli:anna").await.unwrap();
        let stale = BTreeMap::from([("token".to_owned(), unaware.seal(one, "token", &SecretValue::new("x".to_owned())))]);
        let there = world.store.connection(world.origin.workspace, one).await.unwrap().unwrap();
        let refused = world.store.update_connection(&there, &stale, &[], false, "hub").await;
        assert!(matches!(refused, Err(StoreError::FormerKey)), "{refused:?}");
        world.set(&unaware, one, "three").await;
        assert_eq!(world.get(&aware, one).await, "three");
        assert_eq!(world.store.data_keys().await.unwrap().len(), 1, "former keys are destroyed");

        aware.forget(old.id()).await.unwrap();
        let locked = Keyring::open(world.store.clone(), vec![old.clone()]).await.err().unwrap();
        assert!(matches!(&locked, KeyError::Locked { wanted, given } if wanted == &[new.id()] && given == &[old.id()]), "{locked}");
        assert!(matches!(aware.forget(new.id()).await, Err(KeyError::Needed(_))), "the last one is needed");
        assert_eq!(world.get(&Keyring::open(world.store.clone(), vec![new]).await.unwrap(), two).await, "two");
    });
}

#[test]
fn a_rotation_that_was_cut_off_is_finished() {
    on_both("resume", |world| async move {
        let master = MasterKey::random();
        let keys = world.sealed_under(&master).await;
        let before = world.store.data_keys().await.unwrap()[0].id.parse().unwrap();
        let next = DataKey::random();
        assert!(world.store.put_key(next.id(), Some(before), &[(master.id(), master.wrap(&next))]).await.unwrap());
        assert!(!world.store.put_key(DataKey::random().id(), Some(before), &[]).await.unwrap(), "of two that begin one is first");
        let half = world.store.sealed_otherwise(next.id(), None, 1).await.unwrap();
        let value = keys.unseal(half[0].connection, "token", &half[0].sealed).await.unwrap();
        let sealed = next.seal(&half[0].connection.to_string(), "token", &value);
        assert_eq!(world.store.reseal(&[(half[0].clone(), sealed)], "cli:anna").await.unwrap(), 1);
        assert!(!world.store.end_former_keys(next.id()).await.unwrap(), "one is sealed with the former key");

        let done = Keyring::open(world.store.clone(), vec![master]).await.unwrap().rotate("cli:anna").await.unwrap();
        assert_eq!((done.resumed, done.secrets), (true, 1));
        assert_eq!(world.store.data_keys().await.unwrap()[0].id, next.id().to_string(), "no further key was made");
        assert_eq!(world.get(&keys, world.sink).await, "two");
    });
}

#[test]
fn a_secret_under_an_unknown_key_is_named_and_keeps_the_former_keys() {
    on_both("unknown", |world| async move {
        let keys = world.sealed_under(&MasterKey::random()).await;
        assert_eq!(keys.unknown().await.unwrap(), [""; 0]);
        let (foreign, place) = (DataKey::random(), world.sink.to_string());
        let was =
            world.store.sealed_otherwise(foreign.id(), None, 10).await.unwrap().into_iter().find(|it| it.connection == world.sink).unwrap();
        let sealed = foreign.seal(&place, "token", &SecretValue::new("x".to_owned()));
        world.store.reseal(&[(was, sealed.clone())], "hub").await.unwrap();
        assert_eq!(keys.unknown().await.unwrap(), [format!("{place}: `token` is sealed with the key {}", foreign.id())]);
        let error = keys.unseal(world.sink, "token", &sealed).await.err().unwrap();
        assert!(matches!(error, crate::keys::UnsealError::Secret(SecretError::Unknown { key, .. }) if key == foreign.id()));
        assert!(matches!(keys.rotate("cli:anna").await, Err(KeyError::Unopened(named)) if named.len() == 1));
        assert_eq!(world.get(&keys, world.origin.connection).await, "one");
        assert_eq!(world.store.data_keys().await.unwrap().len(), 2);
    });
}

#[test]
fn uses_of_an_hour_are_one_line_and_each_change_is_its_own() {
    on_both("audit", |world| async move {
        world.sealed_under(&MasterKey::random()).await;
        let (workspace, connection) = (world.origin.workspace, world.origin.connection);
        let uses = |count| UseCount { workspace, connection, name: "token".to_owned(), purpose: Purpose::Request, count };
        world.store.add_uses(&[uses(2), uses(3)]).await.unwrap();
        world.store.add_uses(&[uses(5)]).await.unwrap();
        let filter = AuditFilter { subject: Some(connection.to_string()), limit: 10, ..AuditFilter::default() };
        let lines = world.store.audit(workspace, &filter).await.unwrap();
        let told = |it: &AuditLine| (it.action.clone(), it.author.clone().unwrap_or_default(), it.count);
        let request = lines.iter().filter(|it| it.action == "secret.request").map(told).collect::<Vec<_>>();
        assert!(
            request.iter().all(|it| it.1.is_empty()) && request.iter().map(|it| it.2).sum::<i64>() == 10 && request.len() <= 2,
            "{request:?}"
        );
        let changes = world.store.audit(workspace, &AuditFilter { changes: true, ..filter.clone() }).await.unwrap();
        let changes = changes.iter().map(told).collect::<Vec<_>>();
        assert_eq!(changes, [("secret.set".to_owned(), "tok_1".to_owned(), 1), ("secret.set".to_owned(), "tests".to_owned(), 1)]);
        let there = world.store.connection(workspace, connection).await.unwrap().unwrap();
        world.store.update_connection(&there, &BTreeMap::new(), &["token".to_owned(), "none".to_owned()], false, "cli:anna").await.unwrap();
        let newest = world.store.audit(workspace, &AuditFilter { limit: 1, ..filter.clone() }).await.unwrap();
        assert_eq!(told(&newest[0]), ("secret.removed".to_owned(), "cli:anna".to_owned(), 1));
        assert!(world.store.sealed_secrets(connection).await.unwrap().is_empty());
        assert!(world.store.audit(world.store.further_workspace("Other", "RU").await.unwrap(), &filter).await.unwrap().is_empty());
        let of = async |action: &str| {
            let filter = AuditFilter { action: Some(action.to_owned()), limit: 10, ..AuditFilter::default() };
            world.store.audit(workspace, &filter).await.unwrap().len()
        };
        let all = of("secret").await;
        assert_eq!((of("secret.removed").await, of("secret.remove").await, of("sec").await, of("contact.erase").await), (1, 0, 0, 0));
        assert!(all >= 4, "{all}");
        assert_eq!(world.store.forget_audit(world.store.clock.now_ms() + 1_000, 2).await.unwrap(), 2, "in steps");
        assert_eq!(world.store.forget_audit(0, 100).await.unwrap(), 0);
    });
}

#[test]
fn an_old_delivery_is_packed_then_emptied_and_the_sums_hold() {
    on_both("retention", |world| async move {
        let body =
            json!({ "update_id": 1, "message": { "text": "Здравствуйте".repeat(40), "chat": { "id": 1, "type": "private" } } }).to_string();
        let mut whole = Vec::new();
        for key in ["1", "2", "3"] {
            whole.push(Intake { body: body.clone().into_bytes(), ..world.said(key, vec![Identity::handle(key)]) });
        }
        let small = world.said("4", vec![Identity::handle("4")]);
        let dead = Intake { body: body.clone().into_bytes(), ..world.intake(Reading::Dead("connector.trap: x".to_owned())) };
        world.ingest(&[whole.clone(), vec![small.clone(), dead.clone()]].concat()).await;
        let later = world.store.clock.now_ms() + 60_000;
        let read = async |id| world.store.delivery(world.origin.workspace, id).await.unwrap().unwrap();

        assert_eq!(world.store.pack_deliveries(0, 10).await.unwrap().looked, 0, "none is so old");
        let first = world.store.pack_deliveries(later, 2).await.unwrap();
        assert_eq!((first.looked, first.changed), (2, 2));
        assert!(first.after * 2 < first.before, "{first:?}");
        let rest = world.store.pack_deliveries(later, 10).await.unwrap();
        assert_eq!((rest.looked, rest.changed), (3, 2), "a small one is not worth it");
        assert_eq!(world.store.pack_deliveries(later, 10).await.unwrap().looked, 0);
        for it in whole.iter().chain([&small, &dead]) {
            let (view, bytes) = read(it.id).await;
            assert_eq!((bytes.as_ref(), view.size), (Some(&it.body), i64::try_from(it.body.len()).unwrap()), "byte for byte");
        }
        let kept = world.store.kept_deliveries(world.origin.workspace, world.origin.connection, None, 0, 10).await.unwrap();
        let bodies: Vec<&[u8]> = kept.iter().map(|it| it.body.as_slice()).collect();
        assert_eq!(
            bodies,
            whole.iter().chain([&small, &dead]).map(|it| it.body.as_slice()).collect::<Vec<_>>(),
            "a replay reads what came"
        );
        world.assert_sound().await;

        assert_eq!(world.store.empty_deliveries(0, 10).await.unwrap().looked, 0);
        let emptied = world.store.empty_deliveries(later, 10).await.unwrap();
        assert_eq!((emptied.looked, emptied.changed), (5, 4), "a dead one may be mended yet");
        let (view, bytes) = read(whole[0].id).await;
        assert_eq!((view.outcome.as_str(), view.request, bytes), ("accepted", None, None));
        assert_eq!(read(dead.id).await.1, Some(dead.body.clone()));
        assert_eq!(world.store.empty_deliveries(later, 10).await.unwrap().looked, 0);
        world.assert_sound().await;
        assert_eq!(world.ingest(&[whole[0].clone()].map(|it| Intake { id: world.store.ids.next(), ..it })).await, [Outcome::Duplicate]);

        assert!(world.store.hold_upkeep("a/1", 60_000).await.unwrap() && !world.store.hold_upkeep("b/1", 60_000).await.unwrap());
        world.store.release_own_leases("a").await.unwrap();
        assert!(world.store.hold_upkeep("b/1", 60_000).await.unwrap(), "a hub that was killed gives its turn back when it starts");
    });
}
