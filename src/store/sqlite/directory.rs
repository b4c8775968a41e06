//! Users, groups and roles.

use std::collections::BTreeSet;

use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, error::unavailable, row};
use crate::{
    actor::{ActorProfile, Directory, DirectoryStore, GroupKind, Urn},
    backend::{BoxFuture, StoreError},
    feed::Change,
    store::{check, holder::is_group},
};

impl Directory for SqliteStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(async move {
            // One statement reads from one point in time, and takes one turn.
            let rows = sqlx::query(
                "SELECT 'user' AS part, urn, removed, suspended FROM users WHERE urn = ?1
                 UNION ALL
                 SELECT kind, group_urn, NULL, NULL FROM memberships WHERE user_urn = ?1
                 UNION ALL
                 SELECT 'role', role, NULL, NULL FROM roles WHERE holder = ?1
                 UNION ALL
                 SELECT DISTINCT 'group role', role, NULL, NULL
                     FROM memberships JOIN roles ON holder = group_urn WHERE user_urn = ?1
                 ORDER BY 2",
            )
            .bind(urn.as_str())
            .fetch_all(&self.shared.readers)
            .await
            .map_err(unavailable)?;

            let mut profile = ActorProfile::default();
            let mut exists = false;
            for row in &rows {
                match row::value(row, "memberships.part")? {
                    "user" => {
                        exists = true;
                        profile.removed = row::value(row, "users.removed")?;
                        profile.suspended = row::value(row, "users.suspended")?;
                    }
                    "external" => profile.groups.push(named(row, "memberships.group_urn")?),
                    "native" => profile.native_groups.push(named(row, "memberships.group_urn")?),
                    "role" => profile.roles.push(named(row, "roles.role")?),
                    "group role" => profile.group_roles.push(named(row, "roles.role")?),
                    _ => {
                        return Err(StoreError::Corrupt { what: "memberships.kind", source: None });
                    }
                }
            }
            Ok(exists.then_some(profile))
        })
    }
}

impl DirectoryStore for SqliteStore {
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            check::user(urn)?;
            let mut write = self.write().await?;
            let created =
                sqlx::query("INSERT INTO users (urn) VALUES (?) ON CONFLICT (urn) DO NOTHING")
                    .bind(urn.as_str())
                    .execute(write.connection())
                    .await
                    .map_err(unavailable)?;
            write.end_with(created.rows_affected() > 0, &Change::Actor(urn.clone())).await
        })
    }

    fn delete_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            // Its memberships go with it.
            let deleted = sqlx::query("DELETE FROM users WHERE urn = ?")
                .bind(urn.as_str())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            if deleted.rows_affected() > 0 {
                replace_roles(write.connection(), urn, &BTreeSet::new())
                    .await
                    .map_err(unavailable)?;
            }
            write.end_with(deleted.rows_affected() > 0, &Change::Actor(urn.clone())).await
        })
    }

    fn set_removed<'a>(
        &'a self,
        urn: &'a Urn,
        removed: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const SET: &str = "UPDATE users SET removed = ?1 WHERE urn = ?2 AND removed <> ?1";
        Box::pin(self.set_flag(urn, SET, removed))
    }

    fn set_suspended<'a>(
        &'a self,
        urn: &'a Urn,
        suspended: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const SET: &str = "UPDATE users SET suspended = ?1 WHERE urn = ?2 AND suspended <> ?1";
        Box::pin(self.set_flag(urn, SET, suspended))
    }

    fn set_groups<'a>(
        &'a self,
        user: &'a Urn,
        kind: GroupKind,
        groups: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let wanted: BTreeSet<&str> = groups.iter().map(Urn::as_str).collect();
            let mut write = self.write().await?;
            if !exists(write.connection(), user).await? {
                return Ok(false);
            }
            let before: BTreeSet<String> = sqlx::query_scalar(
                "SELECT group_urn FROM memberships WHERE user_urn = ? AND kind = ?",
            )
            .bind(user.as_str())
            .bind(text(kind))
            .fetch_all(write.connection())
            .await
            .map_err(unavailable)?
            .into_iter()
            .collect();
            let changed = !before.iter().map(String::as_str).eq(wanted.iter().copied());
            if changed {
                replace_groups(write.connection(), user, kind, &wanted)
                    .await
                    .map_err(unavailable)?;
            }
            write.end_with(changed, &Change::Actor(user.clone())).await?;
            Ok(true)
        })
    }

    fn set_roles<'a>(
        &'a self,
        holder: &'a Urn,
        roles: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let wanted: BTreeSet<&str> = roles.iter().map(Urn::as_str).collect();
            let mut write = self.write().await?;
            let change = if is_group(holder) {
                Change::Group(holder.clone())
            } else if exists(write.connection(), holder).await? {
                Change::Actor(holder.clone())
            } else {
                return Ok(false);
            };
            let before: BTreeSet<String> =
                sqlx::query_scalar("SELECT role FROM roles WHERE holder = ?")
                    .bind(holder.as_str())
                    .fetch_all(write.connection())
                    .await
                    .map_err(unavailable)?
                    .into_iter()
                    .collect();
            let changed = !before.iter().map(String::as_str).eq(wanted.iter().copied());
            if changed {
                replace_roles(write.connection(), holder, &wanted).await.map_err(unavailable)?;
            }
            write.end_with(changed, &change).await?;
            Ok(true)
        })
    }

    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT role FROM roles WHERE holder = ? ORDER BY role")
                .bind(holder.as_str())
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            rows.iter().map(|row| row::parsed(row, "roles.role")).collect()
        })
    }
}

impl SqliteStore {
    /// Sets a flag of a user by the statement `set`, which spares one that is so already.
    async fn set_flag(&self, urn: &Urn, set: &'static str, flag: bool) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let changed = sqlx::query(set)
            .bind(flag)
            .bind(urn.as_str())
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
        if changed.rows_affected() == 0 {
            return exists(write.connection(), urn).await;
        }
        write.end_with(true, &Change::Actor(urn.clone())).await
    }
}

async fn exists(connection: &mut SqliteConnection, user: &Urn) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE urn = ?)")
        .bind(user.as_str())
        .fetch_one(connection)
        .await
        .map_err(unavailable)
}

async fn replace_groups(
    connection: &mut SqliteConnection,
    user: &Urn,
    kind: GroupKind,
    groups: &BTreeSet<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM memberships WHERE user_urn = ? AND kind = ?")
        .bind(user.as_str())
        .bind(text(kind))
        .execute(&mut *connection)
        .await?;
    for group in groups {
        sqlx::query("INSERT INTO memberships (user_urn, kind, group_urn) VALUES (?, ?, ?)")
            .bind(user.as_str())
            .bind(text(kind))
            .bind(*group)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn replace_roles(
    connection: &mut SqliteConnection,
    holder: &Urn,
    roles: &BTreeSet<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM roles WHERE holder = ?")
        .bind(holder.as_str())
        .execute(&mut *connection)
        .await?;
    for role in roles {
        sqlx::query("INSERT INTO roles (holder, role) VALUES (?, ?)")
            .bind(holder.as_str())
            .bind(*role)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn text(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::External => "external",
        GroupKind::Native => "native",
    }
}

/// The urn in a row of a profile, which comes from the column `source`.
fn named(row: &SqliteRow, source: &'static str) -> Result<Urn, StoreError> {
    row::parse(row::value(row, "users.urn")?, source)
}
