//! How SQLite goes about a statement, for tests.

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::open::migrate;

/// The steps of the plan for `sql` in a database that is empty.
pub(super) async fn plan(sql: &str) -> Vec<String> {
    let mut connection = SqliteConnection::connect(":memory:").await.unwrap();
    migrate(&mut connection).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}
