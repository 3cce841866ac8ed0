//! Erasing one person everywhere, and writing down all of one.

use super::*;
use crate::clock::timestamp;
use crate::committer::DELIVERY_SHARD;
use crate::ids::ContactId;
use crate::store::audit::AuditFilter;
use crate::store::people::Files;

/// What nobody may find afterwards. Each in the spellings in which it may stand somewhere.
const TRACES: [&str; 6] =
    ["Завьялова", "\\u0417\\u0430\\u0432\\u044c\\u044f\\u043b", "9261112233", "926) 111-22-33", "zavyalova", "777000111"];

const ACCOUNT: &str = "777000111";

impl World {
    /// Everything that stands in any column of any table, and of SQLite's files.
    async fn everything(&self) -> Vec<(String, String)> {
        let tables = if self.store.is_shared() {
            "select tablename from pg_tables where schemaname = 'public' and tablename not like '\\_%'"
        } else {
            "select name from sqlite_master where type = 'table' and name not like '\\_%' escape '\\'"
        };
        let mut found = Vec::new();
        for table in self.store.db.fetch(tables, Vec::new()).await.unwrap() {
            let table = table.text(0).unwrap();
            let sql = if self.store.is_shared() {
                // Bytes are shown as text where they are any.
                format!(
                    "select concat(t::text, ' ', (select string_agg(encode(decode(substr(v.value, 3), 'hex'), 'escape'), ' ') \
                         from jsonb_each_text(to_jsonb(t)) v where v.value like '\\\\x%')) from {table} t"
                )
            } else {
                let columns = self.store.db.fetch(&format!("select name from pragma_table_info('{table}')"), Vec::new()).await.unwrap();
                let columns: Vec<String> =
                    columns.iter().map(|it| format!("coalesce(cast(\"{}\" as text), '')", it.text(0).unwrap())).collect();
                format!("select {} from \"{table}\"", columns.join(" || ' ' || "))
            };
            for row in self.store.db.fetch(&sql, Vec::new()).await.unwrap() {
                found.push((table.clone(), row.text(0).unwrap()));
            }
        }
        found
    }

    async fn traces(&self) -> Vec<(String, String)> {
        let everything = self.everything().await;
        // What PostgreSQL writes of bytes that are no ASCII is escaped; the digits and the address are not.
        everything.into_iter().filter(|(_, row)| TRACES.iter().any(|it| row.contains(it))).collect()
    }
}

fn raw(intake: Intake, body: &str, query: &str) -> Intake {
    let request = json!({ "method": "POST", "path": "", "query": query, "headers": [] }).to_string();
    Intake { body: body.as_bytes().to_vec(), request: Some(request), ..intake }
}

