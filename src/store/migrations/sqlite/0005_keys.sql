-- What is known of the keys that sign tokens, by their ids. The keys themselves are nowhere here.
CREATE TABLE token_keys (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state         TEXT    NOT NULL CHECK (state IN ('verifying', 'signing', 'retired')),
    added_at      INTEGER NOT NULL,
    -- When it began to sign, the last time.
    signing_since INTEGER CHECK (state <> 'signing' OR signing_since IS NOT NULL),
    retired_at    INTEGER CHECK ((state = 'retired') = (retired_at IS NOT NULL)),
    -- Who brought it into its state.
    changed_by    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_key_signs ON token_keys (state) WHERE state = 'signing';

-- How many tokens need a key. What never ends does so after every date.
CREATE INDEX tokens_by_key_and_end
    ON tokens (key_id, coalesce(valid_until, expires_at, 9223372036854775807))
    WHERE revoked_at IS NULL;
