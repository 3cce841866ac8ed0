//! The store, the same tests on SQLite and on PostgreSQL.

mod answers;
mod calls;
mod conflicts;
mod erasure;
mod holds;
mod imports;
mod leads;
mod links;
mod matching;
mod merged;
mod outbox;
mod people;
mod rates;
mod records;
mod secrets;
mod time;
mod weights;

use std::collections::{BTreeMap, HashMap};

use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{
    ConversationRef, Detail, Direction, EventBody, Identity, Interaction, Name, Person, Source, interaction, interaction::CallResult,
};
use serde_json::json;

use super::connections::{Connection, ConnectionState};
use super::dead::DeadFilter;
use super::deliveries::Filter;
use super::leads::{LeadFilter, Of};
use super::outbox::{Asked, End, Reference, Release, Tried};
use super::*;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::plugin::state::Expected;
use crate::rules::delivery::DeliverySettings;
use crate::rules::ingest::{CheckedEvent, Context, Cursor, Feed, Intake, Origin, Outcome, ReadBy, Reading, Settings, Way};

/// Runs a test on both databases. A missing PostgreSQL is an error that says how to start it.
fn on_both<F: Future<Output = ()>>(name: &str, test: impl Fn(World) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = std::env::temp_dir().join(format!("patchbay-store-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let file = folder.join("test.db");
        test(World::open(&format!("sqlite:{}", file.display())).await).await;
        std::fs::remove_dir_all(&folder).unwrap();
        let url = std::env::var("PATCHBAY_POSTGRES_URL")
            .expect("PATCHBAY_POSTGRES_URL is not set: `tests/servers/pg-up.sh && eval \"$(tests/servers/pg-up.sh env)\"` starts a PostgreSQL and sets it");
        let database = format!("store_{name}_{}", std::process::id());
        let admin = sqlx::PgPool::connect(&url).await.unwrap();
        // One that a former run left behind, which had the same number.
        for sql in [format!("drop database if exists {database} with (force)"), format!("create database {database}")] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&admin).await.unwrap();
        }
        let (base, _) = url.rsplit_once('/').unwrap();
        test(World::open(&format!("{base}/{database}")).await).await;
        sqlx::query(sqlx::AssertSqlSafe(format!("drop database {database} with (force)"))).execute(&admin).await.unwrap();
    });
}

struct World {
    store: Store,
    origin: Origin,
    sink: ConnectionId,
    contexts: HashMap<WorkspaceId, Context>,
}

impl World {
    async fn open(url: &str) -> Self {
        let store = Store::open(url, Clock::System).await.unwrap();
        let workspace = store.first_workspace("Test", "RU", &Settings::default()).await.unwrap().id;
        let mut made = Vec::new();
        for connector in ["telegram", "odoo"] {
            let connection = connection(&store, workspace, connector);
            store.create_connection(&connection, &BTreeMap::from([("token".to_owned(), vec![1, 2, 3])]), "tests").await.unwrap();
            made.push(connection.id);
        }
        let origin = Origin {
            workspace,
            connection: made[0],
            connector: "telegram".to_owned(),
            channel: "telegram".to_owned(),
            handles: HandleScope::Vendor,
            read_by: Arc::new(ReadBy { version: "1.0.0".to_owned(), digest: "a".repeat(64) }),
        };
        let context = Context { region: "RU".to_owned(), sinks: vec![made[1]], messengers: vec![made[0]], ..Context::default() };
        Self { store, origin, sink: made[1], contexts: HashMap::from([(workspace, context)]) }
    }

    fn intake(&self, reading: Reading) -> Intake {
        Intake {
            id: self.store.ids.next(),
            origin: self.origin.clone(),
            way: Way::Webhook,
            request: Some(json!({ "method": "POST", "path": "", "query": "", "headers": [] }).to_string()),
            body: b"\xff raw".to_vec(),
            fingerprint: None,
            received_at: self.store.clock.now(),
            reading,
            cursor: None,
        }
    }

    fn said(&self, key: &str, identities: Vec<Identity>) -> Intake {
        self.says(key, "Анна", identities)
    }

