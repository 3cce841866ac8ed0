//! One database, two engines: SQLite and PostgreSQL behind the few operations that the store needs.
//!
//! Queries are written once, in the SQL that both engines share: `$1` placeholders, three column types (text, 64-bit integers, bytes),
//! times in milliseconds since 1970 UTC, JSON as text. Keys are looked up and rows go in by the hundred: keys as a JSON array on SQLite
//! (its text does not depend on their number) and rows as a `values` list (two thirds faster than JSON), both as arrays on PostgreSQL.
//! Writes are queued until something must be read or committed: PostgreSQL gets them as one statement with writing CTEs, since there
//! each way to the database and back costs. sqlx's own `Any` driver has neither arrays nor SQLite's settings, so it is not used.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, Postgres, Row as _, Sqlite, SqlitePool};

/// Readers beside the one writer of SQLite.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long a statement waits for another process that writes into the same SQLite file.
const BUSY: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);
/// Up to this many rows a `values` list has its exact length; above it, lengths are powers of two, so that statements are reused.
const EXACT_ROWS: usize = 32;
/// Most rows in one `values` list.
const MOST_ROWS: usize = 256;

/// A value on its way into the database.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text or nothing.
    Text(Option<String>),
    /// An integer or nothing.
    Int(Option<i64>),
    /// Bytes or nothing.
    Bytes(Option<Vec<u8>>),
}

/// The three column types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `text`
    Text,
    /// `bigint`, SQLite's `integer`
    Int,
    /// `bytea`, SQLite's `blob`
    Bytes,
}

impl From<&str> for Value {
    fn from(it: &str) -> Self {
        it.to_owned().into()
    }
}
impl From<String> for Value {
    fn from(it: String) -> Self {
        // PostgreSQL knows no text with a NUL in it, and one such name must not stop a batch.
        Self::Text(Some(if it.contains('\0') { it.replace('\0', "\u{fffd}") } else { it }))
    }
}
impl From<Option<String>> for Value {
    fn from(it: Option<String>) -> Self {
        it.map_or(Self::Text(None), Into::into)
    }
}
impl From<Option<&str>> for Value {
    fn from(it: Option<&str>) -> Self {
        it.map(str::to_owned).into()
    }
}
impl From<i64> for Value {
    fn from(it: i64) -> Self {
        Self::Int(Some(it))
    }
}
impl From<Option<i64>> for Value {
    fn from(it: Option<i64>) -> Self {
        Self::Int(it)
    }
}
impl From<Vec<u8>> for Value {
    fn from(it: Vec<u8>) -> Self {
        Self::Bytes(Some(it))
    }
}
impl From<Option<Vec<u8>>> for Value {
    fn from(it: Option<Vec<u8>>) -> Self {
        Self::Bytes(it)
    }
}
impl<K: crate::ids::Named> From<crate::ids::Id<K>> for Value {
    fn from(it: crate::ids::Id<K>) -> Self {
        Self::Text(Some(it.to_string()))
    }
}
impl<K: crate::ids::Named> From<Option<crate::ids::Id<K>>> for Value {
    fn from(it: Option<crate::ids::Id<K>>) -> Self {
        Self::Text(it.map(|it| it.to_string()))
    }
}

/// A row on its way out. Columns are numbered from 0 in the order of the `select`.
pub enum Record {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
}

impl Record {
    /// Text that is there.
    pub fn text(&self, column: usize) -> sqlx::Result<String> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Text or nothing.
    pub fn opt_text(&self, column: usize) -> sqlx::Result<Option<String>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// An integer that is there.
    pub fn int(&self, column: usize) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// An integer or nothing.
    pub fn opt_int(&self, column: usize) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Bytes or nothing.
    pub fn opt_bytes(&self, column: usize) -> sqlx::Result<Option<Vec<u8>>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// An id.
    pub fn id<K: crate::ids::Named>(&self, column: usize) -> sqlx::Result<crate::ids::Id<K>> {
        self.text(column)?.parse().map_err(|error| sqlx::Error::ColumnDecode { index: column.to_string(), source: Box::new(error) })
    }

    /// An id or nothing.
    pub fn opt_id<K: crate::ids::Named>(&self, column: usize) -> sqlx::Result<Option<crate::ids::Id<K>>> {
        self.opt_text(column)?
            .map(|it| it.parse().map_err(|error| sqlx::Error::ColumnDecode { index: column.to_string(), source: Box::new(error) }))
            .transpose()
    }

    /// A JSON document that was stored as text.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> sqlx::Result<T> {
        serde_json::from_str(&self.text(column)?)
            .map_err(|error| sqlx::Error::ColumnDecode { index: column.to_string(), source: Box::new(error) })
    }
}

