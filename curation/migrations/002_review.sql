-- Review: who looks at what, what they said, and what it came to. Answers and decisions are events, never overwritten.

-- A trace has one draft a structure at a time. One whose branch a newer label contradicts is retired, and `generate`
-- makes the other branch as a new draft. (Rebuilt, since a UNIQUE that stands in a table cannot be dropped.)
DROP VIEW drafts_now;
DROP VIEW checks_by_rule;
DROP INDEX drafts_by_structure;
CREATE TABLE drafts_rebuilt (
    id TEXT PRIMARY KEY NOT NULL,     -- 'd' + hash of trace, structure and how many were retired before it
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    trace_id TEXT NOT NULL REFERENCES traces (id),
    structure TEXT NOT NULL,
    branch TEXT NOT NULL CHECK (branch IN ('harmful', 'benign')),
    branch_from TEXT NOT NULL CHECK (branch_from IN ('person', 'dataset', 'model')),
    model_verdict TEXT CHECK (model_verdict IN ('harmful', 'benign')),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    at TEXT NOT NULL,
    retired_at TEXT                   -- a newer label puts the trace on the other branch; NULL: the draft stands
) WITHOUT ROWID;
INSERT INTO drafts_rebuilt SELECT id, seed_id, trace_id, structure, branch, branch_from, model_verdict, run_id, at, NULL
FROM drafts;
DROP TABLE drafts;
ALTER TABLE drafts_rebuilt RENAME TO drafts;
CREATE UNIQUE INDEX drafts_standing ON drafts (trace_id, structure) WHERE retired_at IS NULL;
CREATE INDEX drafts_retired ON drafts (trace_id, structure) WHERE retired_at IS NOT NULL;
CREATE INDEX drafts_by_structure ON drafts (structure, branch);
CREATE INDEX drafts_by_seed ON drafts (seed_id);

-- Traces that a draft can be cut from. Where a person calls a prompt benign and its trace refuses, that one is not:
-- the old refusal must never be the reasoning of a benign row.
CREATE INDEX failures_of_refusing_traces ON failures (trace_id) WHERE kind = 'needs_trace' AND cleared_at IS NULL;
CREATE VIEW usable_traces AS
SELECT id, seed_id, call_id FROM traces
WHERE NOT EXISTS (SELECT 1 FROM failures
    WHERE failures.trace_id = traces.id AND kind = 'needs_trace' AND cleared_at IS NULL);

-- Accounts in Argilla. Passwords and keys are never here.
CREATE TABLE annotators (
    name TEXT PRIMARY KEY NOT NULL,   -- the username in Argilla
    kind TEXT NOT NULL CHECK (kind IN ('person', 'machine')),
    role TEXT NOT NULL CHECK (role IN ('annotator', 'adjudicator')),
    pseudonym TEXT NOT NULL UNIQUE,   -- what is published instead of the name
    opted_out TEXT NOT NULL,          -- JSON list of categories that go to others
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    added_at TEXT NOT NULL
);

-- Every version of guidelines.md that annotators were shown, and since when.
CREATE TABLE guidelines (
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,            -- hash of the text
    text TEXT NOT NULL,
    since TEXT NOT NULL
);

-- A record in Argilla: one draft revision (or one prompt, in the queue of labels), never updated in place.
CREATE TABLE review_records (
    id TEXT PRIMARY KEY NOT NULL,     -- 'r' + hash; the record's id in Argilla, which tells annotators nothing
    queue TEXT NOT NULL CHECK (queue IN ('labels', 'calibration', 'drafts', 'adjudication')),
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    revision_id TEXT REFERENCES revisions (id),   -- NULL in the queue of labels
    purpose TEXT NOT NULL CHECK (purpose IN ('review', 'gold', 'repeat')),  -- only 'review' counts in a decision
    round INTEGER NOT NULL,           -- 1: what the machine made; 2: the first edit of it, and so on
    position INTEGER NOT NULL,        -- the order in which the queue is served
    assigned TEXT NOT NULL,           -- JSON list of annotators; empty: whoever comes
    needed INTEGER NOT NULL,          -- answers that a decision waits for
    candidates TEXT NOT NULL,         -- JSON list; adjudication: the edits to choose from
    blind INTEGER NOT NULL CHECK (blind IN (0, 1)),  -- no decision was suggested: it counts for agreement
    planned_at TEXT NOT NULL,
    pushed_at TEXT,                   -- NULL: Argilla has not confirmed it
    closed_at TEXT,                   -- it has left the queue: decided, or superseded
    closed_why TEXT
);
CREATE INDEX review_records_by_revision ON review_records (revision_id);
CREATE INDEX review_records_by_seed ON review_records (seed_id);

