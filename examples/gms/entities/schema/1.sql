CREATE TABLE IF NOT EXISTS aspect (
    urn TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    written_at INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    PRIMARY KEY (urn, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aspect_type ON aspect (type, urn);
