//! What is PostgreSQL's own: many keys and many rows go as one array for each column.

use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Postgres};

use super::tx::{LookUp, Queued};
use super::value::{Type, Value};

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// A statement with its values.
pub(super) fn query(sql: &str, values: Vec<Value>) -> Query {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Text(it) => query.bind(it),
        Value::Int(it) => query.bind(it),
        Value::Bytes(it) => query.bind(it),
    })
}

/// A read with many keys.
pub(super) fn look_up(sql: &str, keys: Vec<LookUp>) -> Query {
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
    query
}

/// All writes as one statement with writing CTEs, since each way to the database and back costs.
pub(super) fn write(queued: Vec<Queued>) -> Query {
    let mut first = 1;
    let mut sql = String::from("with ");
    for (at, it) in queued.iter().enumerate() {
        let comma = if at == 0 { "" } else { ",\n" };
        sql += &format!("{comma}write_{at} as ({})", it.sql.replacen("{rows}", &unnest(it.types, first), 1));
        first += it.types.len();
    }
    sql += " select 1";
    queued.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, it| bind_columns(query, it.types, it.rows))
}

/// One array for each column.
fn bind_columns(query: Query, types: &[Type], mut rows: Vec<Vec<Value>>) -> Query {
    types.iter().enumerate().fold(query, |query, (column, kind)| {
        let values = rows.iter_mut().map(|it| std::mem::replace(&mut it[column], Value::Int(None)));
        match kind {
            Type::Text => query.bind(values.map(|it| if let Value::Text(it) = it { it } else { None }).collect::<Vec<_>>()),
            Type::Int => query.bind(values.map(|it| if let Value::Int(it) = it { it } else { None }).collect::<Vec<_>>()),
            Type::Bytes => query.bind(values.map(|it| if let Value::Bytes(it) = it { it } else { None }).collect::<Vec<_>>()),
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