-- What annotators said, as pulled. An answer that was changed is a new version; saved drafts are not pulled.
CREATE TABLE responses (
    id INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES review_records (id),
    annotator TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'machine')),   -- of the account, when it answered
    version INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('submitted', 'skipped')),
    choice TEXT,                      -- drafts: approve, approve_with_edits, reject, unsure
    label TEXT,                       -- labels: harmful, benign, unsure
    answer_right TEXT,                -- benign drafts: yes, no, cannot_tell
    problems TEXT NOT NULL,           -- JSON list
    texts TEXT NOT NULL,              -- JSON object: stage to the text in its box, where it was changed
    candidate TEXT,                   -- adjudication: which one was picked
    spans TEXT NOT NULL,              -- JSON list: marked runs of characters, as offsets in the completion
    comment TEXT NOT NULL,
    guidelines TEXT NOT NULL,         -- version in force when it was answered
    answered_at TEXT NOT NULL,
    pulled_at TEXT NOT NULL,
    UNIQUE (record_id, annotator, version)
);

-- What the answers came to. The newest decision of persons counts; a machine's only where there is none.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    revision_id TEXT REFERENCES revisions (id),   -- NULL: the prompt's label
    outcome TEXT NOT NULL
        CHECK (outcome IN ('waiting', 'approved', 'edited', 'rejected', 'relabelled', 'adjudicate')),
    kind TEXT NOT NULL CHECK (kind IN ('person', 'machine')),
    reasons TEXT NOT NULL,            -- JSON list
    candidates TEXT NOT NULL,         -- JSON list: texts by stage, and their authors
    label TEXT CHECK (label IN ('harmful', 'benign', 'unsure')),
    answer_right INTEGER CHECK (answer_right IN (0, 1)),
    deciders TEXT NOT NULL,           -- JSON list of annotators
    at TEXT NOT NULL
);
CREATE INDEX decisions_by_revision ON decisions (revision_id, kind = 'person' DESC, id DESC);
CREATE INDEX decisions_by_seed ON decisions (seed_id);

-- Revisions whose right answer is known, to measure annotators with.
CREATE TABLE gold (
    revision_id TEXT PRIMARY KEY NOT NULL REFERENCES revisions (id),
    choice TEXT NOT NULL CHECK (choice IN ('approve', 'reject')),
    answer_right TEXT CHECK (answer_right IN ('yes', 'no')),
    author TEXT NOT NULL,             -- who says so
    at TEXT NOT NULL
);

-- The newest revision of every draft that stands, with its prompt.
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
    AND revisions.number = (SELECT MAX(number) FROM revisions AS newer WHERE newer.draft_id = drafts.id)
WHERE drafts.retired_at IS NULL;

-- How often each rule fires on the newest revisions, by structure. (CROSS JOIN: SQLite keeps this order, so that every
-- table is read in the order of draft ids.)
CREATE VIEW checks_by_rule AS
SELECT drafts.structure, check_results.rule, check_results.blocking, COUNT(*) AS revisions,
    (SELECT COUNT(*) FROM drafts AS every WHERE every.structure = drafts.structure AND every.retired_at IS NULL)
        AS of_drafts
FROM drafts
CROSS JOIN revisions
CROSS JOIN check_results
WHERE revisions.draft_id = drafts.id AND check_results.revision_id = revisions.id AND drafts.retired_at IS NULL
    AND revisions.number = (SELECT MAX(number) FROM revisions AS newer WHERE newer.draft_id = drafts.id)
GROUP BY drafts.structure, check_results.rule, check_results.blocking;

-- The newest version of every answer.
CREATE VIEW responses_now AS
SELECT responses.*
FROM responses
WHERE version = (SELECT MAX(version) FROM responses AS newer
    WHERE newer.record_id = responses.record_id AND newer.annotator = responses.annotator);

-- The decision that counts, of every revision that has one: the newest of persons, else the newest of machines.
CREATE VIEW decisions_now AS
SELECT decisions.*
FROM decisions
WHERE revision_id IS NOT NULL AND id = (SELECT said.id FROM decisions AS said
    WHERE said.revision_id = decisions.revision_id AND said.id = (SELECT MAX(newest.id) FROM decisions AS newest
        WHERE newest.revision_id = said.revision_id AND newest.kind = said.kind)
    -- Persons who took their answers back leave the word to the machines again.
    ORDER BY said.outcome <> 'waiting' DESC, said.kind = 'person' DESC LIMIT 1);

-- Every draft that stands, at its newest revision, and where its review is.
CREATE VIEW review_now AS
SELECT drafts_now.draft_id, drafts_now.revision_id, drafts_now.structure, drafts_now.branch, drafts_now.category,
    drafts_now.author_kind, drafts_now.blocked,
    COALESCE(decisions_now.outcome, 'waiting') AS outcome, decisions_now.kind, decisions_now.answer_right,
    decisions_now.deciders, decisions_now.at AS decided_at, drafts_now.seed_id, drafts_now.trace_id
FROM drafts_now
LEFT JOIN decisions_now ON decisions_now.revision_id = drafts_now.revision_id;
