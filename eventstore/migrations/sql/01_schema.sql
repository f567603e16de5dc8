-- The event store: append-only streams of JSON, one global order, nothing ever updated or deleted.
--
--   02 events            what happened; (stream, version) is unique, position orders all streams
--   03 positions         the sequence, the position locks, safe_position()
--   04 commands          command ids that were used: makes appends idempotent
--   05 immutable         triggers that refuse UPDATE, DELETE and TRUNCATE on 02 and 04
--   06 snapshots         folded states, disposable
--   07 checkpoints       how far each subscription has come
--   08 executors         processes that run sagas, and their leases
--   09 explain_items()   why items of an append were not appended
--   10 append_items()    the only writer of 02 and 04
--   11 grants            what the application role may do; it owns nothing
--
-- An append:  lock key of the sequence's value (shared)  ->  draw positions  ->  insert  ->  commit, lock released.
-- A reader:   sequence's value  ->  smallest lock key  ->  the smaller of the two is safe  ->  NEW statement: read.
--
-- A second store in one database is this text with another schema name: nothing else in it is global.

create schema if not exists eventstore;