/// A database.
#[derive(Clone)]
pub enum Db {
    /// The embedded default: one writer, readers beside it.
    Sqlite {
        /// One connection: SQLite has one writer.
        write: SqlitePool,
        /// Snapshots that do not wait for the writer.
        read: SqlitePool,
    },
    /// Past one machine.
    Postgres(PgPool),
}

/// Keys to look up: a relation of text columns.
pub struct LookUp {
    /// How many columns.
    pub columns: usize,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// A transaction that writes.
pub struct Tx {
    engine: Engine,
    queued: Vec<Queued>,
}

enum Engine {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A write over many rows that waits to go with others.
struct Queued {
    sql: &'static str,
    types: &'static [Type],
    rows: Vec<Vec<Value>>,
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
            .pragma("wal_autocheckpoint", "4000")
            .disable_statement_logging();
        let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).connect_with(options.clone()).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options.pragma("cache_size", "-4000").pragma("query_only", "on"));
        Ok(Self::Sqlite { write, read })
    }

    async fn open_postgres(url: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name("patchbay").disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE).connect_with(options).await?;
        Ok(Self::Postgres(pool))
    }

    async fn migrate(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite { write, .. } => sqlx::migrate!("src/store/migrations/sqlite").run(write).await?,
            Self::Postgres(pool) => sqlx::migrate!("src/store/migrations/postgres").run(pool).await?,
        }
        Ok(())
    }

    /// Begins a transaction that writes. On SQLite there is one at a time.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        let engine = match self {
            Self::Sqlite { write, .. } => Engine::Sqlite(write.begin_with("begin immediate").await?),
            Self::Postgres(pool) => Engine::Postgres(pool.begin().await?),
        };
        Ok(Tx { engine, queued: Vec::new() })
    }

    /// Reads outside a transaction.
    pub async fn fetch(&self, sql: &str, values: Vec<Value>) -> sqlx::Result<Vec<Record>> {
        match self {
            Self::Sqlite { read, .. } => Ok(sqlite_query(sql, values).fetch_all(read).await?.into_iter().map(Record::Sqlite).collect()),
            Self::Postgres(pool) => Ok(postgres_query(sql, values).fetch_all(pool).await?.into_iter().map(Record::Postgres).collect()),
        }
    }

    /// Reads at most one row.
    pub async fn fetch_optional(&self, sql: &str, values: Vec<Value>) -> sqlx::Result<Option<Record>> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// Closes every connection; what was begun is finished first.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// True on PostgreSQL, where others write at the same time.
    #[must_use]
    pub fn has_company(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Writes; the number of rows it touched.
    pub async fn execute(&mut self, sql: &str, values: Vec<Value>) -> sqlx::Result<u64> {
        self.flush().await?;
        match &mut self.engine {
            Engine::Sqlite(tx) => Ok(sqlite_query(sql, values).execute(&mut **tx).await?.rows_affected()),
            Engine::Postgres(tx) => Ok(postgres_query(sql, values).execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Reads, or writes with `returning`.
    pub async fn fetch(&mut self, sql: &str, values: Vec<Value>) -> sqlx::Result<Vec<Record>> {
        self.flush().await?;
        match &mut self.engine {
            Engine::Sqlite(tx) => Ok(sqlite_query(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Record::Sqlite).collect()),
            Engine::Postgres(tx) => Ok(postgres_query(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Record::Postgres).collect()),
        }
    }

    /// Reads with many keys: each `{rows}` in the statement becomes the relation at its place.
    pub async fn look_up<const N: usize>(&mut self, sql: &str, keys: [LookUp; N]) -> sqlx::Result<Vec<Record>> {
        if keys.iter().all(|it| it.rows.is_empty()) {
            return Ok(Vec::new());
        }
        self.flush().await?;
        match &mut self.engine {
            Engine::Sqlite(tx) => {
                let sql = keys.iter().fold(sql.to_owned(), |sql, it| sql.replacen("{rows}", &json_rows(it.columns), 1));
                let values = keys.iter().map(|it| serde_json::json!(it.rows).to_string().into()).collect();
                Ok(sqlite_query(&sql, values).fetch_all(&mut **tx).await?.into_iter().map(Record::Sqlite).collect())
            }
            Engine::Postgres(tx) => {
                let mut first = 1;
                let sql = keys.iter().fold(sql.to_owned(), |sql, it| {
                    let sql = sql.replacen("{rows}", &unnest(&vec![Type::Text; it.columns], first), 1);
                    first += it.columns;
                    sql
                });
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for LookUp { columns, mut rows } in keys {
                    for column in 0..columns {
                        query = query.bind(rows.iter_mut().map(|it| std::mem::take(&mut it[column])).collect::<Vec<_>>());
                    }
                }
                Ok(query.fetch_all(&mut **tx).await?.into_iter().map(Record::Postgres).collect())
            }
        }
    }

    /// Writes many rows, together with whatever else is queued: `{rows}` becomes a relation of them. It goes with the next read,
    /// single write or commit; what is queued together must not build on one another.
    pub fn queue(&mut self, sql: &'static str, types: &'static [Type], rows: Vec<Vec<Value>>) {
        if !rows.is_empty() {
            self.queued.push(Queued { sql, types, rows });
        }
    }

    async fn flush(&mut self) -> sqlx::Result<()> {
        let queued = std::mem::take(&mut self.queued);
        if queued.is_empty() {
            return Ok(());
        }
        match &mut self.engine {
            Engine::Sqlite(tx) => {
                for Queued { sql, types, rows } in queued {
                    let mut rows = rows.into_iter();
                    while let Some(count) = next_chunk(rows.len()) {
                        let sql = sql.replacen("{rows}", &values_list(types.len(), count), 1);
                        let values = rows.by_ref().take(count).flatten().collect();
                        sqlite_query(&sql, values).execute(&mut **tx).await?;
                    }
                }
            }
            Engine::Postgres(tx) => {
                let mut first = 1;
                let each = queued.iter().enumerate().map(|(at, it)| {
                    let sql = it.sql.replacen("{rows}", &unnest(it.types, first), 1);
                    first += it.types.len();
                    format!("write_{at} as ({sql})")
                });
                let sql = format!("with {} select 1", each.collect::<Vec<_>>().join(",\n"));
                let query = queued.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, it| bind_columns(query, it.types, &it.rows));
                query.execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    /// Makes it last: after this the data survives a crash of the process and, as far as the disk keeps its word, of the machine.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.flush().await?;
        match self.engine {
            Engine::Sqlite(tx) => tx.commit().await,
            Engine::Postgres(tx) => tx.commit().await,
        }
    }
}

type PostgresQuery = sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments>;

fn sqlite_query(sql: &str, values: Vec<Value>) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Text(it) => query.bind(it),
        Value::Int(it) => query.bind(it),
        Value::Bytes(it) => query.bind(it),
    })
}

fn postgres_query(sql: &str, values: Vec<Value>) -> PostgresQuery {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Text(it) => query.bind(it),
        Value::Int(it) => query.bind(it),
        Value::Bytes(it) => query.bind(it),
    })
}

