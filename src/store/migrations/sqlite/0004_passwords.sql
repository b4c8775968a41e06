-- Hashes of passwords, as PHC strings, apart from what people see of users.
CREATE TABLE passwords (
    user_urn TEXT    NOT NULL PRIMARY KEY REFERENCES users (urn) ON DELETE CASCADE,
    hash     TEXT    NOT NULL,
    set_at   INTEGER NOT NULL,
    set_by   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What ends when somebody's password is changed.
CREATE INDEX sessions_by_actor ON tokens (actor)
    WHERE token_type = 'SESSION' AND revoked_at IS NULL;
