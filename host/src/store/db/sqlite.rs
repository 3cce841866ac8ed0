//! What is SQLite's own: one writer, and few ways to the thread that sqlx keeps for it.
//!
//! Each way to that thread and back costs some 75 µs on two busy cores, more than most statements. So a transaction begins together
//! with its first read, and all writes that are queued go together with the commit, as one text of many statements.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Row as _, Sqlite};

use super::tx::{LookUp, Queued};
use super::value::{Cell, Record, Value};

/// Most rows in one `values` list. Lists of four relations with nine columns stay far below SQLite's 32,766 values then.
const MOST_ROWS: usize = 256;

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// A transaction on the one connection that writes.
pub(super) struct SqliteTx {
    connection: PoolConnection<Sqlite>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// `begin` was not sent yet.
    Waiting,
    Open,
    Committed,
}

impl SqliteTx {
    pub(super) fn new(connection: PoolConnection<Sqlite>) -> Self {
        Self { connection, state: State::Waiting }
    }

    async fn begin(&mut self) -> sqlx::Result<()> {
        if self.state == State::Waiting {
            self.state = State::Open;
            query("begin immediate", Vec::new()).execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    pub(super) async fn execute(&mut self, sql: &str, values: Vec<Value>) -> sqlx::Result<u64> {
        self.begin().await?;
        Ok(query(sql, values).execute(&mut *self.connection).await?.rows_affected())
    }

    pub(super) async fn fetch(&mut self, sql: &str, values: Vec<Value>) -> sqlx::Result<Vec<Record>> {
        let sql = if self.state == State::Waiting { format!("begin immediate; {sql}") } else { sql.to_owned() };
        self.state = State::Open;
        Ok(query(&sql, values).fetch_all(&mut *self.connection).await?.into_iter().map(Record::Sqlite).collect())
    }

    /// Keys go in rounds, since a statement takes no more than 32,766 values.
    pub(super) async fn look_up(&mut self, sql: &str, width: usize, mut keys: Vec<LookUp>) -> sqlx::Result<Vec<Record>> {
        let mut found = Vec::new();
        while keys.iter().any(|it| !it.rows.is_empty()) {
            let round = keys.iter_mut().map(|LookUp { columns, rows }| {
                let rows = rows.drain(..rows.len().min(MOST_ROWS)).collect();
                LookUp { columns: *columns, rows }
            });
            let round = round.collect();
            found.append(&mut self.look_up_round(sql, width, round).await?);
        }
        Ok(found)
    }

    /// Keys go as lists of one length; the rows come back as one JSON document, since each row by itself wakes both threads.
    async fn look_up_round(&mut self, sql: &str, width: usize, keys: Vec<LookUp>) -> sqlx::Result<Vec<Record>> {
        let begin = if self.state == State::Waiting { "begin immediate; " } else { "" };
        let length = list_length(keys.iter().map(|it| it.rows.len()));
        let columns = keys.iter().map(|it| it.columns);
        let sql = columns.fold(sql.to_owned(), |sql, columns| sql.replacen("{rows}", &list(columns, length), 1));
        let values = keys.into_iter().flat_map(|LookUp { columns, rows }| {
            let empty = (length - rows.len()) * columns;
            rows.into_iter().flatten().map(Value::from).chain(std::iter::repeat_n(Value::Text(None), empty))
        });
        #[cfg(test)]
        self.assert_goes_by_keys(&sql, || sql.clone()).await;
        let names = (0..width).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
        let sql = format!("{begin}with found({names}) as ({sql}) select json_group_array(json_array({names})) from found");
        self.state = State::Open;
        let rows = query(&sql, values.collect()).fetch_all(&mut *self.connection).await?;
        let Some(row) = rows.last() else { return Ok(Vec::new()) };
        let found: Vec<Vec<Cell>> = serde_json::from_str(row.try_get(0)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(found.into_iter().map(Record::Found).collect())
    }

    /// Writes what was queued.
    pub(super) async fn write(&mut self, queued: Vec<Queued>) -> sqlx::Result<()> {
        self.begin().await?;
        let (sql, values) = self.all_but_full_lists(queued).await?;
        query(&sql, values).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Writes what was queued, and makes all of it last.
    pub(super) async fn commit(mut self, queued: Vec<Queued>) -> sqlx::Result<()> {
        if self.state == State::Waiting && queued.iter().all(|it| it.rows.is_empty()) {
            return Ok(());
        }
        self.begin().await?;
        let (mut sql, values) = self.all_but_full_lists(queued).await?;
        sql += "commit";
        query(&sql, values).execute(&mut *self.connection).await?;
        self.state = State::Committed;
        Ok(())
    }

    /// Writes what fills whole lists, each by itself, since their way there costs little beside them; the rest as one text.
    ///
    /// In that text every statement has a list of the same length, a power of two, filled up with empty rows: so there are few texts,
    /// and each is prepared once. An empty row costs a tenth of a real one.
    async fn all_but_full_lists(&mut self, mut queued: Vec<Queued>) -> sqlx::Result<(String, Vec<Value>)> {
        for Queued { sql, types, rows } in &mut queued {
            #[cfg(test)]
            self.assert_goes_by_keys(sql, || sql.replacen("{rows}", &list(types.len(), MOST_ROWS), 1)).await;
            while rows.len() >= MOST_ROWS {
                let values = rows.drain(..MOST_ROWS).flatten().collect();
                query(&sql.replacen("{rows}", &list(types.len(), MOST_ROWS), 1), values).execute(&mut *self.connection).await?;
            }
        }
        let (mut text, mut values) = (String::new(), Vec::new());
        if queued.iter().any(|it| !it.rows.is_empty()) {
            let length = list_length(queued.iter().map(|it| it.rows.len()));
            for Queued { sql, types, rows } in queued {
                text += &sql.replacen("{rows}", &list(types.len(), length), 1);
                text += ";\n";
                let empty = (length - rows.len()) * types.len();
                values.extend(rows.into_iter().flatten());
                values.extend(std::iter::repeat_n(Value::Int(None), empty));
            }
        }
        Ok((text, values))
    }
}

#[cfg(test)]
impl SqliteTx {
    /// A statement for each batch must cost the same however much is stored: it may scan its own rows, which have names of one
    /// letter, and finds all else by an index that is there. A plan does not depend on what is stored, so one look at each is enough.
    async fn assert_goes_by_keys(&mut self, statement: &str, made: impl FnOnce() -> String) {
        static SEEN: std::sync::Mutex<std::collections::BTreeSet<String>> = std::sync::Mutex::new(std::collections::BTreeSet::new());
        if !SEEN.lock().unwrap().insert(statement.to_owned()) {
            return;
        }
        let sql = made();
        let plan = query(&format!("explain query plan {sql}"), Vec::new()).fetch_all(&mut *self.connection).await.unwrap();
        for step in plan.iter().map(|row| row.get::<String, _>("detail")) {
            let scans = step
                .strip_prefix("SCAN ")
                .filter(|it| it.len() > 1 && !it.starts_with('(') && !it.contains("CONSTANT ROW") && !it.contains("-ROW VALUES"));
            assert!(scans.is_none() && !step.contains("AUTOMATIC"), "{step}\n{sql}");
        }
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if self.state == State::Open {
            // Closing takes back what was written.
            self.connection.close_on_drop();
        }
    }
}

/// A statement with its values.
pub(super) fn query(sql: &str, values: Vec<Value>) -> Query {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Text(it) => query.bind(it),
        Value::Int(it) => query.bind(it),
        Value::Bytes(it) => query.bind(it),
    })
}

/// The length of lists that hold up to so many rows: few lengths, so that statements are prepared once.
fn list_length(rows: impl Iterator<Item = usize>) -> usize {
    rows.max().unwrap_or(0).next_power_of_two()
}

/// So many rows, of which the empty ones don't count.
fn list(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("select * from (values {}) where column1 is not null", vec![row; rows].join(","))
}
