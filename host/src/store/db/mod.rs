//! One database, two engines: SQLite and PostgreSQL behind the few operations that the store needs.
//!
//! Queries are written once, in the SQL that both engines share: `$1` placeholders, three column types (text, 64-bit integers, bytes),
//! times in milliseconds since 1970 UTC, JSON as text. Keys are looked up and rows go in by the hundred, and writes are queued until
//! something must be read or committed: each way to a database and back costs more than most statements. How keys and rows travel is
//! each engine's own. sqlx's own `Any` driver has neither arrays nor SQLite's settings, so it is not used.

mod postgres;
mod scrub;
mod sqlite;
mod tx;
mod value;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, PgPool, SqlStr, SqlitePool};

use self::sqlite::SqliteTx;
pub use self::tx::{LookUp, Tx};
pub use self::value::{Record, Type, Value};

/// Readers beside the one writer of SQLite.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL that write, and as many that read.
const POSTGRES_CONNECTIONS: u32 = 8;
/// A statement is planned once, perhaps while its tables are empty, and its plan must still be right when they hold millions: it goes by
/// keys from the first row on.
const POSTGRES_BY_KEYS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// Pages of SQLite's log beyond which it begins anew: 64 MiB.
const LOG_PAGES: i64 = 16_000;
/// Pages of the log beyond which a commit itself copies them, where no hub runs beside it that does.
const LOG_PAGES_UNTIDIED: &str = "32000";
/// How long a statement waits for another process that writes into the same SQLite file.
const BUSY: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// The schema's steps on SQLite: what each is for, and its statements. A released step is never edited.
const SQLITE_MIGRATIONS: &[(&str, &str)] = &[("first", include_str!("../migrations/sqlite/0001_first.sql"))];
/// The same steps on PostgreSQL.
const POSTGRES_MIGRATIONS: &[(&str, &str)] = &[("first", include_str!("../migrations/postgres/0001_first.sql"))];

/// A database.
#[derive(Clone)]
pub enum Db {
    /// The embedded default: one writer, readers beside it.
    Sqlite {
        /// One connection: SQLite has one writer.
        write: SqlitePool,
        /// Snapshots that do not wait for the writer.
        read: SqlitePool,
        /// The database's file; its log stands beside it.
        file: PathBuf,
    },
    /// Past one machine.
    Postgres {
        /// Transactions, whose statements all go by keys.
        write: PgPool,
        /// Lists, and sums over whole tables.
        read: PgPool,
    },
}

