-- Times are milliseconds since the Unix epoch. Ids of tokens are the 32 bytes of their hash.
-- Tables are STRICT, so that a value always has its column's type. The texts of tokens are nowhere.

CREATE TABLE tokens (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    name              TEXT    NOT NULL,
    description       TEXT,
    actor             TEXT    NOT NULL,
    owner             TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER,
    valid_until       INTEGER,
    token_type        TEXT,
    key_id            TEXT,
    parent            BLOB    CHECK (length(parent) = 32),
    family            BLOB    CHECK (length(family) = 32),
    replaces          BLOB    CHECK (length(replaces) = 32),
    replaced_at       INTEGER,
    first_used        INTEGER,
    created_via       TEXT,
    restrictions      TEXT,
    last_used_at      INTEGER,
    last_used_address TEXT,
    last_used_agent   TEXT,
    revoked_at        INTEGER,
    revoked_by        TEXT,
    CHECK (valid_until <= expires_at),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CHECK (last_used_at IS NOT NULL OR (last_used_address IS NULL AND last_used_agent IS NULL))
) STRICT;

CREATE INDEX tokens_by_actor ON tokens (actor);
CREATE INDEX tokens_by_owner ON tokens (owner);
CREATE INDEX tokens_by_created_at ON tokens (created_at, id);
-- In the order of a list: "never" is later than every date.
CREATE INDEX tokens_by_expires_at ON tokens (expires_at IS NULL, expires_at, id);
-- What a sweep asks for.
CREATE INDEX tokens_by_end ON tokens (coalesce(valid_until, expires_at)) WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_revoked_at ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE revocation_rules (
    scope         TEXT    NOT NULL CHECK (scope IN ('actor', 'owner', 'key', 'all')),
    -- An urn or the id of a key; empty for 'all'.
    subject       TEXT    NOT NULL CHECK ((scope = 'all') = (subject = '')),
    issued_before INTEGER NOT NULL,
    made_by       TEXT    NOT NULL,
    PRIMARY KEY (scope, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    urn       TEXT    NOT NULL PRIMARY KEY,
    removed   INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1)),
    suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    user_urn  TEXT NOT NULL REFERENCES users (urn) ON DELETE CASCADE,
    kind      TEXT NOT NULL CHECK (kind IN ('external', 'native')),
    group_urn TEXT NOT NULL,
    PRIMARY KEY (user_urn, kind, group_urn)
) STRICT, WITHOUT ROWID;

-- A holder is a user or a group; groups have no table, so this references nothing.
CREATE TABLE roles (
    holder TEXT NOT NULL,
    role   TEXT NOT NULL,
    PRIMARY KEY (holder, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
    urn  TEXT NOT NULL PRIMARY KEY,
    info TEXT NOT NULL CHECK (json_valid(info))
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Tells this row from another one with its id, in a database that was restored from a backup
    -- and went on differently.
    mark     INTEGER NOT NULL DEFAULT (random()),
    kind     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    -- When a sweep first saw it, by that sweep's clock.
    swept_at INTEGER
) STRICT;
