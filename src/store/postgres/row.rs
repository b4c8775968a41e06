//! Reading what is stored. Whatever cannot be understood is named by its column, and its value is
//! not shown.

use std::{error::Error, str::FromStr};

use sqlx::{Decode, Postgres, Row, Type, postgres::PgRow};

use super::text;
use crate::{
    actor::{User, UserKind},
    backend::StoreError,
    clock::Timestamp,
    token::{KeyRecord, LastUse, Revocation, RevocationRule, RuleScope, TokenId, TokenRecord},
};

/// The value in a column, given as `table.column`. Not for texts: they are read by [`text`].
pub(super) fn value<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, StoreError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    let name = column.split_once('.').map_or(column, |(_, name)| name);
    row.try_get(name).map_err(|error| StoreError::corrupt(column, error))
}

/// The value whose text is in a column.
pub(super) fn parsed<T>(row: &PgRow, column: &'static str) -> Result<T, StoreError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    parse(value(row, column)?, column)
}

/// The text in a column.
pub(super) fn text(row: &PgRow, column: &'static str) -> Result<String, StoreError> {
    text::read(value(row, column)?, column)
}

/// The text in a column, if there is one.
pub(super) fn optional_text(
    row: &PgRow,
    column: &'static str,
) -> Result<Option<String>, StoreError> {
    value::<Option<&str>>(row, column)?.map(|stored| text::read(stored, column)).transpose()
}

/// The value whose text is stored so in `column`.
pub(super) fn parse<T>(stored: &str, column: &'static str) -> Result<T, StoreError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text = text::read(stored, column)?;
    text.parse().map_err(|error: T::Err| StoreError::corrupt(column, error))
}

fn optional<T>(row: &PgRow, column: &'static str) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    value::<Option<&str>>(row, column)?.map(|stored| parse(stored, column)).transpose()
}

