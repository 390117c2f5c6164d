-- The ledger of a project: one SQLite file. Tables hold events and values, views answer questions.
-- Times are UTC, ISO 8601. Money is USD, latency seconds, lengths characters unless a name says tokens.
-- WITHOUT ROWID is for short rows only: with long texts such tables fill at half the speed and take a third more disk.

-- A prompt, single-turn text, as its source gave it.
CREATE TABLE seeds (
    id TEXT PRIMARY KEY NOT NULL,     -- 's' + hash of source and prompt
    family TEXT NOT NULL DEFAULT '',  -- shared by near-duplicate prompts; '' until `curate add` has computed it
    prompt TEXT NOT NULL,
    source TEXT NOT NULL,
    source_id TEXT,
    license TEXT,
    category TEXT,
    style TEXT CHECK (style IN ('vanilla', 'adversarial')),
    reference TEXT,
    added_at TEXT NOT NULL
);
CREATE INDEX seeds_by_source ON seeds (source, category);
CREATE INDEX seeds_by_family ON seeds (family);

-- What a reasoning model once thought and answered. A seed may have several.
CREATE TABLE traces (
    id TEXT PRIMARY KEY NOT NULL,     -- 't' + hash of seed, text, answer and model
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    text TEXT NOT NULL,
    answer TEXT NOT NULL,
    model TEXT,
    declines INTEGER CHECK (declines IN (0, 1)),  -- does the answer refuse or support; NULL: not asked, or cannot be told
    call_id INTEGER REFERENCES calls (id),        -- traces that `curate trace` asked for
    added_at TEXT NOT NULL
);
CREATE INDEX traces_by_seed ON traces (seed_id, declines, id);  -- all that `trace_labels` reads

-- Who or what said what a prompt is. Nothing overwrites an earlier event; a dataset that repeats itself is no new one.
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    label TEXT NOT NULL CHECK (label IN ('harmful', 'benign', 'unsure')),
    origin TEXT NOT NULL CHECK (origin IN ('dataset', 'model', 'person', 'rule')),
    author TEXT NOT NULL,             -- dataset: the seed's source
    note TEXT NOT NULL DEFAULT '',
    at TEXT NOT NULL
);
-- The order in which `seed_labels` looks for the event that counts.
CREATE INDEX labels_by_seed ON labels (seed_id, origin = 'person' DESC, id DESC, origin);

-- One row a `curate generate` or `curate trace`; a run whose process is gone leaves no lease that counts.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    structure TEXT,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT
);

-- Rows being worked on, so that two runs at once share the work and never a row.
CREATE TABLE leases (
    row_id TEXT NOT NULL,             -- a trace for `generate`, a seed for `trace`
    task TEXT NOT NULL,               -- the structure, or 'trace'
    run_id INTEGER NOT NULL REFERENCES runs (id),
    PRIMARY KEY (row_id, task)
) WITHOUT ROWID;

-- Every reply of a model: what was asked (by prompt version), the raw text, what it cost.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    trace_id TEXT REFERENCES traces (id),
    request_key TEXT NOT NULL,        -- hash of the row and the request: a reply that was paid for is used again
    purpose TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    endpoint TEXT NOT NULL,           -- its name in curate.toml
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,            -- ok, invalid, refused, filtered, cut, empty
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    usd REAL,                         -- NULL: the endpoint has no prices
    latency_seconds REAL NOT NULL,
    attempts INTEGER NOT NULL,
    at TEXT NOT NULL,
    raw TEXT NOT NULL,                -- long texts last: the sums of `costs` need not step over them
    reasoning TEXT
);
CREATE INDEX calls_to_use_again ON calls (request_key) WHERE outcome = 'ok';
CREATE INDEX calls_by_seed ON calls (seed_id);

-- A trace rewritten into one structure.
CREATE TABLE drafts (
    id TEXT PRIMARY KEY,              -- 'd' + hash of trace and structure
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    trace_id TEXT NOT NULL REFERENCES traces (id),
    structure TEXT NOT NULL,
    branch TEXT NOT NULL CHECK (branch IN ('harmful', 'benign')),
    branch_from TEXT NOT NULL CHECK (branch_from IN ('person', 'dataset', 'model')),
    model_verdict TEXT CHECK (model_verdict IN ('harmful', 'benign')),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    at TEXT NOT NULL,
    UNIQUE (trace_id, structure)
) WITHOUT ROWID;
CREATE INDEX drafts_by_structure ON drafts (structure, branch);

-- Every text a draft ever had. Nothing is overwritten; an approval binds one revision.
CREATE TABLE revisions (
    id TEXT PRIMARY KEY NOT NULL,     -- draft id, '.', number
    draft_id TEXT NOT NULL REFERENCES drafts (id),
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    author_kind TEXT NOT NULL CHECK (author_kind IN ('machine', 'person')),
    completion TEXT NOT NULL,         -- the raw text with thinking and answer
    reason TEXT,                      -- the LLM's reason, as it stands in the text
    notes TEXT NOT NULL,              -- JSON list: what assembly had to do
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    at TEXT NOT NULL,
    CHECK (id = draft_id || '.' || number)
);
CREATE INDEX revisions_by_draft ON revisions (draft_id, number, blocked, id);
CREATE INDEX revisions_by_reason ON revisions (reason) WHERE reason IS NOT NULL;

