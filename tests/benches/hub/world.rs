//! Databases, payloads and connections for the measurements.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use patchbay_host::clock::Clock;
use patchbay_host::config::{Config, SecretsConfig};
use patchbay_host::hub::Hub;
use patchbay_host::operations::NewConnection;
use patchbay_host::secrets::KeySource;
use patchbay_tests::files;
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
    let built = files::target().join("wasm32-unknown-unknown/connector");
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

/// A hub's configuration on this database, with the connectors of this folder.
pub fn config(database: &str, folder: &Path, connectors: PathBuf) -> Config {
    Config {
        database: database.to_owned(),
        connectors,
        cache: folder.join("cache"),
        secrets: SecretsConfig { key: KeySource::File(folder.join("patchbay.key")), former_keys: Vec::new() },
        ..Config::default()
    }
}

/// The built connectors in a folder of the hub's own, since beside them it keeps which versions run.
pub fn installed(folder: &Path) -> PathBuf {
    let own = folder.join("connectors");
    std::fs::create_dir_all(&own).expect("the build folder can be written");
    for entry in std::fs::read_dir(connectors()).expect("the connectors are built") {
        let built = entry.expect("an entry").path();
        let place = own.join(built.file_name().expect("a file has a name"));
        if built.extension().is_some_and(|it| it == "wasm") && !place.exists() {
            std::fs::copy(&built, &place).expect("the build folder can be written");
        }
    }
    own
}

/// Opens a hub that has the connectors of this folder.
pub async fn open(database: &str, folder: &Path, connectors: &Path) -> Hub {
    Hub::open(config(database, folder, connectors.to_owned()), Clock::System).await.expect("the hub opens")
}

/// Opens a hub and gives it a Telegram connection that listens.
pub async fn hub(database: &str, folder: &Path) -> (Hub, patchbay_host::store::connections::Connection) {
    let hub = open(database, folder, &installed(folder)).await;
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
