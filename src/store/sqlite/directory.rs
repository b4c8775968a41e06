//! Users, groups and roles.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::{SqliteConnection, SqliteExecutor, sqlite::SqliteRow};

use super::{SqliteStore, error::unavailable, groups, row, write::Write};
use crate::{
    actor::{
        ActorProfile, Directory, DirectoryStore, GroupKind, GroupPage, GroupQuery, Urn, User,
        UserInfo, UserPage, UserQuery,
    },
    backend::{BoxFuture, StoreError},
    clock::{Clock, SystemClock, Timestamp},
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
                exists |= add_part(&mut profile, row)?;
            }
            Ok(exists.then_some(profile))
        })
    }

    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        Box::pin(async move {
            let wanted: BTreeSet<&str> = urns.iter().map(Urn::as_str).collect();
            let rows = sqlx::query(PROFILES)
                .bind(serde_json::json!(wanted).to_string())
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            let mut found: HashMap<&str, ActorProfile> = HashMap::new();
            let mut existing = HashSet::new();
            for row in &rows {
                let user: &str = row::value(row, "users.user")?;
                if add_part(found.entry(user).or_default(), row)? {
                    existing.insert(user);
                }
            }
            let profile = |urn: &Urn| found.get(urn.as_str()).cloned();
            let exists = |urn: &Urn| existing.contains(urn.as_str());
            Ok(urns.iter().map(|urn| profile(urn).filter(|_| exists(urn))).collect())
        })
    }
}

/// Adds what a row of a profile says to it; `true` if that is that there is such a user.
fn add_part(profile: &mut ActorProfile, row: &SqliteRow) -> Result<bool, StoreError> {
    match row::value(row, "memberships.part")? {
        "user" => {
            profile.removed = row::value(row, "users.removed")?;
            profile.suspended = row::value(row, "users.suspended")?;
            return Ok(true);
        }
        "external" => profile.groups.push(named(row, "memberships.group_urn")?),
        "native" => profile.native_groups.push(named(row, "memberships.group_urn")?),
        "role" => profile.roles.push(named(row, "roles.role")?),
        "group role" => profile.group_roles.push(named(row, "roles.role")?),
        _ => return Err(StoreError::Corrupt { what: "memberships.kind", source: None }),
    }
    Ok(false)
}

// As for one user, with whose row it is. The order of the joins is fixed, so that each is a look-up
// for every user that is wanted.
const PROFILES: &str = "WITH wanted AS MATERIALIZED (SELECT value AS user FROM json_each(?))
    SELECT user, 'user' AS part, urn, removed, suspended
        FROM wanted CROSS JOIN users ON urn = user
    UNION ALL
    SELECT user, kind, group_urn, NULL, NULL
        FROM wanted CROSS JOIN memberships ON user_urn = user
    UNION ALL
    SELECT user, 'role', role, NULL, NULL FROM wanted CROSS JOIN roles ON holder = user
    UNION ALL
    SELECT DISTINCT user, 'group role', role, NULL, NULL
        FROM wanted CROSS JOIN memberships ON user_urn = user
            CROSS JOIN roles ON holder = group_urn
    ORDER BY 3";

