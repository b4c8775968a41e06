//! Users, groups and roles.
//!
//! Whoever changes what belongs to a user locks its row first, and for the roles of a group there is
//! a lock of their own; several are locked in the order of their urns.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, postgres::PgRow};

use super::{
    PostgresStore,
    connection::{end_read, retrying},
    error::unavailable,
    groups, row,
    text::stored,
    write::Write,
};
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

// By name: what was prepared with all columns fails once when a newer node has added one.
macro_rules! user_columns {
    () => {
        "urn, kind, removed, suspended, display_name, title, email, first_name, last_name,
         created_at, created_by, updated_at"
    };
}

impl Directory for PostgresStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        self.limited(async move {
            let urn = stored(urn.as_str());
            Ok(self.profiles_of(&[&urn]).await?.remove(&*urn))
        })
    }

    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        self.limited(async move {
            let urns: Vec<_> = urns.iter().map(|urn| stored(urn.as_str())).collect();
            let wanted: BTreeSet<&str> = urns.iter().map(|urn| &**urn).collect();
            let wanted: Vec<&str> = wanted.into_iter().collect();
            let found = self.profiles_of(&wanted).await?;
            Ok(urns.iter().map(|urn| found.get(&**urn).cloned()).collect())
        })
    }
}

impl DirectoryStore for PostgresStore {
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(async move { self.add_user(&User::new(urn.clone())).await })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            check::user(&user.urn)?;
            let mut write = self.write().await?;
            let added = add_user(write.connection(), user).await.map_err(unavailable)?;
            write.end_with(added > 0, &Change::Actor(user.urn.clone())).await
        }))
    }

    fn user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let found =
                sqlx::query(concat!("SELECT ", user_columns!(), " FROM users WHERE urn = $1"))
                    .bind(stored(urn.as_str()))
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(unavailable)?;
            connection.release();
            found.as_ref().map(row::user).transpose()
        })
    }

    fn set_user_info<'a>(
        &'a self,
        urn: &'a Urn,
        info: &'a UserInfo,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let changed = sqlx::query(
                "UPDATE users SET display_name = $1, title = $2, email = $3, first_name = $4,
                     last_name = $5, updated_at = $6
                 WHERE urn = $7",
            )
            .bind(info.display_name.as_deref().map(stored))
            .bind(info.title.as_deref().map(stored))
            .bind(info.email.as_deref().map(stored))
            .bind(info.first_name.as_deref().map(stored))
            .bind(info.last_name.as_deref().map(stored))
            .bind(at.as_millis())
            .bind(stored(urn.as_str()))
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
            write.commit().await?;
            Ok(changed.rows_affected() > 0)
        }))
    }

    fn list_users<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<UserPage, StoreError>> {
        self.limited(async move {
            let kind = query.kind.map(row::user_kind);
            // Every text has the empty one in it.
            let text = query.text.as_ref().filter(|text| !text.is_empty());
            let text = text.map(|text| stored(&text.to_ascii_lowercase()).into_owned());
            let mut transaction = self.read().await?;
            let total: i64 = sqlx::query_scalar(COUNT_USERS)
                .bind(kind)
                .bind(text.as_deref())
                .fetch_one(&mut *transaction)
                .await
                .map_err(unavailable)?;
            let rows = sqlx::query(LIST_USERS)
                .bind(kind)
                .bind(text.as_deref())
                .bind(i64::from(query.count))
                .bind(i64::from(query.start))
                .fetch_all(&mut *transaction)
                .await
                .map_err(unavailable)?;
            end_read(transaction).await?;
            let users = rows.iter().map(row::user).collect::<Result<_, _>>()?;
            Ok(UserPage { users, total: total.unsigned_abs() })
        })
    }

    fn delete_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            write.lock_password(urn).await?;
            // Its memberships go with it.
            let deleted = sqlx::query("DELETE FROM users WHERE urn = $1")
                .bind(stored(urn.as_str()))
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
        }))
    }

    fn set_removed<'a>(
        &'a self,
        urn: &'a Urn,
        removed: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const SET: &str = "UPDATE users SET removed = $1 WHERE urn = $2 AND removed <> $1";
        self.limited(retrying(move || self.set_flag(urn, SET, removed)))
    }

    fn set_suspended<'a>(
        &'a self,
        urn: &'a Urn,
        suspended: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const SET: &str = "UPDATE users SET suspended = $1 WHERE urn = $2 AND suspended <> $1";
        self.limited(retrying(move || self.set_flag(urn, SET, suspended)))
    }

    fn set_groups<'a>(
        &'a self,
        user: &'a Urn,
        kind: GroupKind,
        groups: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let wanted: BTreeSet<_> = groups.iter().map(|urn| stored(urn.as_str())).collect();
            let mut write = self.write().await?;
            if !lock(write.connection(), user).await? {
                write.roll_back().await?;
                return Ok(false);
            }
            let before: BTreeSet<String> = sqlx::query_scalar(
                "SELECT group_urn FROM memberships WHERE user_urn = $1 AND kind = $2",
            )
            .bind(stored(user.as_str()))
            .bind(text(kind))
            .fetch_all(write.connection())
            .await
            .map_err(unavailable)?
            .into_iter()
            .collect();
            let wanted: BTreeSet<&str> = wanted.iter().map(|urn| &**urn).collect();
            let changed = !before.iter().map(String::as_str).eq(wanted.iter().copied());
            if changed {
                replace_groups(write.connection(), user, kind, &wanted)
                    .await
                    .map_err(unavailable)?;
            }
            write.end_with(changed, &Change::Actor(user.clone())).await?;
            Ok(true)
        }))
    }

    fn set_roles<'a>(
        &'a self,
        holder: &'a Urn,
        roles: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let set = set_roles(&mut write, holder, roles).await?;
            write.commit().await?;
            Ok(set)
        }))
    }

    fn assign_role<'a>(
        &'a self,
        role: Option<&'a Urn>,
        holders: &'a [Urn],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.limited(retrying(move || async move {
            let roles: Vec<Urn> = role.into_iter().cloned().collect();
            let holders: BTreeSet<&Urn> = holders.iter().collect();
            let mut write = self.write().await?;
            let mut assigned = 0;
            for holder in holders {
                assigned += u64::from(set_roles(&mut write, holder, &roles).await?);
            }
            write.commit().await?;
            Ok(assigned)
        }))
    }

    fn list_groups<'a>(
        &'a self,
        query: &'a GroupQuery,
    ) -> BoxFuture<'a, Result<GroupPage, StoreError>> {
        self.limited(async move {
            let mut transaction = self.read().await?;
            let page = groups::list(&mut transaction, query).await?;
            end_read(transaction).await?;
            Ok(page)
        })
    }

    fn delete_group<'a>(&'a self, group: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let deleted = groups::delete(write.connection(), group).await?;
            write.end_with(deleted > 0, &Change::Group(group.clone())).await
        }))
    }

    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let roles = roles_of(&mut connection, holder).await?;
            connection.release();
            Ok(roles)
        })
    }
}

