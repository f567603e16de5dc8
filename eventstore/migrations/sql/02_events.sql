-- One row an event. position is its place in the whole store, version its place in its stream (from 1).
-- commit_position is the last position of the same append: a view as of position p leaves out what ends after p.
-- recorded_at is the clock of this server. Not partitioned: (stream, version) must be unique over all rows.

create table eventstore.events (
    position        bigint      not null primary key,
    commit_position bigint      not null check (commit_position >= position),
    stream          text        not null collate "C",
    version         integer     not null check (version > 0),
    event_id        uuid        not null,
    type            text        not null,
    schema_version  smallint    not null,
    data            jsonb       not null,
    metadata        jsonb       not null,
    recorded_at     timestamptz not null,
    constraint events_stream_version_key unique (stream, version)
);