impl DirectoryStore for SqliteStore {
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.add_user(&User::new(urn.clone())).await })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            check::user(&user.urn)?;
            let mut write = self.write().await?;
            let added = add_user(write.connection(), user).await.map_err(unavailable)?;
            write.end_with(added > 0, &Change::Actor(user.urn.clone())).await
        })
    }

    fn user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        Box::pin(async move {
            let found = sqlx::query("SELECT * FROM users WHERE urn = ?")
                .bind(urn.as_str())
                .fetch_optional(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            found.as_ref().map(row::user).transpose()
        })
    }

    fn set_user_info<'a>(
        &'a self,
        urn: &'a Urn,
        info: &'a UserInfo,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let changed = sqlx::query(
                "UPDATE users SET display_name = ?, title = ?, email = ?, first_name = ?,
                     last_name = ?, updated_at = ?
                 WHERE urn = ?",
            )
            .bind(info.display_name.as_deref())
            .bind(info.title.as_deref())
            .bind(info.email.as_deref())
            .bind(info.first_name.as_deref())
            .bind(info.last_name.as_deref())
            .bind(at.as_millis())
            .bind(urn.as_str())
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
            write.commit().await?;
            Ok(changed.rows_affected() > 0)
        })
    }

    fn list_users<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<UserPage, StoreError>> {
        Box::pin(async move {
            let kind = query.kind.map(row::user_kind);
            // Every text has the empty one in it.
            let text = query.text.as_ref().filter(|text| !text.is_empty());
            let text = text.map(|text| text.to_ascii_lowercase().into_bytes());
            let mut transaction = self.read().await?;
            let total: u64 = sqlx::query_scalar(COUNT_USERS)
                .bind(kind)
                .bind(text.as_deref())
                .fetch_one(&mut *transaction)
                .await
                .map_err(unavailable)?;
            let rows = sqlx::query(LIST_USERS)
                .bind(kind)
                .bind(text.as_deref())
                .bind(query.count)
                .bind(query.start)
                .fetch_all(&mut *transaction)
                .await
                .map_err(unavailable)?;
            Ok(UserPage { users: rows.iter().map(row::user).collect::<Result<_, _>>()?, total })
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
                // Who gets the name later is somebody else.
                write.end_sessions(urn, urn, SystemClock::default().now()).await?;
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
            let mut write = self.write().await?;
            let set = set_roles(&mut write, holder, roles).await?;
            write.commit().await?;
            Ok(set)
        })
    }

    fn assign_role<'a>(
        &'a self,
        role: Option<&'a Urn>,
        holders: &'a [Urn],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let roles: Vec<Urn> = role.into_iter().cloned().collect();
            let holders: BTreeSet<&Urn> = holders.iter().collect();
            let mut write = self.write().await?;
            let mut assigned = 0;
            for holder in holders {
                assigned += u64::from(set_roles(&mut write, holder, &roles).await?);
            }
            write.commit().await?;
            Ok(assigned)
        })
    }

    fn list_groups<'a>(
        &'a self,
        query: &'a GroupQuery,
    ) -> BoxFuture<'a, Result<GroupPage, StoreError>> {
        Box::pin(async move {
            let mut transaction = self.read().await?;
            groups::list(&mut transaction, query).await
        })
    }

    fn delete_group<'a>(&'a self, group: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let deleted = groups::delete(write.connection(), group).await.map_err(unavailable)?;
            write.end_with(deleted > 0, &Change::Group(group.clone())).await
        })
    }

    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>> {
        Box::pin(roles_of(&self.shared.readers, holder))
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

async fn add_user(connection: &mut SqliteConnection, user: &User) -> Result<u64, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO users (
             urn, kind, removed, suspended, display_name, title, email, first_name, last_name,
             created_at, created_by, updated_at
         ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (urn) DO NOTHING",
    )
    .bind(user.urn.as_str())
    .bind(row::user_kind(user.kind))
    .bind(user.removed)
    .bind(user.suspended)
    .bind(user.info.display_name.as_deref())
    .bind(user.info.title.as_deref())
    .bind(user.info.email.as_deref())
    .bind(user.info.first_name.as_deref())
    .bind(user.info.last_name.as_deref())
    .bind(user.created_at.map(Timestamp::as_millis))
    .bind(user.created_by.as_ref().map(Urn::as_str))
    .bind(user.updated_at.map(Timestamp::as_millis))
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

async fn exists(connection: &mut SqliteConnection, user: &Urn) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE urn = ?)")
        .bind(user.as_str())
        .fetch_one(connection)
        .await
        .map_err(unavailable)
}

/// Replaces the roles of a holder, and announces it if that made a difference; `false` for a user
/// that does not exist.
async fn set_roles(write: &mut Write<'_>, holder: &Urn, roles: &[Urn]) -> Result<bool, StoreError> {
    let wanted: BTreeSet<&str> = roles.iter().map(Urn::as_str).collect();
    let change = if is_group(holder) {
        Change::Group(holder.clone())
    } else if exists(write.connection(), holder).await? {
        Change::Actor(holder.clone())
    } else {
        return Ok(false);
    };
    let before: BTreeSet<String> = sqlx::query_scalar("SELECT role FROM roles WHERE holder = ?")
        .bind(holder.as_str())
        .fetch_all(write.connection())
        .await
        .map_err(unavailable)?
        .into_iter()
        .collect();
    if !before.iter().map(String::as_str).eq(wanted.iter().copied()) {
        replace_roles(write.connection(), holder, &wanted).await.map_err(unavailable)?;
        write.announce(&change).await?;
    }
    Ok(true)
}

pub(super) async fn roles_of(
    executor: impl SqliteExecutor<'_>,
    holder: &Urn,
) -> Result<Vec<Urn>, StoreError> {
    let rows = sqlx::query("SELECT role FROM roles WHERE holder = ? ORDER BY role")
        .bind(holder.as_str())
        .fetch_all(executor)
        .await
        .map_err(unavailable)?;
    rows.iter().map(|row| row::parsed(row, "roles.role")).collect()
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

// Users are `urn:li:corpuser:` and a key, whose bytes begin at the 17th. `lower` is about ASCII
// alone, and bytes are compared, since `substr` ends a text at a NUL.
macro_rules! from_users {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM users
              WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL
                  OR instr(substr(CAST(lower(urn) AS BLOB), 17), ?2) > 0
                  OR instr(CAST(lower(display_name) AS BLOB), ?2) > 0
                  OR instr(CAST(lower(email) AS BLOB), ?2) > 0)"
        )
    };
}

const COUNT_USERS: &str = from_users!("count(*)");
const LIST_USERS: &str = concat!(from_users!("*"), " ORDER BY urn LIMIT ?3 OFFSET ?4");
