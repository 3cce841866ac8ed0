//! Values on their way into the database, rows on their way out.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

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
    /// From SQLite, one of many that came together.
    Found(Vec<Cell>),
}

/// A value of a row that came together with others.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// An integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Nothing.
    Null,
}

impl Record {
    /// Text that is there.
    pub fn text(&self, column: usize) -> sqlx::Result<String> {
        self.opt_text(column)?.ok_or_else(|| missing(column))
    }

    /// Text or nothing.
    pub fn opt_text(&self, column: usize) -> sqlx::Result<Option<String>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::Found(row) => match row.get(column) {
                Some(Cell::Text(it)) => Ok(Some(it.clone())),
                Some(Cell::Null) => Ok(None),
                _ => Err(missing(column)),
            },
        }
    }

    /// An integer that is there.
    pub fn int(&self, column: usize) -> sqlx::Result<i64> {
        self.opt_int(column)?.ok_or_else(|| missing(column))
    }

    /// An integer or nothing.
    pub fn opt_int(&self, column: usize) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::Found(row) => match row.get(column) {
                Some(Cell::Int(it)) => Ok(Some(*it)),
                Some(Cell::Null) => Ok(None),
                _ => Err(missing(column)),
            },
        }
    }

    /// Bytes or nothing.
    pub fn opt_bytes(&self, column: usize) -> sqlx::Result<Option<Vec<u8>>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::Found(_) => Err(missing(column)),
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

#[cold]
fn missing(column: usize) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source: "no such value is there".into() }
}
