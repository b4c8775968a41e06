-- What an aspect came with, and the run of an ingestion that wrote it.
ALTER TABLE aspect ADD COLUMN system_metadata TEXT;
ALTER TABLE aspect ADD COLUMN run_id TEXT NOT NULL DEFAULT 'no-run-id-provided';
CREATE INDEX aspect_run ON aspect (run_id);

-- What an aspect was before, so that a run can be taken back.
CREATE TABLE earlier (
    urn TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    system_metadata TEXT,
    run_id TEXT NOT NULL,
    PRIMARY KEY (urn, name, version)
) STRICT, WITHOUT ROWID;

-- Aspects that are series over time: one row per event.
CREATE TABLE series (
    urn TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    value TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    system_metadata TEXT,
    run_id TEXT NOT NULL,
    PRIMARY KEY (urn, name, at, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_run ON series (run_id);
