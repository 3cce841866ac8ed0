//! Databases, payloads and connections for the measurements.

use std::collections::BTreeMap;
use std::path::PathBuf;

use patchbay_host::clock::Clock;
use patchbay_host::config::Config;
use patchbay_host::hub::Hub;
use patchbay_host::operations::NewConnection;
use serde_json::{Map, Value, json};

/// A Telegram message of about 1.4 KB, with places for update and person.
const TEMPLATE: &str = include_str!("update.json");
/// The secret that Telegram would send along.
pub const SECRET: &str = "bench-secret-0123456789";

/// A place to measure in.
#[derive(Clone)]
pub struct Database {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// Where a fresh one is made.
    base: String,
}

/// SQLite, and PostgreSQL where there is one.
pub fn databases() -> Vec<Database> {
    let mut all = vec![Database { kind: "sqlite", base: String::new() }];
    match std::env::var("PATCHBAY_POSTGRES_URL") {
        Ok(base) => all.push(Database { kind: "postgres", base }),
        Err(_) => println!(
            "PATCHBAY_POSTGRES_URL is not set: PostgreSQL is not measured (tests/servers/pg-up.sh starts one; PG_FSYNC=on for true figures)"
        ),
    }
    all
}

/// Removes what former runs left: a run with many contacts leaves gigabytes.
pub fn clear() {
    drop(std::fs::remove_dir_all(workspace().join("target/bench")));
}

/// A fresh folder under the build folder: the disk that is measured is the one that the checkout lies on.
pub fn folder(name: &str) -> PathBuf {
    let folder = workspace().join("target/bench").join(format!("{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("the build folder can be written");
    folder
}

/// The checkout.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_owned()
}

/// Where the built connectors are.
pub fn connectors() -> PathBuf {
    let built = workspace().join("target/wasm32-unknown-unknown/connector");
    assert!(
        built.join("telegram.wasm").exists(),
        "no connectors in {}: `cargo build --profile connector --target wasm32-unknown-unknown -p telegram -p webform -p odoo` makes them",
        built.display()
    );
    built
}

impl Database {
    /// Address of a fresh database.
    pub async fn fresh(&self, name: &str) -> String {
        if self.kind == "sqlite" {
            return format!("sqlite:{}", folder(name).join("bench.db").display());
        }
        let database = format!("bench_{}_{}", name.replace('-', "_"), std::process::id());
        let admin = sqlx::PgPool::connect(&self.base).await.expect("PostgreSQL answers");
        for sql in [format!("drop database if exists {database} with (force)"), format!("create database {database}")] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&admin).await.expect("the database can be made");
        }
        let (server, _) = self.base.rsplit_once('/').expect("the address ends with a database");
        format!("{server}/{database}")
    }
}

/// A hub's configuration on this database.
pub fn config(database: &str, folder: &std::path::Path) -> Config {
    Config {
        database: database.to_owned(),
        connectors: connectors(),
        cache: folder.join("cache"),
        key_file: folder.join("patchbay.key"),
        ..Config::default()
    }
}

/// Opens a hub and gives it a Telegram connection that listens.
pub async fn hub(database: &str, folder: &std::path::Path) -> (Hub, patchbay_host::store::connections::Connection) {
    let hub = Hub::open(config(database, folder), Clock::System).await.expect("the hub opens");
    let set: BTreeMap<&str, Value> = BTreeMap::from([
        ("mode", json!("webhook")),
        ("token", json!("123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("webhook_secret", json!(SECRET)),
    ]);
    let config: Map<String, Value> = set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let new = NewConnection { connector: "telegram".to_owned(), name: "Bench".to_owned(), config, networks: Vec::new() };
    let connection = hub.create_connection(hub.workspace.id, new).await.expect("the connection can be made");
    hub.registry.refresh().await.expect("the registry can be read");
    (hub, connection)
}

/// The body of an update: the same person for the same number.
pub fn update(update: u64, person: u64) -> String {
    TEMPLATE.replace("100000001", &(100_000_000 + update).to_string()).replace("200000002", &(200_000_000 + person).to_string())
}

/// One thread that waits for others and threads for the rest, as the hub has them.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be made")
}
