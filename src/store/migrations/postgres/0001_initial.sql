-- Times are milliseconds since the Unix epoch. Ids of tokens are the 32 bytes of their hash. The
-- texts of tokens are nowhere. Texts are compared byte by byte (COLLATE "C"), as in every store;
-- how a NUL is written in one says text.rs.

CREATE TABLE tokens (
    id                BYTEA  NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    name              TEXT   COLLATE "C" NOT NULL,
    description       TEXT   COLLATE "C",
    actor             TEXT   COLLATE "C" NOT NULL,
    owner             TEXT   COLLATE "C" NOT NULL,
    created_at        BIGINT NOT NULL,
    expires_at        BIGINT,
    valid_until       BIGINT,
    token_type        TEXT   COLLATE "C",
    key_id            TEXT   COLLATE "C",
    parent            BYTEA  CHECK (length(parent) = 32),
    family            BYTEA  CHECK (length(family) = 32),
    replaces          BYTEA  CHECK (length(replaces) = 32),
    replaced_at       BIGINT,
    first_used        BIGINT,
    created_via       TEXT   COLLATE "C",
    restrictions      TEXT   COLLATE "C",
    last_used_at      BIGINT,
    last_used_address TEXT   COLLATE "C",
    last_used_agent   TEXT   COLLATE "C",
    revoked_at        BIGINT,
    revoked_by        TEXT   COLLATE "C",
    -- When it is over, as lists mean it: behind every time for one without end, which is 2^63.
    ends_at           NUMERIC(19, 0) NOT NULL
        GENERATED ALWAYS AS (coalesce(valid_until, expires_at, 9223372036854775808)) STORED,
    -- The start of the name, short enough for an index.
    name_start        TEXT   COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(name, 100)) STORED,
    -- The last use without its last 22 bits, which is about 70 minutes. An index on the time itself
    -- would make each noted use a new entry in every index.
    last_used_span    BIGINT GENERATED ALWAYS AS (last_used_at >> 22) STORED,
    CHECK (valid_until <= expires_at),
    -- Two of them are in the key of the tables of counts.
    CHECK (octet_length(actor) <= 1000 AND octet_length(owner) <= 1000),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CHECK (last_used_at IS NOT NULL OR (last_used_address IS NULL AND last_used_agent IS NULL))
) WITH (fillfactor = 90);

-- What is listed is neither revoked nor a session, and the indexes for lists have nothing else. Each
-- has its order with the id behind it, so that it can be read from either end.

-- Also what a sweep asks for.
CREATE INDEX tokens_by_end ON tokens (ends_at, id)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_owner ON tokens (owner, ends_at, id)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_actor ON tokens (actor, ends_at, id)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
-- What is missing among the tokens of an owner for all those that somebody owns or acts by.
CREATE INDEX tokens_by_actor_for_others ON tokens (actor, ends_at, id)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION' AND actor <> owner;

