-- A command id that was used, and what its append did. Written by the append itself, so a retry cannot append
-- twice. The fingerprint tells the same request from another one under the same id. first_version and
-- last_version are the place of its events in `stream`, the first stream the append wrote to.

create table eventstore.commands (
    command_id    text        not null collate "C" primary key,
    stream        text        not null collate "C",
    first_version integer     not null,
    last_version  integer     not null,
    fingerprint   text        not null,
    position      bigint      not null,
    recorded_at   timestamptz not null
);
