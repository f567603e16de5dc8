-- Restores of this database from a backup: a row each, written before any server starts on it.
--
-- last_position    where the log of the backup ends
-- first_position   positions go on from here
--
-- What lies between was given to events that came after the backup and are lost, or to none. No event here will get
-- one of these positions, so whoever comes with one of them speaks of the lost log.

create table eventstore.restores (
    restored_at    timestamptz not null primary key default clock_timestamp(),
    last_position  bigint      not null,
    first_position bigint      not null check (first_position > last_position)
);
