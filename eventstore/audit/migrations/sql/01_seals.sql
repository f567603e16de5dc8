-- Tamper evidence: a chain of sealed blocks over everything that is recorded.
--
--   01 seals             the blocks, immutable like events; indexes for what seals and the audit look up
--   02 digests           the digest of a recorded row, over its stored bytes
--   03 seal_block()      seals the next block: the only writer of 01
--   04 grants            the application may add seals and change none
--
-- Algorithm 1. Numbers are big-endian and of fixed size, times are microseconds since 2000-01-01 UTC (int8), texts
-- are UTF-8, jsonb is its text. So it depends on no setting of a session, and stays the same after a dump and
-- restore and on all versions of Postgres from 14 on. Every part has a fixed length: no two rows have the same bytes.
--
--   text     sha256(its bytes)
--   event    sha256("e" position commit_position version int4 schema_version int2 event_id recorded_at
--                   text(stream) text(type) text(data) text(metadata))
--   command  sha256("c" position first_version int4 last_version int4 recorded_at
--                   text(command_id) text(stream) text(fingerprint))
--   entry    kind ("e" or "c"), position, digest: 41 bytes
--   root     of the Merkle tree of RFC 6962: leaf sha256(00 entry), node sha256(01 left right)
--   hash     sha256(02 algorithm int2, block, first_position, last_position, records int4, sealed_at, previous, root)
--
-- A block covers all positions after the last one of the block before it, up to its own last one.

create table eventstore.seals (
    block          bigint      not null primary key check (block > 0),
    algorithm      smallint    not null,
    first_position bigint      not null,
    last_position  bigint      not null unique check (last_position >= first_position),
    records        integer     not null check (records > 0),
    entries        bytea       not null,
    root           bytea       not null,
    previous       bytea       not null,
    hash           bytea       not null,
    sealed_at      timestamptz not null
);

-- Digests do not compress; it would only be tried.
alter table eventstore.seals alter column entries set storage external;

create trigger immutable before update or delete or truncate on eventstore.seals
    for each statement execute function eventstore.refuse_change();
alter table eventstore.seals enable always trigger immutable;

-- Commands are sealed with the events of their append.
create index commands_by_position on eventstore.commands (position);

-- An event is looked up by its id when somebody asks why. Ids are time-ordered, so a summary of page ranges finds it,
-- and costs an append next to nothing.
create index events_by_id on eventstore.events using brin (event_id uuid_minmax_multi_ops)
    with (pages_per_range = 16, autosummarize = on);
