-- The latest folded state of a stream; never needed for correctness, any row may be deleted at any time.
-- The fingerprint names the schema of the state: code with another schema does not see the row.

create table eventstore.snapshots (
    stream      text        not null collate "C",
    fingerprint text        not null,
    version     integer     not null,
    state       jsonb       not null,
    taken_at    timestamptz not null default clock_timestamp(),
    primary key (stream, fingerprint)
);