fn time(row: &PgRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(value::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

fn id(row: &PgRow, column: &'static str) -> Result<Option<TokenId>, StoreError> {
    value::<Option<&[u8]>>(row, column)?
        .map(|bytes| {
            bytes
                .try_into()
                .map(TokenId::from_bytes)
                .map_err(|error| StoreError::corrupt(column, error))
        })
        .transpose()
}

fn required<T>(value: Option<T>, column: &'static str) -> Result<T, StoreError> {
    value.ok_or(StoreError::Corrupt { what: column, source: None })
}

/// The id in a row of `tokens`.
pub(super) fn token_id(row: &PgRow) -> Result<TokenId, StoreError> {
    required(id(row, "tokens.id")?, "tokens.id")
}

/// What the token in a row of `tokens` was made with.
pub(super) fn parent_id(row: &PgRow) -> Result<TokenId, StoreError> {
    required(id(row, "tokens.parent")?, "tokens.parent")
}

/// How an id is stored.
pub(super) fn bytes(id: &TokenId) -> &[u8] {
    id.as_bytes()
}

/// The token in a whole row of `tokens`.
pub(super) fn token(row: &PgRow) -> Result<TokenRecord, StoreError> {
    let last_used = time(row, "tokens.last_used_at")?
        .map(|at| {
            Ok(LastUse {
                at,
                address: optional_text(row, "tokens.last_used_address")?,
                agent: optional_text(row, "tokens.last_used_agent")?,
            })
        })
        .transpose()?;
    let revoked = time(row, "tokens.revoked_at")?
        .map(|at| Ok(Revocation { at, by: parsed(row, "tokens.revoked_by")? }))
        .transpose()?;
    Ok(TokenRecord {
        id: token_id(row)?,
        name: text(row, "tokens.name")?,
        description: optional_text(row, "tokens.description")?,
        actor: parsed(row, "tokens.actor")?,
        owner: parsed(row, "tokens.owner")?,
        created_at: required(time(row, "tokens.created_at")?, "tokens.created_at")?,
        expires_at: time(row, "tokens.expires_at")?,
        valid_until: time(row, "tokens.valid_until")?,
        token_type: optional(row, "tokens.token_type")?,
        key_id: optional(row, "tokens.key_id")?,
        parent: id(row, "tokens.parent")?,
        family: id(row, "tokens.family")?,
        replaces: id(row, "tokens.replaces")?,
        replaced_at: time(row, "tokens.replaced_at")?,
        first_used: time(row, "tokens.first_used")?,
        created_via: optional_text(row, "tokens.created_via")?,
        restrictions: optional_text(row, "tokens.restrictions")?,
        last_used,
        revoked,
    })
}

/// The user in a whole row of `users`.
pub(super) fn user(row: &PgRow) -> Result<User, StoreError> {
    let kind = match value(row, "users.kind")? {
        PERSON => UserKind::Person,
        SERVICE_ACCOUNT => UserKind::ServiceAccount,
        _ => return Err(StoreError::Corrupt { what: "users.kind", source: None }),
    };
    let mut user = User::new(parsed(row, "users.urn")?).kind(kind);
    user.info.display_name = optional_text(row, "users.display_name")?;
    user.info.title = optional_text(row, "users.title")?;
    user.info.email = optional_text(row, "users.email")?;
    user.info.first_name = optional_text(row, "users.first_name")?;
    user.info.last_name = optional_text(row, "users.last_name")?;
    user.removed = value(row, "users.removed")?;
    user.suspended = value(row, "users.suspended")?;
    user.created_at = time(row, "users.created_at")?;
    user.created_by = optional(row, "users.created_by")?;
    user.updated_at = time(row, "users.updated_at")?;
    Ok(user)
}

/// How a kind of users is stored.
pub(super) fn user_kind(kind: UserKind) -> &'static str {
    match kind {
        UserKind::Person => PERSON,
        UserKind::ServiceAccount => SERVICE_ACCOUNT,
    }
}

pub(super) const PERSON: &str = "person";
const SERVICE_ACCOUNT: &str = "service_account";

/// What is known of a key, in a whole row of `token_keys`.
pub(super) fn key(row: &PgRow) -> Result<KeyRecord, StoreError> {
    let added_at = time(row, "token_keys.added_at")?;
    Ok(KeyRecord {
        id: parsed(row, "token_keys.id")?,
        state: parsed(row, "token_keys.state")?,
        added_at: required(added_at, "token_keys.added_at")?,
        signing_since: time(row, "token_keys.signing_since")?,
        retired_at: time(row, "token_keys.retired_at")?,
        by: parsed(row, "token_keys.changed_by")?,
    })
}

/// The rule in a whole row of `revocation_rules`.
pub(super) fn rule(row: &PgRow) -> Result<RevocationRule, StoreError> {
    const SUBJECT: &str = "revocation_rules.subject";
    let scope = match value(row, "revocation_rules.scope")? {
        "actor" => RuleScope::Actor(parsed(row, SUBJECT)?),
        "owner" => RuleScope::Owner(parsed(row, SUBJECT)?),
        "key" => RuleScope::Key(parsed(row, SUBJECT)?),
        "all" => RuleScope::All,
        _ => return Err(StoreError::Corrupt { what: "revocation_rules.scope", source: None }),
    };
    let issued_before = time(row, "revocation_rules.issued_before")?;
    Ok(RevocationRule {
        scope,
        issued_before: required(issued_before, "revocation_rules.issued_before")?,
        by: parsed(row, "revocation_rules.made_by")?,
    })
}

/// How a scope is stored: its kind, and what it is about.
pub(super) fn scope_parts(scope: &RuleScope) -> (&'static str, String) {
    match scope {
        RuleScope::Actor(urn) => ("actor", urn.to_string()),
        RuleScope::Owner(urn) => ("owner", urn.to_string()),
        RuleScope::Key(id) => ("key", id.to_string()),
        RuleScope::All => ("all", String::new()),
    }
}
