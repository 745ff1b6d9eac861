//! The schema: what tables there are and why each is as it is. Its number is the file's `user_version`.
//!
//! What decides the shape is what one commit writes. The log is appended to in the order in which things happen, so that
//! the entries of a thousand runs fill one page after the other; a log ordered by run would touch a page for each run.
//! Beside it a commit adds one narrow row to the index of the log, nothing else; where a run stands is written when it
//! changes, and touches an index only when the run ends. Ids are 16 bytes, times are microseconds, counts are the bits of a `u64`.

/// The file is ours: "Sgue".
pub(super) const APPLICATION: i32 = 0x5367_7565;

/// The schema that this version of the crate writes and reads. Number 1 was in use before the first release only.
pub(super) const VERSION: i32 = 3;

/// Small, because a commit that touches four tables writes four pages. Large bodies take chains of pages, which costs
/// them little.
pub(super) const PAGE: i32 = 2048;

/// How the words for the status of a run are kept.
pub(super) const STATUSES: [&str; 6] = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"];

/// All tables.
pub(super) const TABLES: &str = "
CREATE TABLE pipelines (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE plans (
    number INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE workspaces (
    number INTEGER PRIMARY KEY,
    pipeline INTEGER NOT NULL REFERENCES pipelines,
    key TEXT NOT NULL,
    UNIQUE (pipeline, key)
) STRICT;

-- What never changes of a run, and with it the first entry of its log: its number is 1, and nothing is before it. Runs
-- are numbered as they come to exist.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    pipeline INTEGER NOT NULL REFERENCES pipelines,
    plan INTEGER NOT NULL REFERENCES plans,
    workspace INTEGER REFERENCES workspaces,
    queued INTEGER NOT NULL,
    request TEXT,
    request_body TEXT,
    details TEXT NOT NULL,
    events INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcomes BLOB,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX runs_by_queued ON runs (queued);
CREATE INDEX runs_by_pipeline ON runs (pipeline, queued);
CREATE INDEX runs_by_workspace ON runs (workspace, queued) WHERE workspace IS NOT NULL;
CREATE UNIQUE INDEX runs_by_request ON runs (request) WHERE request IS NOT NULL;

-- What changes of a run. `phase` is 0 until the run is over, and its status from then on: while it goes on, no index has
-- to follow. `succeeded`, by far the most frequent, is in none. `took` is -1 until it is over. What nobody searches for
-- stands in `counts` and `rest`; `text` is what people look for, and `folded` the same in lower case where that is another.
CREATE TABLE heads (
    run INTEGER PRIMARY KEY REFERENCES runs,
    fence INTEGER NOT NULL,
    owner BLOB,
    queued INTEGER NOT NULL,
    status INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    nanousd INTEGER NOT NULL,
    took INTEGER NOT NULL,
    wakes INTEGER,
    fallback INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    counts TEXT NOT NULL,
    rest TEXT,
    text TEXT,
    folded TEXT
) STRICT;
CREATE INDEX heads_open ON heads (queued) WHERE phase = 0;
CREATE INDEX heads_ended ON heads (phase, queued) WHERE phase > 3;
CREATE INDEX heads_by_cost ON heads (nanousd) WHERE nanousd <> 0;
CREATE INDEX heads_by_took ON heads (took) WHERE took >= 0;
CREATE INDEX heads_by_wakes ON heads (wakes) WHERE wakes IS NOT NULL;

CREATE TABLE labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    queued INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs,
    PRIMARY KEY (name, value, queued, run)
) STRICT, WITHOUT ROWID;

-- The entries of a run from the second on. `outcomes` are the units that the entry gives one; before the body, so that they are found without it.
CREATE TABLE log (
    position INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    number INTEGER NOT NULL,
    after INTEGER NOT NULL,
    events INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcomes BLOB,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_by_run ON log (run, number);

CREATE TABLE owners (
    id BLOB NOT NULL PRIMARY KEY,
    place TEXT NOT NULL,
    beats INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A number is never given twice: the log names signals by it.
CREATE TABLE signals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs,
    at INTEGER NOT NULL,
    wakes INTEGER NOT NULL,
    kind TEXT NOT NULL
) STRICT;
CREATE INDEX signals_by_run ON signals (run, wakes);

-- `status` 0 is open.
CREATE TABLE questions (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    run INTEGER REFERENCES runs,
    status INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX questions_by_run ON questions (run);
CREATE INDEX questions_open ON questions (status) WHERE status = 0;

CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspaces,
    step TEXT NOT NULL,
    run BLOB,
    running BLOB,
    status TEXT NOT NULL,
    hash TEXT,
    version INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (workspace, step)
) STRICT;
CREATE INDEX documents_by_run ON documents (run) WHERE run IS NOT NULL;

-- A linked artifact outlives its run, so runs are named by their ids here.
CREATE TABLE artifacts (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    run BLOB NOT NULL,
    pipeline TEXT NOT NULL,
    at INTEGER NOT NULL,
    is_output INTEGER NOT NULL,
    name TEXT NOT NULL,
    step TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_run ON artifacts (run);
CREATE INDEX artifacts_by_pipeline ON artifacts (pipeline, name) WHERE is_output = 0;

CREATE TABLE links (
    pipeline TEXT NOT NULL,
    link TEXT NOT NULL,
    version INTEGER NOT NULL,
    run BLOB NOT NULL,
    at INTEGER NOT NULL,
    artifact BLOB NOT NULL,
    name TEXT NOT NULL,
    step TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (pipeline, link, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_artifact ON links (artifact);

-- Money, tokens and requests, in this order.
CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    span TEXT NOT NULL,
    spent_0 INTEGER NOT NULL,
    spent_1 INTEGER NOT NULL,
    spent_2 INTEGER NOT NULL,
    reserved_0 INTEGER NOT NULL,
    reserved_1 INTEGER NOT NULL,
    reserved_2 INTEGER NOT NULL,
    uncertain_0 INTEGER NOT NULL,
    uncertain_1 INTEGER NOT NULL,
    uncertain_2 INTEGER NOT NULL,
    UNIQUE (name, span)
) STRICT;
CREATE INDEX accounts_by_span ON accounts (span, name);

CREATE TABLE holds (
    call BLOB NOT NULL PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    fence INTEGER NOT NULL,
    uncertain INTEGER NOT NULL,
    held_0 INTEGER NOT NULL,
    held_1 INTEGER NOT NULL,
    held_2 INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_run ON holds (run);

CREATE TABLE held (
    call BLOB NOT NULL REFERENCES holds,
    account INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (call, account)
) STRICT, WITHOUT ROWID;

-- One row: calls are halted.
CREATE TABLE halts (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    halt TEXT NOT NULL
) STRICT;

-- The last transaction of each writer that left no entry in the log: how it finds out, after an answer of the disk was
-- lost, whether the transaction was carried out.
CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    writer BLOB NOT NULL UNIQUE,
    mark INTEGER NOT NULL
) STRICT;
";

/// From version 2: the first entry of a run was in the log like all others, each count had a column, and texts had a
/// table. The tables of version 3 stand here once more, because those above are the present ones and will change; these
/// will not.
pub(super) const TO_3: &str = "
CREATE TABLE new_runs (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    pipeline INTEGER NOT NULL REFERENCES pipelines,
    plan INTEGER NOT NULL REFERENCES plans,
    workspace INTEGER REFERENCES workspaces,
    queued INTEGER NOT NULL,
    request TEXT,
    request_body TEXT,
    details TEXT NOT NULL,
    events INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcomes BLOB,
    body BLOB NOT NULL
) STRICT;
INSERT INTO new_runs
    SELECT r.number, r.id, r.pipeline, r.plan, r.workspace, r.queued, r.request, r.request_body, r.details, l.events, l.at,
        l.outcomes, l.body
    FROM runs r LEFT JOIN log l ON l.run = r.number AND l.number = 1;
DELETE FROM log WHERE number = 1;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX runs_by_queued ON runs (queued);
CREATE INDEX runs_by_pipeline ON runs (pipeline, queued);
CREATE INDEX runs_by_workspace ON runs (workspace, queued) WHERE workspace IS NOT NULL;
CREATE UNIQUE INDEX runs_by_request ON runs (request) WHERE request IS NOT NULL;

CREATE TABLE new_heads (
    run INTEGER PRIMARY KEY REFERENCES runs,
    fence INTEGER NOT NULL,
    owner BLOB,
    queued INTEGER NOT NULL,
    status INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    nanousd INTEGER NOT NULL,
    took INTEGER NOT NULL,
    wakes INTEGER,
    fallback INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    counts TEXT NOT NULL,
    rest TEXT,
    text TEXT,
    folded TEXT
) STRICT;
INSERT INTO new_heads
    SELECT h.run, h.fence, h.owner, h.queued, h.status, h.phase, h.nanousd, h.took, h.wakes, h.fallback, h.started, h.ended,
        json_array(h.pending, h.ready, h.running, h.waiting, h.succeeded, h.failed, h.skipped, h.cancelled,
            h.input_tokens, h.output_tokens, h.cache_read_tokens, h.cache_write_tokens, h.reasoning_tokens, h.audio_tokens,
            h.requests, h.tool_calls, h.model_ms, h.tool_ms, h.unpriced_calls, h.estimated_calls, h.uncertain_nanousd),
        h.rest, t.text, t.folded
    FROM heads h LEFT JOIN texts t ON t.run = h.run;
DROP TABLE texts;
DROP TABLE heads;
ALTER TABLE new_heads RENAME TO heads;
CREATE INDEX heads_open ON heads (queued) WHERE phase = 0;
CREATE INDEX heads_ended ON heads (phase, queued) WHERE phase > 3;
CREATE INDEX heads_by_cost ON heads (nanousd) WHERE nanousd <> 0;
CREATE INDEX heads_by_took ON heads (took) WHERE took >= 0;
CREATE INDEX heads_by_wakes ON heads (wakes) WHERE wakes IS NOT NULL;
";
