-- Positions, and how far a reader may trust them.
--
-- Sequence values become visible out of order: 8 may be committed while 7 is still in flight, and a reader that
-- asks "greater than 8" next has lost 7 for ever. So an append holds, until it ends, a shared advisory lock whose
-- key is the value the sequence had before it drew its positions. All its positions are above its key.

-- CACHE 1: a cached block would hand out positions below the sequence's value, long after it was read.
-- The value 0 is burnt here: last_value of an unused sequence could not be told from a used one.
create sequence eventstore.position_seq
    as bigint minvalue 0 start with 0 maxvalue 1099511627775 cache 1 no cycle;

select pg_catalog.nextval('eventstore.position_seq');

-- The lock key of a position: 23 bits name the schema, 40 bits are the position. A hash shared with another user
-- of advisory locks could only hold readers back, never let them skip.
create function eventstore.position_key(a_position bigint) returns bigint
language sql immutable parallel safe
return ((pg_catalog.hashtext('eventstore')::bigint & 8388607) << 40) | a_position;

-- The open appends: who holds a position lock, and the position that all its positions are above.
-- A bigint key shows in pg_locks as classid (its high half) and objid (its low half) with objsubid 1. The locks of
-- all databases show there, and their keys are alike.
create view eventstore.position_locks as
    select pid, ((classid::bigint << 32) | objid::bigint) & 1099511627775 as position
      from pg_catalog.pg_locks
     where locktype = 'advisory' and objsubid = 1
       and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
       and ((classid::bigint << 32) | objid::bigint) >> 40 = eventstore.position_key(0) >> 40;

-- The position at and below which everything is decided: no event can become visible there any more.
-- It may go down (a writer that read the sequence long ago takes its lock late): a checkpoint must not.
--
-- The caller reads events in a LATER statement. In the statement that calls this function, its snapshot is older
-- than the locks seen here, so an append that committed in between would be skipped.
create function eventstore.safe_position() returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    latest bigint;
    oldest_open bigint;
begin
    if pg_is_in_recovery() then
        raise exception 'a standby has no position locks and its sequence runs ahead: read the primary'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'a safe position needs READ COMMITTED: a later statement here keeps an old snapshot'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- The sequence first, the locks second: an append that starts in between draws positions above `latest`.
    select last_value into latest from eventstore.position_seq;
    select min(position) into oldest_open from eventstore.position_locks;
    return least(latest, oldest_open);
end
$$;
