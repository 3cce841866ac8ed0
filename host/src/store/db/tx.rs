//! A transaction that writes.

use sqlx::{Postgres, Transaction};

use super::postgres;
use super::sqlite::SqliteTx;
use super::value::{Record, Type, Value};

/// Keys to look up: a relation of text columns.
pub struct LookUp {
    /// How many columns.
    pub columns: usize,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// A write over many rows that waits to go with others.
pub(super) struct Queued {
    pub(super) sql: &'static str,
    pub(super) types: &'static [Type],
    pub(super) rows: Vec<Vec<Value>>,
}

/// A transaction that writes. Dropped before [`Tx::commit`], it leaves nothing behind.
pub struct Tx {
    engine: Engine,
    queued: Vec<Queued>,
}

enum Engine {
    Sqlite(SqliteTx),
    Postgres(Transaction<'static, Postgres>),
}

impl From<SqliteTx> for Tx {
    fn from(tx: SqliteTx) -> Self {
        Self { engine: Engine::Sqlite(tx), queued: Vec::new() }
    }
}

impl From<Transaction<'static, Postgres>> for Tx {
    fn from(tx: Transaction<'static, Postgres>) -> Self {
        Self { engine: Engine::Postgres(tx), queued: Vec::new() }
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
            Engine::Sqlite(tx) => tx.execute(sql, values).await,
            Engine::Postgres(tx) => Ok(postgres::query(sql, values).execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Reads, or writes with `returning`.
    pub async fn fetch(&mut self, sql: &str, values: Vec<Value>) -> sqlx::Result<Vec<Record>> {
        self.flush().await?;
        match &mut self.engine {
            Engine::Sqlite(tx) => tx.fetch(sql, values).await,
            Engine::Postgres(tx) => {
                Ok(postgres::query(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Record::Postgres).collect())
            }
        }
    }

    /// Reads `width` columns, texts and integers, with many keys: each `{rows}` in the statement becomes the relation at its place.
    ///
    /// Many keys may go in several rounds, so what is found for a key must not depend on the others.
    pub async fn look_up<const N: usize>(&mut self, sql: &str, width: usize, keys: [LookUp; N]) -> sqlx::Result<Vec<Record>> {
        if keys.iter().all(|it| it.rows.is_empty()) {
            return Ok(Vec::new());
        }
        self.flush().await?;
        match &mut self.engine {
            Engine::Sqlite(tx) => tx.look_up(sql, width, keys.into()).await,
            Engine::Postgres(tx) => {
                let rows = postgres::look_up(sql, keys.into()).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Record::Postgres).collect())
            }
        }
    }

    /// Writes many rows, together with whatever else is queued: `{rows}` becomes a relation of them, of which the first column is
    /// never null. It goes with the next read, single write or commit; what is queued together must not build on one another.
    ///
    /// Queue what has no rows as well: then what goes together has the same text every time, and is prepared once.
    pub fn queue(&mut self, sql: &'static str, types: &'static [Type], rows: Vec<Vec<Value>>) {
        self.queued.push(Queued { sql, types, rows });
    }

    async fn flush(&mut self) -> sqlx::Result<()> {
        let queued = std::mem::take(&mut self.queued);
        if queued.iter().all(|it| it.rows.is_empty()) {
            return Ok(());
        }
        match &mut self.engine {
            Engine::Sqlite(tx) => tx.write(queued).await,
            Engine::Postgres(tx) => {
                postgres::write(queued).execute(&mut **tx).await?;
                Ok(())
            }
        }
    }

    /// Makes it last: after this the data survives a crash of the process and, as far as the disk keeps its word, of the machine.
    pub async fn commit(self) -> sqlx::Result<()> {
        let Self { engine, queued } = self;
        match engine {
            Engine::Sqlite(tx) => tx.commit(queued).await,
            Engine::Postgres(mut tx) => {
                if queued.iter().any(|it| !it.rows.is_empty()) {
                    postgres::write(queued).execute(&mut *tx).await?;
                }
                tx.commit().await
            }
        }
    }
}
