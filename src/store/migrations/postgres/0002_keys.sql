-- What is known of the keys that sign tokens, by their ids. The keys themselves are nowhere here.
CREATE TABLE token_keys (
    id            TEXT   COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state         TEXT   COLLATE "C" NOT NULL CHECK (state IN ('verifying', 'signing', 'retired')),
    added_at      BIGINT NOT NULL,
    -- When it began to sign, the last time.
    signing_since BIGINT CHECK (state <> 'signing' OR signing_since IS NOT NULL),
    retired_at    BIGINT CHECK ((state = 'retired') = (retired_at IS NOT NULL)),
    -- Who brought it into its state.
    changed_by    TEXT   COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX one_key_signs ON token_keys (state) WHERE state = 'signing';

-- How many tokens need a key.
CREATE INDEX tokens_by_key_and_end ON tokens (key_id, ends_at) WHERE revoked_at IS NULL;
