-- A checkpoint belongs to a follower of the log: a subscription, or the tables of a projection. `sagas` is the
-- read model that is served, `sagas@staging` the one that a rebuild fills, `sagas@previous` the one before.
--
-- version            of the projection's code that made the tables; other code must not touch them
-- state              following; paused by an operator; parked before an event that it cannot take in
-- parked             position, event_id, type, stream, reason, attempts, since; null unless parked
-- tables             of the projection; code of another version may have others
-- began_at           when it was made
-- events_per_second  how fast a rebuild gets on, as its runner last saw it
--
-- A checkpoint is moved only by an UPDATE that names the old position, version and state.

alter table eventstore.checkpoints
    add column kind              text        not null default 'projection'
        check (kind in ('projection', 'subscription')),
    add column version           integer     not null default 1 check (version > 0),
    add column state             text        not null default 'following'
        check (state in ('following', 'paused', 'parked')),
    add column parked            jsonb,
    add column tables            text[]      not null default '{}',
    add column began_at          timestamptz not null default clock_timestamp(),
    add column events_per_second double precision,
    add constraint checkpoints_parked check ((state = 'parked') = (parked is not null));

-- Until now a subscription was told by its name alone.
update eventstore.checkpoints set kind = 'subscription' where subscription like 'start-%';
