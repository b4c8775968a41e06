-- What people see of users, tokens that are revoked with the token they were made with, and lists
-- that are quick whatever there is.

ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'person'
    CHECK (kind IN ('person', 'service_account'));
ALTER TABLE users ADD COLUMN display_name TEXT;
ALTER TABLE users ADD COLUMN title TEXT;
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN first_name TEXT;
ALTER TABLE users ADD COLUMN last_name TEXT;
ALTER TABLE users ADD COLUMN created_at INTEGER;
ALTER TABLE users ADD COLUMN created_by TEXT;
ALTER TABLE users ADD COLUMN updated_at INTEGER;

CREATE INDEX memberships_by_group ON memberships (group_urn, user_urn);

-- What was made with a token.
CREATE INDEX tokens_by_parent ON tokens (parent) WHERE parent IS NOT NULL;

-- Lists are of what was not revoked, so the indexes for them have nothing else.
DROP INDEX tokens_by_actor;
DROP INDEX tokens_by_owner;
DROP INDEX tokens_by_created_at;
DROP INDEX tokens_by_expires_at;

-- In the default order of a list: the latest expiry first, "never" before all, then the id.
CREATE INDEX tokens_by_expiry ON tokens ((expires_at IS NULL) DESC, expires_at DESC, id)
    WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_owner ON tokens (owner, (expires_at IS NULL) DESC, expires_at DESC, id)
    WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_actor ON tokens (actor, (expires_at IS NULL) DESC, expires_at DESC, id)
    WHERE revoked_at IS NULL;
-- What is missing among the tokens of an owner for all those that somebody owns or acts by.
CREATE INDEX tokens_by_actor_for_others
    ON tokens (actor, (expires_at IS NULL) DESC, expires_at DESC, id)
    WHERE revoked_at IS NULL AND actor <> owner;

-- What a revocation rule covers.
CREATE INDEX tokens_by_created_at ON tokens (created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_owner_and_created_at ON tokens (owner, created_at, id)
    WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_actor_and_created_at ON tokens (actor, created_at, id)
    WHERE revoked_at IS NULL;
CREATE INDEX tokens_by_key_and_created_at ON tokens (key_id, created_at)
    WHERE revoked_at IS NULL AND key_id IS NOT NULL;

-- How many tokens there are that have not been revoked by themselves: of an owner, of an actor, of
-- both, and in all, where the empty text stands for any. Kept by the triggers below.
CREATE TABLE token_counts (
    owner  TEXT    NOT NULL,
    actor  TEXT    NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (owner, actor)
) STRICT, WITHOUT ROWID;

INSERT INTO token_counts
    SELECT owner, actor, count(*) FROM tokens WHERE revoked_at IS NULL GROUP BY owner, actor
    UNION ALL
    SELECT owner, '', count(*) FROM tokens WHERE revoked_at IS NULL GROUP BY owner
    UNION ALL
    SELECT '', actor, count(*) FROM tokens WHERE revoked_at IS NULL GROUP BY actor
    UNION ALL
    SELECT '', '', count(*) FROM tokens WHERE revoked_at IS NULL HAVING count(*) > 0;

CREATE TRIGGER tokens_counted_in AFTER INSERT ON tokens WHEN NEW.revoked_at IS NULL
BEGIN
    INSERT INTO token_counts (owner, actor, tokens)
        VALUES (NEW.owner, NEW.actor, 1), (NEW.owner, '', 1), ('', NEW.actor, 1), ('', '', 1)
        ON CONFLICT (owner, actor) DO UPDATE SET tokens = tokens + 1;
END;

CREATE TRIGGER tokens_counted_out AFTER DELETE ON tokens WHEN OLD.revoked_at IS NULL
BEGIN
    DELETE FROM token_counts
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '') AND tokens = 1;
    UPDATE token_counts SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '');
END;

CREATE TRIGGER tokens_changed_in AFTER UPDATE OF owner, actor, revoked_at ON tokens
    WHEN NEW.revoked_at IS NULL
BEGIN
    INSERT INTO token_counts (owner, actor, tokens)
        VALUES (NEW.owner, NEW.actor, 1), (NEW.owner, '', 1), ('', NEW.actor, 1), ('', '', 1)
        ON CONFLICT (owner, actor) DO UPDATE SET tokens = tokens + 1;
END;

CREATE TRIGGER tokens_changed_out AFTER UPDATE OF owner, actor, revoked_at ON tokens
    WHEN OLD.revoked_at IS NULL
BEGIN
    DELETE FROM token_counts
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '') AND tokens = 1;
    UPDATE token_counts SET tokens = tokens - 1
        WHERE owner IN (OLD.owner, '') AND actor IN (OLD.actor, '');
END;