impl Db {
    /// Opens `sqlite:<path>` or `postgres://…` and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let db = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await?
        } else {
            Self::open_sqlite(url).await?
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn open_sqlite(url: &str) -> Result<Self, sqlx::Error> {
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        if let Some(folder) = Path::new(path).parent().filter(|it| !it.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(sqlx::Error::Io)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(BUSY)
            .statement_cache_capacity(512)
            // Rows wait in a queue between sqlx's thread and ours: a short one makes both wait for each other.
            .row_buffer_size(1024)
            .pragma("cache_size", "-16000")
            .pragma("temp_store", "memory")
            // For a long list of keys SQLite would rather index a whole table anew, for that one statement, than use the index there is.
            .pragma("automatic_index", "off")
            .pragma("wal_autocheckpoint", LOG_PAGES_UNTIDIED)
            .disable_statement_logging();
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(ACQUIRE)
            // Else each read would be two ways to sqlx's thread and back.
            .test_before_acquire(false)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options.pragma("cache_size", "-4000").pragma("query_only", "on"));
        Ok(Self::Sqlite { write, read, file: PathBuf::from(path) })
    }

    async fn open_postgres(url: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name("patchbay").disable_statement_logging();
        let pool = || PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE);
        let write = match pool().test_before_acquire(false).connect_with(options.clone().options(POSTGRES_BY_KEYS)).await {
            // The pool tried until its time was up, and does not say why in vain: one more try does.
            Err(error @ sqlx::Error::PoolTimedOut) => match tokio::time::timeout(ACQUIRE, options.connect()).await {
                Ok(Err(reason)) => return Err(reason),
                Ok(Ok(_)) | Err(_) => return Err(error),
            },
            opened => opened?,
        };
        let read = pool().idle_timeout(Duration::from_secs(60)).connect_lazy_with(options);
        Ok(Self::Postgres { write, read })
    }

    async fn migrate(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite { write, .. } => migrator(SQLITE_MIGRATIONS).run(write).await?,
            Self::Postgres { write, .. } => migrator(POSTGRES_MIGRATIONS).run(write).await?,
        }
        Ok(())
    }

    /// Begins a transaction that writes. On SQLite there is one at a time.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        match self {
            Self::Sqlite { write, .. } => Ok(SqliteTx::new(write.acquire().await?).into()),
            Self::Postgres { write, .. } => {
                // A connection is not asked whether it still lives, which would be one way more for each batch: where the server was
                // started anew, the old ones are found out here, one by one.
                for _ in 0..POSTGRES_CONNECTIONS {
                    match write.begin().await {
                        Err(error) if !matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
                            tracing::debug!(error = %error, "a connection to the database is given up");
                        }
                        begun => return Ok(begun?.into()),
                    }
                }
                Ok(write.begin().await?.into())
            }
        }
    }

    /// Reads outside a transaction.
    pub async fn fetch(&self, sql: &str, values: Vec<Value>) -> sqlx::Result<Vec<Record>> {
        match self {
            Self::Sqlite { read, .. } => Ok(sqlite::query(sql, values).fetch_all(read).await?.into_iter().map(Record::Sqlite).collect()),
            Self::Postgres { read, .. } => {
                Ok(postgres::query(sql, values).fetch_all(read).await?.into_iter().map(Record::Postgres).collect())
            }
        }
    }

    /// Reads at most one row.
    pub async fn fetch_optional(&self, sql: &str, values: Vec<Value>) -> sqlx::Result<Option<Record>> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// Copies what stands in SQLite's log into the database file. Done beside the writer, so that no commit waits for the disk because
    /// of it; only to begin the log anew, the writer is held for the few pages that came in meanwhile.
    pub async fn tidy(&self) -> sqlx::Result<()> {
        if let Self::Sqlite { .. } = self {
            let copy = "pragma wal_checkpoint(passive)";
            let log = self.fetch_optional(copy, Vec::new()).await?;
            if log.map(|it| it.int(1)).transpose()?.is_some_and(|it| it > LOG_PAGES) {
                // What came in while the many were copied, so that the writer is held for the very last ones alone.
                self.fetch(copy, Vec::new()).await?;
                self.fetch("pragma wal_checkpoint(restart)", Vec::new()).await?;
            }
        }
        Ok(())
    }

    /// Closes every connection; what was begun is finished first.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

fn migrator(steps: &[(&'static str, &'static str)]) -> Migrator {
    let steps = steps
        .iter()
        .zip(1..)
        .map(|((name, sql), version)| Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, SqlStr::from_static(sql), false));
    Migrator { migrations: steps.collect(), ..Migrator::DEFAULT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_and_texts_come_back_as_they_went_in() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let file = std::env::temp_dir().join(format!("patchbay-db-{}.db", std::process::id()));
            let db = Db::open(&format!("sqlite:{}", file.display())).await.unwrap();
            let bytes: [Option<Vec<u8>>; 6] = [
                None,
                Some(Vec::new()),
                Some((0..=255).collect()),
                Some("Анна \"x\"\n".into()),
                Some(b"x6869".to_vec()),
                Some(b"a\0b".to_vec()),
            ];
            let mut tx = db.begin().await.unwrap();
            tx.execute("create table t (n integer, name text, body blob)", Vec::new()).await.unwrap();
            let rows = bytes.iter().zip(0_i64..).map(|(it, n)| vec![n.into(), "Анна\0'".into(), it.clone().into()]).collect();
            tx.queue("insert into t (n, name, body) {rows}", &[Type::Int, Type::Text, Type::Bytes], rows);
            tx.commit().await.unwrap();
            for (row, sent) in db.fetch("select body, name from t order by n", Vec::new()).await.unwrap().iter().zip(bytes) {
                assert_eq!(row.opt_bytes(0).unwrap(), sent);
                assert_eq!(row.text(1).unwrap(), "Анна\u{fffd}'", "PostgreSQL knows no NUL in a text");
            }
            db.close().await;
            std::fs::remove_file(file).unwrap();
        });
    }
}