    /// Somebody with this name says something in a chat of their own.
    fn says(&self, key: &str, name: &str, identities: Vec<Identity>) -> Intake {
        let body = EventBody::Message(Interaction {
            direction: Direction::In,
            person: Person { identities, name: Name::full(name), ..Person::default() },
            conversation: Some(ConversationRef { key: format!("chat-{key}"), title: None }),
            text: Some("Здравствуйте".to_owned()),
            author: None,
            attachments: Vec::new(),
            source: Source::default(),
            detail: Detail::Message(interaction::Message::default()),
            extra: patchbay_schemas::Extra::default(),
        });
        let payload = body.payload().unwrap();
        let event = CheckedEvent { key: key.to_owned(), kind: "message".to_owned(), occurred_at: None, payload, body: Ok(body) };
        self.intake(Reading::Events(vec![event]))
    }

    async fn ingest(&self, batch: &[Intake]) -> Vec<Outcome> {
        self.store.ingest(batch, &self.contexts, 0).await.unwrap().into_iter().map(|it| it.outcome).collect()
    }

    async fn assert_sound(&self) {
        for finding in self.store.examine().await.unwrap() {
            assert!(finding.violations.is_empty(), "{}: {:?}", finding.rule, finding.violations);
        }
    }
}

fn connection(store: &Store, workspace: WorkspaceId, connector: &str) -> Connection {
    Connection {
        id: store.ids.unguessable(),
        workspace,
        connector: connector.to_owned(),
        name: connector.to_owned(),
        state: ConnectionState::Active,
        config: json!({ "mode": "webhook" }),
        networks: vec!["127.0.0.0/8".to_owned()],
        delivery: DeliverySettings::default(),
        cursor: None,
        created_at: store.clock.now(),
        updated_at: store.clock.now(),
    }
}

#[test]
fn a_delivery_becomes_a_lead_with_its_person_and_timeline() {
    on_both("lead", |world| async move {
        let delivery = world.said("1", vec![Identity::handle("42").labelled(Some("anna")), Identity::phone("8 912 345-67-89")]);
        assert_eq!(world.ingest(std::slice::from_ref(&delivery)).await, [Outcome::Accepted]);
        let workspace = world.origin.workspace;
        let leads = world.store.leads(workspace, &LeadFilter::default(), None, 10).await.unwrap();
        assert_eq!(leads.len(), 1);
        assert_eq!(leads[0].contact.name.as_deref(), Some("Анна"));
        assert_eq!(leads[0].contact.identities.len(), 2);
        assert_eq!(
            leads[0].contact.identities.iter().find(|it| it.kind == patchbay_schemas::IdentityKind::Phone).unwrap().value,
            "+79123456789"
        );
        let timeline = world.store.interactions(workspace, Of::Lead(leads[0].id.parse().unwrap()), None, 10).await.unwrap();
        assert_eq!(timeline[0].event["payload"]["text"], "Здравствуйте");
        let (kept, body) = world.store.delivery(workspace, delivery.id).await.unwrap().unwrap();
        assert_eq!((kept.outcome.as_str(), body.as_deref()), ("accepted", Some(b"\xff raw".as_slice())));
        world.assert_sound().await;
    });
}

#[test]
fn a_repeated_delivery_is_a_duplicate_in_the_same_batch_and_in_a_later_one() {
    on_both("duplicate", |world| async move {
        let batch = [world.said("1", vec![Identity::handle("42")]), world.said("1", vec![Identity::handle("42")])];
        assert_eq!(world.ingest(&batch).await, [Outcome::Accepted, Outcome::Duplicate]);
        assert_eq!(world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await, [Outcome::Duplicate]);
        let sums = world.store.sums(world.origin.workspace).await.unwrap();
        let ours = sums.iter().find(|it| it.connection == world.origin.connection.to_string()).unwrap();
        assert_eq!((ours.received, ours.accepted, ours.duplicate), (3, 1, 2));
        world.assert_sound().await;
    });
}

#[test]
fn a_batch_of_more_keys_than_a_statement_takes_is_one_transaction() {
    on_both("wide", |world| async move {
        let identities = |at| vec![Identity::handle(format!("{at}")), Identity::phone(format!("+7912{at:07}"))];
        let batch: Vec<_> = (0..5_000).map(|at| world.said(&at.to_string(), identities(at))).collect();
        assert!(world.ingest(&batch).await.iter().all(|it| *it == Outcome::Accepted));
        let again: Vec<_> = (0..5_000).rev().map(|at| world.said(&at.to_string(), identities(at))).collect();
        assert!(world.ingest(&again).await.iter().all(|it| *it == Outcome::Duplicate));
        world.assert_sound().await;
    });
}

