-- Version 1. Everything is below the schema of the store, which is the search path while this runs.
--
-- Ids are text, so that they read in `psql` as they do everywhere else; their digits are in the order of the alphabet,
-- so "C" sorts them like the numbers behind them. Points of time are microseconds, because a text of the library has
-- only milliseconds. Counts that the library has without a sign keep their bits. `json`, not `jsonb`, wherever the
-- order of the members is the author's.

-- One row: what this is, and whether calls are halted.
CREATE TABLE segue_store (
    product text NOT NULL PRIMARY KEY,
    version integer NOT NULL,
    migrated timestamptz NOT NULL DEFAULT now(),
    halt json,
    halt_since bigint
);

-- The last transaction of each process that writes: whether one whose answer was lost was carried out.
CREATE TABLE writers (
    id text NOT NULL PRIMARY KEY,
    last bigint NOT NULL,
    seen timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE owners (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    place json NOT NULL,
    beats bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE plans (
    hash text NOT NULL PRIMARY KEY,
    body text NOT NULL
);

-- What is known of a run without its log.
CREATE TABLE runs (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    pipeline text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    plan_hash text NOT NULL,
    queued bigint NOT NULL,
    facts json NOT NULL,
    labels jsonb NOT NULL,
    status text NOT NULL,
    standing json NOT NULL,
    started bigint,
    ended bigint,
    wakes bigint,
    cost bigint NOT NULL,
    -- The cost once the run is over: an index on what changes with every step would cost every step a write to every index.
    final_cost bigint,
    duration bigint NOT NULL,
    -- Text that people look for, in lower case as the library makes it, whatever the locale of the database.
    search text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX runs_newest ON runs (queued, id);
CREATE INDEX runs_pipeline ON runs (pipeline, queued, id);
CREATE INDEX runs_workspace ON runs (key, queued, id) WHERE key IS NOT NULL;
CREATE INDEX runs_status ON runs (status, queued, id);
CREATE INDEX runs_dearest ON runs (final_cost, id) WHERE final_cost IS NOT NULL;
CREATE INDEX runs_longest ON runs (duration, id);
CREATE INDEX runs_labels ON runs USING gin (labels jsonb_path_ops);
CREATE INDEX runs_unfinished ON runs (position) WHERE status IN ('queued', 'running', 'waiting');

-- Where the log of each run ends and who may append to it. Apart from `runs`, because this changes with every commit: a
-- narrow row whose indexed column never does is rewritten in place.
CREATE TABLE logs (
    run text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text COLLATE "C",
    fence bigint NOT NULL,
    entries bigint NOT NULL,
    last_seq bigint NOT NULL,
    status text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE entries (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    after bigint NOT NULL,
    events bigint NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL,
    UNIQUE (run, number)
);

CREATE TABLE outcomes (
    run text COLLATE "C" NOT NULL,
    scope bigint NOT NULL,
    step bigint NOT NULL,
    item bigint NOT NULL,
    PRIMARY KEY (run, scope, step, item)
);

CREATE TABLE requests (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    body text NOT NULL
);
CREATE INDEX requests_run ON requests (run);

CREATE TABLE questions (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    run text COLLATE "C" NOT NULL,
    status text NOT NULL,
    asked bigint NOT NULL,
    deadline bigint,
    refused bigint[] NOT NULL,
    question json NOT NULL
);
CREATE INDEX questions_run ON questions (run);
CREATE INDEX questions_open ON questions (position) WHERE status = 'open';

CREATE TABLE signals (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    wakes boolean NOT NULL,
    kind json NOT NULL
);
CREATE INDEX signals_run ON signals (run);

CREATE TABLE workspaces (
    pipeline text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline, key)
);

CREATE TABLE documents (
    pipeline text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    run text COLLATE "C",
    status text NOT NULL,
    empty boolean NOT NULL,
    hash text,
    built_on json NOT NULL,
    version bigint NOT NULL,
    updated bigint NOT NULL,
    cost json NOT NULL,
    running text COLLATE "C",
    PRIMARY KEY (pipeline, key, step)
);
CREATE INDEX documents_run ON documents (run) WHERE run IS NOT NULL;

CREATE TABLE artifacts (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    run text COLLATE "C" NOT NULL,
    pipeline text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    step text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    media_type text NOT NULL,
    at bigint NOT NULL,
    is_output boolean NOT NULL
);
CREATE INDEX artifacts_run ON artifacts (run, position);
CREATE INDEX artifacts_pipeline ON artifacts (pipeline, position);
CREATE INDEX artifacts_named ON artifacts (name, position) WHERE NOT is_output;

CREATE TABLE links (
    pipeline text COLLATE "C" NOT NULL,
    link text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    artifact text COLLATE "C" NOT NULL,
    name text NOT NULL,
    step text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    media_type text NOT NULL,
    run text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (pipeline, link, version)
);
CREATE INDEX links_artifact ON links (artifact);

-- Three amounts each: nano-dollars, tokens, requests.
CREATE TABLE accounts (
    name text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    spent bigint[] NOT NULL,
    reserved bigint[] NOT NULL,
    uncertain bigint[] NOT NULL,
    PRIMARY KEY (name, period)
) WITH (fillfactor = 50);

CREATE TABLE holds (
    call text COLLATE "C" NOT NULL PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    state text NOT NULL,
    amounts bigint[] NOT NULL,
    names text[] NOT NULL,
    periods text[] NOT NULL
);
CREATE INDEX holds_run ON holds (run);