/// One array for each column.
fn bind_columns(query: PostgresQuery, types: &[Type], rows: &[Vec<Value>]) -> PostgresQuery {
    types.iter().enumerate().fold(query, |query, (column, kind)| {
        let values = rows.iter().map(|it| &it[column]);
        match kind {
            Type::Text => query.bind(values.map(|it| if let Value::Text(it) = it { it.clone() } else { None }).collect::<Vec<_>>()),
            Type::Int => query.bind(values.map(|it| if let Value::Int(it) = it { *it } else { None }).collect::<Vec<_>>()),
            Type::Bytes => query.bind(values.map(|it| if let Value::Bytes(it) = it { it.clone() } else { None }).collect::<Vec<_>>()),
        }
    })
}

/// The rows of PostgreSQL's arrays, whose placeholders begin with `$first`.
fn unnest(types: &[Type], first: usize) -> String {
    let arrays = types.iter().enumerate().map(|(at, kind)| {
        let name = match kind {
            Type::Text => "text",
            Type::Int => "bigint",
            Type::Bytes => "bytea",
        };
        format!("${}::{name}[]", first + at)
    });
    format!("select * from unnest({})", arrays.collect::<Vec<_>>().join(","))
}

/// The rows of one JSON array of arrays of text.
fn json_rows(columns: usize) -> String {
    let columns: Vec<String> = (0..columns).map(|at| format!("value->>{at}")).collect();
    format!("select {} from json_each(?)", columns.join(","))
}

fn next_chunk(left: usize) -> Option<usize> {
    match left {
        0 => None,
        1..=EXACT_ROWS => Some(left),
        MOST_ROWS.. => Some(MOST_ROWS),
        _ => Some(1 << left.ilog2()),
    }
}

fn values_list(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("values {}", vec![row; rows].join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_count_is_covered_by_few_statement_lengths() {
        let mut lengths = std::collections::BTreeSet::new();
        for rows in 1..2_000 {
            let mut left = rows;
            while let Some(count) = next_chunk(left) {
                assert!(count <= left && count <= MOST_ROWS);
                lengths.insert(count);
                left -= count;
            }
        }
        assert!(lengths.len() <= EXACT_ROWS + 3, "{lengths:?}");
    }

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
