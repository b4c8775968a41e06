-- Lists as a page shows them: without sessions, by what is over and what is not, and in any order.

-- When a token is over, as the texts of lists mean it: later than every date for one without end.
-- 9e999 is infinity, which SQLite compares with every number.
ALTER TABLE tokens ADD COLUMN ends_at ANY
    GENERATED ALWAYS AS (ifnull(coalesce(valid_until, expires_at), 9e999)) VIRTUAL;

DROP INDEX tokens_by_end;
DROP INDEX tokens_by_expiry;
DROP INDEX tokens_by_owner;
DROP INDEX tokens_by_actor;
DROP INDEX tokens_by_actor_for_others;
DROP INDEX tokens_by_created_at;
DROP INDEX tokens_by_owner_and_created_at;
DROP INDEX tokens_by_actor_and_created_at;
DROP INDEX tokens_by_key_and_created_at;

-- What is listed is neither revoked nor a session, and the indexes for lists have nothing else. Each
-- has its order with the id behind it, so that it can be read from either end. Behind that is what
-- the end of a token is made of, so that what is passed over is passed over in the index: SQLite does
-- not take `ends_at` itself from there. The first ones also have what is sorted by where no index has
-- the order, or where few are left. Each one has its price with each new token, so there are no more.

-- Also what a sweep asks for.
CREATE INDEX tokens_by_end_of_all ON tokens (ends_at, id, expires_at, valid_until, name, created_at)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
CREATE INDEX tokens_by_owner
    ON tokens (owner, ends_at, id, expires_at, valid_until, name, created_at)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
CREATE INDEX tokens_by_actor
    ON tokens (actor, ends_at, id, expires_at, valid_until, name, created_at)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
-- What is missing among the tokens of an owner for all those that somebody owns or acts by.
CREATE INDEX tokens_by_actor_for_others
    ON tokens (actor, ends_at, id, expires_at, valid_until, name, created_at)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION' AND actor <> owner;