-- Also what a revocation rule covers.
CREATE INDEX tokens_by_created_at ON tokens (created_at, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_owner_and_created_at ON tokens (owner, created_at, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_actor_and_created_at ON tokens (actor, created_at, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_actor_for_others_and_created_at
    ON tokens (actor, created_at, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION' AND actor <> owner;
CREATE INDEX tokens_by_key_and_created_at ON tokens (key_id, created_at) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION' AND key_id IS NOT NULL;

-- Only of all. Those of somebody are sorted, which takes little of a few thousand.
CREATE INDEX tokens_by_name ON tokens (name_start, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';
CREATE INDEX tokens_by_last_use ON tokens (last_used_span NULLS FIRST, id) INCLUDE (ends_at)
    WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION';

-- Sessions are found by their id, and by whom they act as; by a sweep when they are over.
CREATE INDEX sessions_by_actor ON tokens (actor, created_at, id)
    WHERE revoked_at IS NULL AND token_type = 'SESSION';
CREATE INDEX sessions_by_end ON tokens (ends_at)
    WHERE revoked_at IS NULL AND token_type = 'SESSION';

-- What was made with a token.
CREATE INDEX tokens_by_parent ON tokens (parent) WHERE parent IS NOT NULL;
-- What a sweep asks for.
CREATE INDEX tokens_by_revoked_at ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX tokens_by_revoked_end ON tokens (expires_at)
    WHERE revoked_at IS NOT NULL AND expires_at IS NOT NULL;

-- How many tokens there are to be listed: of an owner, of an actor, of both, and in all, where the
-- empty text stands for any.
CREATE TABLE token_counts (
    owner  TEXT   COLLATE "C" NOT NULL,
    actor  TEXT   COLLATE "C" NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (owner, actor)
);

-- How many of them are over in a span of time: 2^22 milliseconds, about 70 minutes, and so `span` is
-- a time without its last 22 bits.
CREATE TABLE token_ends (
    owner  TEXT   COLLATE "C" NOT NULL,
    actor  TEXT   COLLATE "C" NOT NULL,
    span   BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (owner, actor, span)
);

-- What is to be deleted.
CREATE INDEX token_counts_of_none ON token_counts (owner) WHERE tokens = 0;
CREATE INDEX token_ends_of_none ON token_ends (owner) WHERE tokens = 0;

-- What those two do not have yet. Writers only add here, so that none waits for another: rows of the
-- tables above that all of them change would make them stand in line. Now and then these rows are
-- moved there. `span` is missing for what never ends.
CREATE TABLE token_deltas (
    owner  TEXT   COLLATE "C" NOT NULL,
    actor  TEXT   COLLATE "C" NOT NULL,
    span   BIGINT,
    tokens BIGINT NOT NULL
);

CREATE FUNCTION tokens_counted_in() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO token_deltas (owner, actor, span, tokens)
        SELECT owner, actor, coalesce(valid_until, expires_at) >> 22 AS span, count(*)
            FROM added WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
            GROUP BY owner, actor, span;
    RETURN NULL;
END $$;

CREATE FUNCTION tokens_counted_out() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO token_deltas (owner, actor, span, tokens)
        SELECT owner, actor, coalesce(valid_until, expires_at) >> 22 AS span, -count(*)
            FROM deleted WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
            GROUP BY owner, actor, span;
    RETURN NULL;
END $$;

CREATE FUNCTION tokens_counted_anew() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO token_deltas (owner, actor, span, tokens)
        SELECT owner, actor, span, sum(tokens) FROM (
            SELECT owner, actor, coalesce(valid_until, expires_at) >> 22 AS span, 1 AS tokens
                FROM added WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
            UNION ALL
            SELECT owner, actor, coalesce(valid_until, expires_at) >> 22, -1
                FROM deleted WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
        ) AS changed GROUP BY owner, actor, span HAVING sum(tokens) <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER tokens_counted_in AFTER INSERT ON tokens REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_counted_in();
CREATE TRIGGER tokens_counted_out AFTER DELETE ON tokens REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_counted_out();
CREATE TRIGGER tokens_counted_anew AFTER UPDATE ON tokens
    REFERENCING OLD TABLE AS deleted NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_counted_anew();

CREATE TABLE revocation_rules (
    scope         TEXT   COLLATE "C" NOT NULL CHECK (scope IN ('actor', 'owner', 'key', 'all')),
    -- An urn or the id of a key; empty for 'all'.
    subject       TEXT   COLLATE "C" NOT NULL CHECK ((scope = 'all') = (subject = '')),
    issued_before BIGINT NOT NULL,
    made_by       TEXT   COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, subject)
);

CREATE TABLE users (
    urn          TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    removed      BOOLEAN NOT NULL DEFAULT false,
    suspended    BOOLEAN NOT NULL DEFAULT false,
    kind         TEXT    COLLATE "C" NOT NULL DEFAULT 'person'
        CHECK (kind IN ('person', 'service_account')),
    display_name TEXT    COLLATE "C",
    title        TEXT    COLLATE "C",
    email        TEXT    COLLATE "C",
    first_name   TEXT    COLLATE "C",
    last_name    TEXT    COLLATE "C",
    created_at   BIGINT,
    created_by   TEXT    COLLATE "C",
    updated_at   BIGINT
);

CREATE TABLE memberships (
    user_urn  TEXT COLLATE "C" NOT NULL REFERENCES users (urn) ON DELETE CASCADE,
    kind      TEXT COLLATE "C" NOT NULL CHECK (kind IN ('external', 'native')),
    group_urn TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_urn, kind, group_urn)
);
CREATE INDEX memberships_by_group ON memberships (group_urn, user_urn);

-- A holder is a user or a group; groups have no table, so this references nothing.
CREATE TABLE roles (
    holder TEXT COLLATE "C" NOT NULL,
    role   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (holder, role)
);

CREATE TABLE policies (
    urn  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    info TEXT COLLATE "C" NOT NULL CHECK (info::json IS NOT NULL)
);

-- Hashes of passwords, as PHC strings, apart from what people see of users.
CREATE TABLE passwords (
    user_urn TEXT   COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (urn) ON DELETE CASCADE,
    hash     TEXT   COLLATE "C" NOT NULL,
    set_at   BIGINT NOT NULL,
    set_by   TEXT   COLLATE "C" NOT NULL
);

CREATE TABLE changes (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The transaction that made it. A reader has read what its last snapshot saw, so what is new to
    -- it are the rows of the transactions that it did not see, in whatever order they commit.
    xid      xid8   NOT NULL DEFAULT pg_current_xact_id(),
    kind     TEXT   COLLATE "C" NOT NULL,
    subject  TEXT   COLLATE "C" NOT NULL,
    -- When a sweep first saw it, by that sweep's clock.
    swept_at BIGINT,
    -- The transaction of that sweep. Whoever sees it has seen the row.
    swept_by xid8,
    CHECK ((swept_at IS NULL) = (swept_by IS NULL))
);
CREATE INDEX changes_by_xid ON changes (xid);
CREATE INDEX changes_by_swept_at ON changes (swept_at);

-- Up to which transaction rows of `changes` may have been deleted.
CREATE TABLE feed_state (
    only_one        BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one),
    trimmed_through xid8    NOT NULL
);
INSERT INTO feed_state (trimmed_through) VALUES ('0');