#[test]
fn contacts_that_share_an_identity_become_one_and_keep_what_each_had() {
    on_both("merge", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        world.ingest(&[world.said("2", vec![Identity::phone("+79123456789").stated()])]).await;
        assert_eq!(world.store.contacts(workspace, None, None, 10).await.unwrap().len(), 2);
        world.ingest(&[world.said("3", vec![Identity::handle("42"), Identity::phone("+79123456789")])]).await;
        let people = world.store.contacts(workspace, None, None, 10).await.unwrap();
        assert_eq!((people.len(), people[0].identities.len()), (1, 2));
        let of = Of::Contact(people[0].id.parse().unwrap());
        assert_eq!(world.store.interactions(workspace, of, None, 10).await.unwrap().len(), 3);
        let found = world.store.contacts(workspace, Some("+79123456789"), None, 10).await.unwrap();
        assert_eq!(found[0].id, people[0].id, "the phone leads to the one contact, although the other had it first");
        world.ingest(&[world.said("4", vec![Identity::phone("+79123456789")])]).await;
        assert_eq!(world.store.contacts(workspace, None, None, 10).await.unwrap().len(), 1);
        world.assert_sound().await;
    });
}

#[test]
fn two_writers_make_one_contact_of_one_person() {
    on_both("race", |world| async move {
        let world = Arc::new(world);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..2_i64 {
            let world = Arc::clone(&world);
            tasks.spawn(async move {
                for round in 0..25 {
                    let batch: Vec<Intake> = (0..4)
                        .map(|at| world.said(&format!("{round}-{writer}-{at}"), vec![Identity::handle(format!("{}", round % 5))]))
                        .collect();
                    world.store.ingest(&batch, &world.contexts, writer).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let workspace = world.origin.workspace;
        assert_eq!(world.store.contacts(workspace, None, None, 100).await.unwrap().len(), 5);
        assert_eq!(world.store.leads(workspace, &LeadFilter::default(), None, 100).await.unwrap().len(), 5);
        assert_eq!(world.store.interactions(workspace, Of::Everybody, None, 500).await.unwrap().len(), 200);
        world.assert_sound().await;
    });
}

#[test]
fn one_poller_has_the_turn_and_a_late_one_moves_no_cursor() {
    on_both("turn", |world| async move {
        let (store, id) = (&world.store, world.origin.connection);
        let cursor = |next: &str, lease: &str| Cursor { next: next.to_owned(), lease: lease.to_owned(), feed: Feed::News };
        let stands = async || store.connection(world.origin.workspace, id).await.unwrap().unwrap().cursor;
        assert!(!store.set_cursor(id, &cursor("0", "a/1")).await.unwrap(), "nobody has the turn yet");
        assert!(store.hold_poll(id, "a/1", 60_000).await.unwrap());
        assert!(store.hold_poll(id, "a/1", 60_000).await.unwrap(), "it is kept");
        assert!(!store.hold_poll(id, "b/1", 60_000).await.unwrap());
        assert!(store.set_cursor(id, &cursor("1", "a/1")).await.unwrap());

        // It dies: after its lease another one has the turn.
        assert!(store.hold_poll(id, "a/1", 0).await.unwrap());
        assert!(store.hold_poll(id, "b/1", 60_000).await.unwrap());
        assert!(!store.hold_poll(id, "a/1", 60_000).await.unwrap());
        assert!(!store.set_cursor(id, &cursor("late", "a/1")).await.unwrap());
        let page = |key: &str, it: Cursor| Intake { way: Way::Poll, cursor: Some(it), ..world.said(key, vec![Identity::handle("42")]) };
        world.ingest(&[page("1", cursor("late", "a/1"))]).await;
        assert_eq!(stands().await.as_deref(), Some("1"), "what it read is kept, but the cursor is not its own");
        world.ingest(&[page("2", cursor("2", "b/1"))]).await;
        assert_eq!(stands().await.as_deref(), Some("2"));

        // Given back, by a poller that ends or by a hub that starts again, it is free at once.
        store.release_poll(id, "a/1").await.unwrap();
        assert!(!store.hold_poll(id, "c/1", 60_000).await.unwrap(), "only its own");
        store.release_own_leases("b").await.unwrap();
        assert!(store.hold_poll(id, "c/1", 60_000).await.unwrap());
        store.release_poll(id, "c/1").await.unwrap();
        assert!(store.hold_poll(id, "a/2", 60_000).await.unwrap());
    });
}

#[test]
fn the_doctor_sees_what_does_not_add_up() {
    on_both("doctor", |world| async move {
        world.ingest(&[world.said("1", vec![Identity::handle("42")])]).await;
        world.assert_sound().await;
        let mut tx = world.store.db.begin().await.unwrap();
        tx.execute("delete from interactions", Vec::new()).await.unwrap();
        tx.execute("update counters set received = received + 1 where received > 0", Vec::new()).await.unwrap();
        tx.execute("delete from lanes", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let violated = world.store.examine().await.unwrap().into_iter().filter(|it| !it.violations.is_empty()).count();
        assert_eq!(violated, 4, "received ≠ outcomes, received ≠ rows, events without interaction, rows without lane");
    });
}

#[test]
fn state_has_a_quota_an_end_and_a_compare_and_set() {
    on_both("state", |world| async move {
        let (store, id) = (&world.store, world.origin.connection);
        let replace = |key: &'static str, expected: Expected<'static>, value: Option<&'static [u8]>, expires_at, now| {
            store.state_replace(id, key, expected, value, expires_at, now, 20)
        };
        assert!(replace("a", Expected::Nothing, Some(b"12345"), None, 0).await.unwrap());
        assert!(!replace("a", Expected::Nothing, Some(b"6"), None, 0).await.unwrap());
        assert!(replace("a", Expected::Bytes(b"12345"), Some(b"67890"), None, 0).await.unwrap());
        assert!(replace("b", Expected::Any, Some(b"123456789"), Some(10), 0).await.unwrap());
        assert!(matches!(replace("c", Expected::Any, Some(b"12345"), None, 0).await, Err(StoreError::StateQuota { quota: 20 })));
        assert_eq!(store.state_get(id, "b", 9).await.unwrap().as_deref(), Some(b"123456789".as_slice()));
        assert_eq!(store.state_get(id, "b", 10).await.unwrap(), None);
        assert!(replace("c", Expected::Any, Some(b"12345"), None, 10).await.unwrap(), "what expired makes room");
        assert!(replace("a", Expected::Any, None, None, 10).await.unwrap());
        assert_eq!(store.state_get(id, "a", 10).await.unwrap(), None);
    });
}

#[test]
fn tokens_open_their_workspace_until_they_are_revoked() {
    on_both("tokens", |world| async move {
        let workspace = world.origin.workspace;
        let (id, token) = world.store.create_token(workspace, "test").await.unwrap();
        assert_eq!(world.store.token_workspace(&token).await.unwrap().map(|it| it.0), Some(workspace));
        assert_eq!(world.store.token_workspace("pb_other").await.unwrap(), None);
        assert!(world.store.revoke_token(workspace, id).await.unwrap());
        assert_eq!(world.store.token_workspace(&token).await.unwrap(), None);
    });
}

#[test]
fn a_removed_connection_keeps_its_history_and_loses_its_secrets() {
    on_both("removed", |world| async move {
        let (workspace, id) = (world.origin.workspace, world.origin.connection);
        let before = world.store.connections_revision().await.unwrap();
        assert!(world.store.set_connection_state(workspace, id, &ConnectionState::Removed).await.unwrap());
        assert!(world.store.connections_revision().await.unwrap() > before);
        assert!(world.store.sealed_secrets(id).await.unwrap().is_empty());
        assert_eq!(world.store.connections(workspace, None, 10).await.unwrap().len(), 1);
        assert_eq!(world.store.connection(workspace, id).await.unwrap().unwrap().state, ConnectionState::Removed);
        assert!(!world.store.set_connection_state(workspace, id, &ConnectionState::Active).await.unwrap(), "gone is gone");
        let stranger: WorkspaceId = world.store.ids.next();
        assert_eq!(world.store.connection(stranger, id).await.unwrap(), None);
    });
}

#[test]
fn a_connection_of_another_workspace_keeps_its_secrets() {
    on_both("foreign", |world| async move {
        let (store, id) = (&world.store, world.origin.connection);
        let other = store.further_workspace("Other", "DE").await.unwrap();
        assert!(!store.set_connection_state(other, id, &ConnectionState::Removed).await.unwrap());
        let names = BTreeMap::from([(id, vec!["token".to_owned()])]);
        assert_eq!(store.secret_names(world.origin.workspace, Some(id)).await.unwrap(), names);
        assert_eq!(store.secret_names(world.origin.workspace, None).await.unwrap().len(), 2);
        assert!(store.secret_names(other, None).await.unwrap().is_empty());
    });
}