-- Also what a revocation rule covers.
CREATE INDEX tokens_by_created_at ON tokens (created_at, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
CREATE INDEX tokens_by_owner_and_created_at
    ON tokens (owner, created_at, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
CREATE INDEX tokens_by_actor_and_created_at
    ON tokens (actor, created_at, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
CREATE INDEX tokens_by_actor_for_others_and_created_at
    ON tokens (actor, created_at, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION' AND actor <> owner;
CREATE INDEX tokens_by_key_and_created_at ON tokens (key_id, created_at, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION' AND key_id IS NOT NULL;

-- Only of all. Those of somebody are sorted, which takes little of a few thousand.
CREATE INDEX tokens_by_name ON tokens (name, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';
-- The one that is written at each noted use.
CREATE INDEX tokens_by_last_used_at ON tokens (last_used_at, id, expires_at, valid_until)
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';

-- Sessions are found by their id, and by whom they act as; by a sweep when they are over.
CREATE INDEX sessions_by_actor ON tokens (actor, created_at, id)
    WHERE revoked_at IS NULL AND token_type = 'SESSION';
CREATE INDEX sessions_by_end ON tokens (ends_at)
    WHERE revoked_at IS NULL AND token_type = 'SESSION';

DROP TRIGGER tokens_counted_in;
DROP TRIGGER tokens_counted_out;
DROP TRIGGER tokens_changed_in;
DROP TRIGGER tokens_changed_out;
DROP TABLE token_counts;

-- How many tokens there are to be listed: of an owner, of an actor, of both, and in all, where the
-- empty text stands for any. Kept by the triggers below, as is the table behind it.
CREATE TABLE token_counts (
    owner  TEXT    NOT NULL,
    actor  TEXT    NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (owner, actor)
) STRICT, WITHOUT ROWID;

-- How many of them are over in a span of time: 2^22 milliseconds, about 70 minutes, and so `span` is
-- a time without its last 22 bits.
CREATE TABLE token_ends (
    owner  TEXT    NOT NULL,
    actor  TEXT    NOT NULL,
    span   INTEGER NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (owner, actor, span)
) STRICT, WITHOUT ROWID;

CREATE VIEW listed_tokens AS
    SELECT owner, actor, coalesce(valid_until, expires_at) >> 22 AS span FROM tokens
    WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION';

INSERT INTO token_counts
    SELECT owner, actor, count(*) FROM listed_tokens GROUP BY owner, actor
    UNION ALL
    SELECT owner, '', count(*) FROM listed_tokens GROUP BY owner
    UNION ALL
    SELECT '', actor, count(*) FROM listed_tokens GROUP BY actor
    UNION ALL
    SELECT '', '', count(*) FROM listed_tokens HAVING count(*) > 0;

INSERT INTO token_ends
    SELECT owner, actor, span, count(*) FROM listed_tokens
        WHERE span IS NOT NULL GROUP BY owner, actor, span
    UNION ALL
    SELECT owner, '', span, count(*) FROM listed_tokens
        WHERE span IS NOT NULL GROUP BY owner, span
    UNION ALL
    SELECT '', actor, span, count(*) FROM listed_tokens
        WHERE span IS NOT NULL GROUP BY actor, span
    UNION ALL
    SELECT '', '', span, count(*) FROM listed_tokens WHERE span IS NOT NULL GROUP BY span;

DROP VIEW listed_tokens;

CREATE TRIGGER tokens_counted_in AFTER INSERT ON tokens
    WHEN NEW.revoked_at IS NULL AND NEW.token_type IS NOT 'SESSION'
BEGIN
    INSERT INTO token_counts (owner, actor, tokens)
        VALUES (NEW.owner, NEW.actor, 1), (NEW.owner, '', 1), ('', NEW.actor, 1), ('', '', 1)
        ON CONFLICT (owner, actor) DO UPDATE SET tokens = tokens + 1;
    INSERT INTO token_ends (owner, actor, span, tokens)
        SELECT owner, actor, coalesce(NEW.valid_until, NEW.expires_at) >> 22, 1 FROM (
            SELECT NEW.owner AS owner, NEW.actor AS actor
            UNION ALL SELECT NEW.owner, '' UNION ALL SELECT '', NEW.actor UNION ALL SELECT '', ''
        ) WHERE coalesce(NEW.valid_until, NEW.expires_at) IS NOT NULL
        ON CONFLICT (owner, actor, span) DO UPDATE SET tokens = tokens + 1;
END;

CREATE TRIGGER tokens_counted_out AFTER DELETE ON tokens
    WHEN OLD.revoked_at IS NULL AND OLD.token_type IS NOT 'SESSION'
BEGIN
    DELETE FROM token_counts
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '') AND tokens = 1;
    UPDATE token_counts SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '');
    DELETE FROM token_ends
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '')
            AND span = coalesce(OLD.valid_until, OLD.expires_at) >> 22 AND tokens = 1;
    UPDATE token_ends SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '')
            AND span = coalesce(OLD.valid_until, OLD.expires_at) >> 22;
END;

CREATE TRIGGER tokens_changed_in
    AFTER UPDATE OF owner, actor, revoked_at, token_type, expires_at, valid_until ON tokens
    WHEN NEW.revoked_at IS NULL AND NEW.token_type IS NOT 'SESSION'
BEGIN
    INSERT INTO token_counts (owner, actor, tokens)
        VALUES (NEW.owner, NEW.actor, 1), (NEW.owner, '', 1), ('', NEW.actor, 1), ('', '', 1)
        ON CONFLICT (owner, actor) DO UPDATE SET tokens = tokens + 1;
    INSERT INTO token_ends (owner, actor, span, tokens)
        SELECT owner, actor, coalesce(NEW.valid_until, NEW.expires_at) >> 22, 1 FROM (
            SELECT NEW.owner AS owner, NEW.actor AS actor
            UNION ALL SELECT NEW.owner, '' UNION ALL SELECT '', NEW.actor UNION ALL SELECT '', ''
        ) WHERE coalesce(NEW.valid_until, NEW.expires_at) IS NOT NULL
        ON CONFLICT (owner, actor, span) DO UPDATE SET tokens = tokens + 1;
END;

CREATE TRIGGER tokens_changed_out
    AFTER UPDATE OF owner, actor, revoked_at, token_type, expires_at, valid_until ON tokens
    WHEN OLD.revoked_at IS NULL AND OLD.token_type IS NOT 'SESSION'
BEGIN
    DELETE FROM token_counts
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '') AND tokens = 1;
    UPDATE token_counts SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '');
    DELETE FROM token_ends
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '')
            AND span = coalesce(OLD.valid_until, OLD.expires_at) >> 22 AND tokens = 1;
    UPDATE token_ends SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '')
            AND span = coalesce(OLD.valid_until, OLD.expires_at) >> 22;
END;
