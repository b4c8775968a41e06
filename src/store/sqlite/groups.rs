//! Groups, which have no table: they are known by their members and their roles.

use sqlx::SqliteConnection;

use super::{directory::roles_of, error::unavailable, row};
use crate::{
    actor::{Group, GroupPage, GroupQuery, Urn},
    backend::StoreError,
    store::holder::is_group,
};

/// Answers `query` as of one point in time, which is the transaction of `connection`.
pub(super) async fn list(
    connection: &mut SqliteConnection,
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

/// Deletes the memberships and roles of the group, and returns how many those were.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    group: &Urn,
) -> Result<u64, sqlx::Error> {
    let left = sqlx::query("DELETE FROM memberships WHERE group_urn = ?")
        .bind(group.as_str())
        .execute(&mut *connection)
        .await?;
    // The roles of a user are no group's, even if somebody is in a group of that name.
    if !is_group(group) {
        return Ok(left.rows_affected());
    }
    let roles = sqlx::query("DELETE FROM roles WHERE holder = ?")
        .bind(group.as_str())
        .execute(&mut *connection)
        .await?;
    Ok(left.rows_affected() + roles.rows_affected())
}

/// A group with what is known of it.
async fn group(connection: &mut SqliteConnection, urn: Urn) -> Result<Group, StoreError> {
    let mut group = Group::new(urn);
    group.members =
        sqlx::query_scalar("SELECT count(DISTINCT user_urn) FROM memberships WHERE group_urn = ?")
            .bind(group.urn.as_str())
            .fetch_one(&mut *connection)
            .await
            .map_err(unavailable)?;
    group.roles = roles_of(connection, &group.urn).await?;
    Ok(group)
}

// Of the holders of roles, those that are no user; some may be no group either.
const GROUPS: &str = "SELECT urn, max(has_members) AS has_members FROM (
        SELECT DISTINCT group_urn AS urn, 1 AS has_members FROM memberships
        UNION ALL
        SELECT DISTINCT holder, 0 FROM roles WHERE holder NOT GLOB 'urn:li:corpuser:*'
    ) GROUP BY urn ORDER BY urn";
