//! The databases that every scenario runs on.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::wait::PATIENCE;

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded default: a file in the hub's folder.
    Sqlite,
    /// A fresh database on the server that `PATCHBAY_POSTGRES_URL` names.
    Postgres,
}

impl Engine {
    /// The engines that a scenario runs on: both, unless `PATCHBAY_TEST_ENGINES` names one.
    #[must_use]
    pub fn each() -> Vec<Self> {
        match std::env::var("PATCHBAY_TEST_ENGINES").as_deref() {
            Err(_) => vec![Self::Sqlite, Self::Postgres],
            Ok("sqlite") => vec![Self::Sqlite],
            Ok("postgres") => vec![Self::Postgres],
            Ok(other) => panic!("PATCHBAY_TEST_ENGINES is `{other}`: sqlite or postgres (unset: both)"),
        }
    }
}

/// The server that tests use, as an address.
fn server() -> String {
    std::env::var("PATCHBAY_POSTGRES_URL").unwrap_or_else(|_| {
        panic!("no PostgreSQL: run `tests/servers/pg-up.sh` and `eval \"$(tests/servers/pg-up.sh env)\"`, or `./tests/run`")
    })
}

/// `host:port` of that server.
#[must_use]
pub fn server_address() -> String {
    let server = server();
    let place = server.split_once("://").map_or(server.as_str(), |it| it.1).split(['/', '?']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |it| it.1);
    if place.contains(':') { place.to_owned() } else { format!("{place}:5432") }
}

/// One hub's database. Dropping it removes it.
pub struct Database {
    server: Option<String>,
    name: String,
}

impl Database {
    /// An empty database.
    pub async fn new(engine: Engine) -> Self {
        let name = format!("patchbay_test_{}", crate::files::unique_name());
        if engine == Engine::Sqlite {
            return Self { server: None, name };
        }
        let server = server();
        run(&server, format!("create database {name}")).await;
        Self { server: Some(server), name }
    }

    /// The same by way of a port of this machine.
    #[must_use]
    pub fn url_through(&self, port: u16) -> String {
        self.url().replacen(&server_address(), &format!("127.0.0.1:{port}"), 1)
    }

    /// Has the server end every session with it, as an operator may.
    pub async fn end_sessions(&self) {
        let server = self.server.as_deref().expect("SQLite has no sessions");
        let sql = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        run(server, sql).await;
    }

    /// As `patchbay.toml` names it.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.server {
            None => "sqlite:hub.db".to_owned(),
            Some(server) => {
                server.rsplit_once('/').map_or_else(|| format!("{server}/{}", self.name), |(server, _)| format!("{server}/{}", self.name))
            }
        }
    }
}

/// While it lives nobody writes into the database; reading goes on.
pub enum Standstill {
    /// Holds SQLite's one write lock.
    Sqlite(SqliteConnection),
    /// Holds every table against writers.
    Postgres(PgConnection),
}

impl Standstill {
    /// Stops all writing into the database of the hub whose files lie in `folder`.
    pub async fn of(database: &Database, folder: &Path) -> Self {
        if database.server.is_none() {
            let options = SqliteConnectOptions::new().filename(folder.join("hub.db")).busy_timeout(PATIENCE);
            let mut connection = SqliteConnection::connect_with(&options).await.expect("the file is there");
            sqlx::query("begin immediate").execute(&mut connection).await.expect("the writer gives way");
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(&database.url()).await.expect("the server answers");
        let sql = "do $$ declare it text; begin for it in select quote_ident(tablename) from pg_tables where schemaname = 'public' loop \
                   execute 'lock table ' || it || ' in exclusive mode'; end loop; end $$";
        for statement in ["begin", sql] {
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("the server does what the tests ask");
        }
        Self::Postgres(connection)
    }

    /// Lets writers go on.
    pub async fn end(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.expect("the file lets go"),
            Self::Postgres(connection) => connection.close().await.expect("the server lets go"),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = self.server.take().filter(|_| !std::thread::panicking()) else { return };
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A test's own runtime may be under this very call, and a runtime cannot wait inside another one.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(run(&server, statement));
        });
        removed.join().expect("the database can be removed");
    }
}

async fn run(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server)
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL at PATCHBAY_POSTGRES_URL does not answer ({error}): run `tests/servers/pg-up.sh`"));
    // The name in it is made of numbers, a few lines above.
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("the server does what the tests ask");
    connection.close().await.expect("the server lets go");
}