impl PostgresStore {
    /// The profiles of those that exist, by their urns as they are stored.
    async fn profiles_of(
        &self,
        urns: &[&str],
    ) -> Result<BTreeMap<String, ActorProfile>, StoreError> {
        // One statement reads from one point in time.
        let mut connection = self.connection().await?;
        let rows = sqlx::query(PROFILES)
            .bind(urns)
            .fetch_all(&mut *connection)
            .await
            .map_err(unavailable)?;
        connection.release();

        let mut profiles: BTreeMap<String, ActorProfile> = BTreeMap::new();
        let mut users = BTreeSet::new();
        for row in &rows {
            let urn: &str = row::value(row, "memberships.user_urn")?;
            let profile = profiles.entry(urn.to_owned()).or_default();
            match row::value(row, "memberships.part")? {
                "user" => {
                    users.insert(urn);
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
        profiles.retain(|urn, _| users.contains(urn.as_str()));
        Ok(profiles)
    }

    /// Sets a flag of a user by the statement `set`, which spares one that is so already.
    async fn set_flag(&self, urn: &Urn, set: &'static str, flag: bool) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let changed = sqlx::query(set)
            .bind(flag)
            .bind(stored(urn.as_str()))
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
        if changed.rows_affected() > 0 {
            return write.end_with(true, &Change::Actor(urn.clone())).await;
        }
        let exists = sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE urn = $1)")
            .bind(stored(urn.as_str()))
            .fetch_one(write.connection())
            .await
            .map_err(unavailable)?;
        write.roll_back().await?;
        Ok(exists)
    }
}

async fn add_user(connection: &mut PgConnection, user: &User) -> Result<u64, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO users (
             urn, kind, removed, suspended, display_name, title, email, first_name, last_name,
             created_at, created_by, updated_at
         ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (urn) DO NOTHING",
    )
    .bind(stored(user.urn.as_str()))
    .bind(row::user_kind(user.kind))
    .bind(user.removed)
    .bind(user.suspended)
    .bind(user.info.display_name.as_deref().map(stored))
    .bind(user.info.title.as_deref().map(stored))
    .bind(user.info.email.as_deref().map(stored))
    .bind(user.info.first_name.as_deref().map(stored))
    .bind(user.info.last_name.as_deref().map(stored))
    .bind(user.created_at.map(Timestamp::as_millis))
    .bind(user.created_by.as_ref().map(|urn| stored(urn.as_str())))
    .bind(user.updated_at.map(Timestamp::as_millis))
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

/// Makes whoever else changes what belongs to the user wait until this transaction ends; `false` if
/// there is no such user.
async fn lock(connection: &mut PgConnection, user: &Urn) -> Result<bool, StoreError> {
    let locked = sqlx::query("SELECT FROM users WHERE urn = $1 FOR NO KEY UPDATE")
        .bind(stored(user.as_str()))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(locked.rows_affected() > 0)
}

/// Replaces the roles of a holder, and announces it if that made a difference; `false` for a user
/// that does not exist.
async fn set_roles(write: &mut Write<'_>, holder: &Urn, roles: &[Urn]) -> Result<bool, StoreError> {
    let wanted: BTreeSet<_> = roles.iter().map(|urn| stored(urn.as_str())).collect();
    let wanted: BTreeSet<&str> = wanted.iter().map(|urn| &**urn).collect();
    let change = if is_group(holder) {
        groups::lock(write.connection(), holder).await?;
        Change::Group(holder.clone())
    } else if lock(write.connection(), holder).await? {
        Change::Actor(holder.clone())
    } else {
        return Ok(false);
    };
    let before: BTreeSet<String> = sqlx::query_scalar("SELECT role FROM roles WHERE holder = $1")
        .bind(stored(holder.as_str()))
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
    connection: &mut PgConnection,
    holder: &Urn,
) -> Result<Vec<Urn>, StoreError> {
    let rows = sqlx::query("SELECT role FROM roles WHERE holder = $1 ORDER BY role")
        .bind(stored(holder.as_str()))
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    rows.iter().map(|row| row::parsed(row, "roles.role")).collect()
}

async fn replace_groups(
    connection: &mut PgConnection,
    user: &Urn,
    kind: GroupKind,
    groups: &BTreeSet<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM memberships WHERE user_urn = $1 AND kind = $2")
        .bind(stored(user.as_str()))
        .bind(text(kind))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO memberships (user_urn, kind, group_urn) SELECT $1, $2, unnest($3::text[])",
    )
    .bind(stored(user.as_str()))
    .bind(text(kind))
    .bind(groups.iter().copied().collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn replace_roles(
    connection: &mut PgConnection,
    holder: &Urn,
    roles: &BTreeSet<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM roles WHERE holder = $1")
        .bind(stored(holder.as_str()))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO roles (holder, role) SELECT $1, unnest($2::text[])")
        .bind(stored(holder.as_str()))
        .bind(roles.iter().copied().collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn text(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::External => "external",
        GroupKind::Native => "native",
    }
}

/// The urn in a row of a profile, which comes from the column `source`.
fn named(row: &PgRow, source: &'static str) -> Result<Urn, StoreError> {
    row::parse(row::value(row, "users.named")?, source)
}

const PROFILES: &str = "SELECT * FROM (
         SELECT 'user' AS part, urn AS user_urn, urn AS named, removed, suspended
             FROM users WHERE urn = ANY($1)
         UNION ALL
         SELECT kind, user_urn, group_urn, NULL, NULL FROM memberships WHERE user_urn = ANY($1)
         UNION ALL
         SELECT 'role', holder, role, NULL, NULL FROM roles WHERE holder = ANY($1)
         UNION ALL
         SELECT DISTINCT 'group role', user_urn, role, NULL::boolean, NULL::boolean
             FROM memberships JOIN roles ON holder = group_urn WHERE user_urn = ANY($1)
     ) AS parts ORDER BY named";

// Users are `urn:li:corpuser:` and a key, which begins at the 17th character. By the collation of the
// columns, `lower` is about ASCII alone.
macro_rules! from_users {
    ($what:expr) => {
        concat!(
            "SELECT ",
            $what,
            " FROM users
              WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL
                  OR strpos(lower(substr(urn, 17)), $2) > 0
                  OR strpos(lower(display_name), $2) > 0
                  OR strpos(lower(email), $2) > 0)"
        )
    };
}

const COUNT_USERS: &str = from_users!("count(*)");
const LIST_USERS: &str = concat!(from_users!(user_columns!()), " ORDER BY urn LIMIT $3 OFFSET $4");