/// A world in which Zavyalova left traces everywhere, and in which others wrote too; her contact and somebody else's.
async fn with_traces(world: &World) -> (ContactId, ContactId) {
    let her = || {
        vec![
            Identity::handle(ACCOUNT).labelled(Some("@zavyalova_o")),
            Identity::phone("8 (926) 111-22-33"),
            Identity::email("zavyalova@example.com"),
        ]
    };
    let body = r#"{"from":777000111,"name":"\u0417\u0430\u0432\u044c\u044f\u043b\u043e\u0432\u0430","phone":"8 (926) 111-22-33"}"#;
    let first = raw(world.says("1", "Ольга Завьялова", her()), body, "");
    let again = Intake { id: world.store.ids.next(), ..raw(first.clone(), body, "phone=%2B7+926+111-22-33") };
    let other = raw(world.says("2", "Пётр Кузнецов", vec![Identity::phone("+79031234567")]), "{\"name\":\"Кузнецов\"}", "");
    assert_eq!(world.ingest(&[first, again, other]).await, [Outcome::Accepted, Outcome::Duplicate, Outcome::Accepted]);
    // Both in one delivery.
    let (mut both, his) =
        (world.says("3", "Ольга Завьялова", her()), world.says("4", "Пётр Кузнецов", vec![Identity::phone("+79031234567")]));
    if let (Reading::Events(events), Reading::Events(more)) = (&mut both.reading, his.reading) {
        events.extend(more);
    }
    world.ingest(&[raw(both, "{\"both\":[\"Завьялова\",\"Кузнецов\"]}", "")]).await;
    // A dead letter, and one with an event that does not fit its schema.
    let dead = world.intake(Reading::Dead("connector.trap: at zavyalova@example.com".to_owned()));
    world.ingest(&[raw(dead, "tel=8+926+111-22-33&name=%D0%9E", "")]).await;
    let mut misfit = world.says("5", "Ольга Завьялова", her());
    if let Reading::Events(events) = &mut misfit.reading {
        events[0].body = Err("/payload/text: Завьялова is no text".to_owned());
    }
    world.ingest(&[raw(misfit, "zavyalova", "")]).await;
    // What became of a message, and what is remembered and said in passing.
    let status = patchbay_schemas::event::StatusChange {
        message_id: "m1".to_owned(),
        status: patchbay_schemas::event::MessageStatus::Failed,
        error: Some("no account 777000111".to_owned()),
        direction: Direction::Out,
        person: None,
        extra: patchbay_schemas::Extra::default(),
    };
    let body = EventBody::Status(status);
    let event = CheckedEvent {
        key: "6:777000111".to_owned(),
        kind: "status".to_owned(),
        occurred_at: None,
        payload: body.payload().unwrap(),
        body: Ok(body),
    };
    world.ingest(&[raw(world.intake(Reading::Events(vec![event])), "{\"to\":777000111}", "")]).await;
    let (store, id) = (&world.store, world.origin.connection);
    assert!(store.state_replace(id, "chat:777000111", Expected::Nothing, Some(b"+79261112233"), None, 0, 1_000).await.unwrap());
    assert!(store.state_replace(id, "chat:other", Expected::Nothing, Some(b"+79031234567"), None, 0, 1_000).await.unwrap());
    // The sink got her lead, refused a note about her, and one waits.
    let leads = store.leads(world.origin.workspace, &LeadFilter::default(), None, 10).await.unwrap();
    let hers = leads.iter().find(|it| it.contact.name.as_deref() == Some("Ольга Завьялова")).unwrap().id.clone();
    let lanes = store.claim_lanes(world.sink, "hub", 10, 60_000).await.unwrap();
    let lane = lanes.iter().find(|it| it.lane == hers).unwrap();
    let rows = store.waiting(lane).await.unwrap();
    let reference =
        Reference { kind: "lead", local: hers, remote: "17".to_owned(), details: json!({ "name": "Завьялова" }).to_string() };
    let tried = [
        Tried { id: rows[0].id, at: 1, took_ms: 1, end: End::Delivered { reference: Some(reference), told: None } },
        Tried { id: rows[1].id, at: 1, took_ms: 1, end: End::Dead { reason: "crm.no: Завьялова +79261112233".to_owned() } },
    ];
    assert!(rows.len() > 2 && store.finish(lane, &tried, Some(Release::More), DELIVERY_SHARD).await.unwrap());
    let people = store.contacts(world.origin.workspace, None, None, 10).await.unwrap();
    let contact = |name: &str| people.iter().find(|it| it.name.as_deref() == Some(name)).unwrap().id.parse().unwrap();
    (contact("Ольга Завьялова"), contact("Пётр Кузнецов"))
}

