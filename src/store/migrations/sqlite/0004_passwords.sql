-- Hashes of passwords, as PHC strings, apart from what people see of users.
CREATE TABLE passwords (
    user_urn TEXT    NOT NULL PRIMARY KEY REFERENCES users (urn) ON DELETE CASCADE,
    hash     TEXT    NOT NULL,
    set_at   INTEGER NOT NULL,
    set_by   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
