//! Groups, which have no table: they are known by their members and their roles.

use sqlx::PgConnection;

use super::{directory::roles_of, error::unavailable, row, text::stored};
use crate::{
    actor::{Group, GroupPage, GroupQuery, Urn},
    backend::StoreError,
    store::holder::is_group,
};

/// Answers `query` as of one point in time, which is the transaction of `connection`.
pub(super) async fn list(
    connection: &mut PgConnection,
    query: &GroupQuery,
) -> Result<GroupPage, StoreError> {
    // What is looked for is chosen here: SQL knows nothing of the parts of a urn.
    let rows = sqlx::query(GROUPS).fetch_all(&mut *connection).await.map_err(unavailable)?;
    let mut found = Vec::new();
    for row in &rows {
        let urn: Urn = row::parse(row::value(row, "groups.urn")?, "memberships.group_urn")?;
        let has_members: bool = row::value(row, "groups.has_members")?;
        if (has_members || is_group(&urn)) && query.matches(&urn) {
            found.push(urn);
        }
    }
    let total = found.len().try_into().unwrap_or(u64::MAX);
    let start = usize::try_from(query.start).unwrap_or(usize::MAX);
    let count = usize::try_from(query.count).unwrap_or(usize::MAX);
    let mut groups = Vec::new();
    for urn in found.into_iter().skip(start).take(count) {
        groups.push(group(connection, urn).await?);
    }
    Ok(GroupPage { groups, total })
}

/// Makes whoever else changes the roles of the group wait until this transaction ends. It has no row
/// that could be locked.
pub(super) async fn lock(connection: &mut PgConnection, group: &Urn) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
        .bind(LOCKS)
        .bind(stored(group.as_str()))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

/// Deletes the memberships and roles of the group, and returns how many those were.
pub(super) async fn delete(connection: &mut PgConnection, group: &Urn) -> Result<u64, StoreError> {
    // The roles of a user are no group's, even if somebody is in a group of that name.
    let mut deleted = 0;
    if is_group(group) {
        lock(connection, group).await?;
        let roles = sqlx::query("DELETE FROM roles WHERE holder = $1")
            .bind(stored(group.as_str()))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
        deleted += roles.rows_affected();
    }
    let left = sqlx::query("DELETE FROM memberships WHERE group_urn = $1")
        .bind(stored(group.as_str()))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    Ok(deleted + left.rows_affected())
}

/// A group with what is known of it.
async fn group(connection: &mut PgConnection, urn: Urn) -> Result<Group, StoreError> {
    let mut group = Group::new(urn);
    let members: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT user_urn) FROM memberships WHERE group_urn = $1")
            .bind(stored(group.urn.as_str()))
            .fetch_one(&mut *connection)
            .await
            .map_err(unavailable)?;
    group.members = members.unsigned_abs();
    group.roles = roles_of(connection, &group.urn).await?;
    Ok(group)
}

// Of the holders of roles, those that are no user; some may be no group either.
const GROUPS: &str = "SELECT urn, bool_or(has_members) AS has_members FROM (
        SELECT DISTINCT group_urn AS urn, true AS has_members FROM memberships
        UNION ALL
        SELECT DISTINCT holder, false FROM roles WHERE holder NOT LIKE 'urn:li:corpuser:%'
    ) AS groups GROUP BY urn ORDER BY urn";

/// Locks of ours, apart from those of others in the same database.
const LOCKS: i32 = 1_953_521;