#[test]
fn an_erased_person_is_found_nowhere_any_more_and_everybody_else_is_still_there() {
    on_both("erase", |world| async move {
        let workspace = world.origin.workspace;
        let (she, he) = with_traces(&world).await;
        world.assert_sound().await;
        assert!(world.traces().await.len() > 10, "the search finds what is there");
        let his = world.store.dossier(workspace, he).await.unwrap().unwrap();

        let would = world.store.erasure(workspace, she).await.unwrap().unwrap();
        assert_eq!((would.leads, would.conversations, would.interactions, would.shared_deliveries), (1, 2, 2, 1), "{would:?}");
        assert!(would.remote.iter().any(|it| (it.kind.as_str(), it.id.as_str()) == ("lead", "17")), "the CRM must be told by somebody");
        assert!(world.traces().await.len() > 10, "looking erases nothing");
        let erased = world.store.erase_contact(workspace, she, "somebody").await.unwrap().unwrap();
        assert_eq!(erased.erasure, would);
        assert_eq!(erased.files, if world.store.is_shared() { Files::Vacuumed } else { Files::Clean });

        assert_eq!(world.traces().await, []);
        world.assert_sound().await;
        assert!(
            world.store.contact(workspace, she).await.unwrap().is_none() && world.store.erasure(workspace, she).await.unwrap().is_none()
        );
        assert!(world.store.dead_letters(workspace, &DeadFilter::default(), None, 10).await.unwrap().iter().all(|it| it.what == "command"));
        assert!(world.store.state_get(world.origin.connection, "chat:other", 0).await.unwrap().is_some());
        let erasures = AuditFilter { action: Some("contact.erase".to_owned()), limit: 10, ..AuditFilter::default() };
        let audit = world.store.audit(workspace, &erasures).await.unwrap();
        assert_eq!((audit.len(), audit[0].author.as_deref(), audit[0].subject.clone()), (1, Some("somebody"), she.to_string()));
        assert_eq!(audit[0].details["contacts"], json!(erased.erasure.contacts));
        world.store.forget_audit(world.store.clock.now_ms() + 1_000, 100).await.unwrap();
        assert_eq!(
            world.store.audit(workspace, &AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap().len(),
            1,
            "an erasure stays"
        );

        let still = world.store.dossier(workspace, he).await.unwrap().unwrap();
        assert_eq!(
            (still.events.len(), still.leads.len()),
            (his.events.len(), his.leads.len()),
            "also what came in one delivery with hers"
        );
        assert_eq!(still.commands.len(), his.commands.len());
        assert!(
            his.deliveries.iter().any(|it| it["body_omitted"].is_string())
                && !still.deliveries.iter().any(|it| it["body_omitted"].is_string())
        );
        // She may come back, as somebody new.
        world.ingest(&[world.says("9", "Ольга Завьялова", vec![Identity::handle(ACCOUNT)])]).await;
        assert_eq!(world.store.contacts(workspace, None, None, 10).await.unwrap().len(), 2);
        world.assert_sound().await;
    });
}

#[test]
fn the_files_of_the_database_hold_no_byte_of_an_erased_person() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = std::env::temp_dir().join(format!("patchbay-store-bytes-{}", std::process::id()));
        let file = folder.join("test.db");
        let world = World::open(&format!("sqlite:{}", file.display())).await;
        let bytes = || {
            let files = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
            files.filter(|it| !it.to_string_lossy().ends_with("-shm")).flat_map(|it| std::fs::read(it).unwrap()).collect::<Vec<u8>>()
        };
        let holds = |text: &str| bytes().windows(text.len()).any(|it| it == text.as_bytes());
        let (she, _) = with_traces(&world).await;
        // Many others, so that pages split and cells move.
        for at in 0..200 {
            let name = format!("Somebody {at} {}", "x".repeat(at));
            world.ingest(&[world.says(&format!("n{at}"), &name, vec![Identity::phone(format!("+7903555{at:04}"))])]).await;
        }
        assert!(TRACES.iter().all(|it| holds(it)), "the search finds what is there");
        world.store.erase_contact(world.origin.workspace, she, "somebody").await.unwrap().unwrap();
        for trace in TRACES {
            assert!(!holds(trace), "{trace}");
        }
        assert!(holds("Кузнецов"));
        world.assert_sound().await;
        drop(world);
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn all_of_one_person_is_written_down_and_nothing_of_another() {
    on_both("dossier", |world| async move {
        let workspace = world.origin.workspace;
        let (she, _) = with_traces(&world).await;
        let dossier = world.store.dossier(workspace, she).await.unwrap().unwrap();
        let text = serde_json::to_string(&dossier).unwrap();
        for there in [
            "Завьялова",
            "+79261112233",
            "zavyalova@example.com",
            "777000111",
            "crm.no",
            "at zavyalova@example.com",
            "no account 777000111",
        ] {
            assert!(text.contains(there), "{there}");
        }
        assert!(!text.contains("Кузнецов") && !text.contains("79031234567"), "{text}");
        assert_eq!((dossier.leads.len(), dossier.conversations.len(), dossier.remote.len()), (1, 2, 1));
        assert!(dossier.exported_at > timestamp(0));
        let other = world.store.further_workspace("Other", "DE").await.unwrap();
        assert!(world.store.dossier(other, she).await.unwrap().is_none());
        assert!(world.store.erase_contact(other, she, "x").await.unwrap().is_none());
    });
}