-- Runs of characters of one origin; those of one stage follow each other without gap.
CREATE TABLE pieces (
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    position INTEGER NOT NULL,        -- order in the completion
    stage TEXT NOT NULL,              -- 'answer' is what follows the thinking
    start INTEGER NOT NULL,           -- offset in the completion, in characters
    end INTEGER NOT NULL,             -- exclusive
    origin TEXT NOT NULL CHECK (origin IN ('trace', 'answer', 'written', 'drawn', 'person')),
    source_start INTEGER,             -- trace, answer: offset in that original text
    wording TEXT,                     -- drawn: pool and number
    call_id INTEGER REFERENCES calls (id),  -- written: the reply that holds these words
    PRIMARY KEY (revision_id, position)
) WITHOUT ROWID;

-- Rules that fired. A blocking one keeps the revision out of review and release.
CREATE TABLE check_results (
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    rule TEXT NOT NULL,
    blocking INTEGER NOT NULL CHECK (blocking IN (0, 1)),
    reason TEXT NOT NULL,
    PRIMARY KEY (revision_id, rule)
) WITHOUT ROWID;

-- Rows that could not be made, each with its reason. A retry clears the failure, it does not delete it.
CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    task TEXT NOT NULL,               -- 'add', 'trace', or the structure
    place TEXT,                       -- add: file and line
    seed_id TEXT REFERENCES seeds (id),
    trace_id TEXT REFERENCES traces (id),
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    run_id INTEGER REFERENCES runs (id),
    at TEXT NOT NULL,
    cleared_at TEXT
);
CREATE UNIQUE INDEX failures_open_traces ON failures (task, trace_id) WHERE cleared_at IS NULL AND trace_id IS NOT NULL;
CREATE UNIQUE INDEX failures_open_seeds ON failures (task, seed_id)
    WHERE cleared_at IS NULL AND trace_id IS NULL AND seed_id IS NOT NULL;
CREATE UNIQUE INDEX failures_open_places ON failures (task, place, reason) WHERE cleared_at IS NULL AND place IS NOT NULL;

-- What a prompt is said to be now: the newest human decision, else the newest of a dataset.
CREATE VIEW seed_labels AS
SELECT seeds.id AS seed_id, labels.label, labels.origin
FROM seeds
LEFT JOIN labels ON labels.id = (
    SELECT said.id FROM labels AS said
    WHERE said.seed_id = seeds.id AND said.origin IN ('person', 'dataset')
    ORDER BY said.origin = 'person' DESC, said.id DESC LIMIT 1
);

-- The label that a trace's drafts follow. A dataset's 'harmful' over an answer that complied counts as none
-- until a person decides; so does 'unsure', whose origin stays: a person's doubt is not silence.
CREATE VIEW trace_labels AS
SELECT
    traces.id AS trace_id,
    traces.seed_id AS seed_id,
    traces.declines AS declines,
    CASE
        WHEN said.label = 'unsure' THEN NULL
        WHEN said.origin = 'dataset' AND said.label = 'harmful' AND traces.declines = 0 THEN NULL
        ELSE said.label
    END AS label,
    CASE
        WHEN said.origin = 'dataset' AND said.label = 'harmful' AND traces.declines = 0 THEN NULL
        ELSE said.origin
    END AS origin,
    (said.origin = 'dataset' AND said.label = 'harmful' AND traces.declines = 0) IS TRUE AS source_complied
FROM traces
JOIN seed_labels AS said ON said.seed_id = traces.seed_id;

-- The newest revision of every draft, with its prompt.
CREATE VIEW drafts_now AS
SELECT
    drafts.id AS draft_id,
    revisions.id AS revision_id,
    revisions.number AS revision,
    drafts.structure,
    drafts.branch,
    drafts.branch_from,
    drafts.model_verdict,
    revisions.blocked,
    revisions.author,
    revisions.author_kind,
    seeds.category,
    seeds.source,
    seeds.prompt,
    revisions.completion,
    revisions.reason,
    drafts.seed_id,
    drafts.trace_id,
    revisions.at
FROM drafts
JOIN seeds ON seeds.id = drafts.seed_id
JOIN revisions ON revisions.draft_id = drafts.id
    AND revisions.number = (SELECT MAX(number) FROM revisions AS newer WHERE newer.draft_id = drafts.id);

-- What failed and waits for a retry or a mended file.
CREATE VIEW failures_now AS
SELECT failures.id, failures.task, failures.kind, failures.reason, failures.place, failures.seed_id, failures.trace_id,
    seeds.prompt, failures.at
FROM failures
LEFT JOIN seeds ON seeds.id = failures.seed_id
WHERE failures.cleared_at IS NULL;

-- How often each rule fires on the newest revisions, by structure. (CROSS JOIN: SQLite keeps this order, so that every
-- table is read in the order of draft ids.)
CREATE VIEW checks_by_rule AS
SELECT drafts.structure, check_results.rule, check_results.blocking, COUNT(*) AS revisions,
    (SELECT COUNT(*) FROM drafts AS every WHERE every.structure = drafts.structure) AS of_drafts
FROM drafts
CROSS JOIN revisions
CROSS JOIN check_results
WHERE revisions.draft_id = drafts.id AND check_results.revision_id = revisions.id
    AND revisions.number = (SELECT MAX(number) FROM revisions AS newer WHERE newer.draft_id = drafts.id)
GROUP BY drafts.structure, check_results.rule, check_results.blocking;

-- What the replies cost, by endpoint, model, purpose and prompt version.
CREATE VIEW costs AS
SELECT endpoint, model, purpose, prompt_version, outcome, COUNT(*) AS calls, SUM(attempts) AS requests,
    SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(usd) AS usd,
    AVG(latency_seconds) AS mean_latency_seconds
FROM calls
GROUP BY endpoint, model, purpose, prompt_version, outcome;
