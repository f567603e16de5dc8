-- What became of the items of an append that were not appended (document: see 10_append_items.sql).
-- Reads with the snapshot of the calling statement, so it must be a statement after the lost race.
--
--   status      meaning
--   duplicate   committed earlier: its command id with the same fingerprint, or every event at its place under its id
--   reused      its command id belongs to another request
--   conflict    the first batch, in the caller's order, whose stream is not at the expected version
--   refused     none of these, and the caller wanted it left out (skip)

create function eventstore.explain_items(doc jsonb, lost int[], skip int[]) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
-- As in 10_append_items.sql: look-ups descend the index once a row, whatever the statistics say. LIMIT
-- keeps a lateral subquery from becoming a join that could be hashed.
set enable_seqscan = off
begin atomic
    with used as (
        select c.n, u.position, u.recorded_at,
               case when u.fingerprint = c.h then 'duplicate' else 'reused' end as status
          from jsonb_to_recordset(doc -> 'commands') as c (n int, c text, h text)
         cross join lateral (select * from eventstore.commands where command_id = c.c limit 1) as u
         where c.n = any (lost)
    ), found as (
        select e.n, max(x.commit_position) as position, max(x.recorded_at) as recorded_at
          from jsonb_to_recordset(doc -> 'events') as e (n int, s text, v int, i uuid)
          left join lateral (select * from eventstore.events
                              where stream = e.s and version = e.v and event_id = e.i limit 1) as x on true
         where e.n = any (lost)
         group by e.n
        having count(*) = count(x.position)
    ), batch as (
        select b.n, b.b, b.s, b.v,
               (select coalesce(max(x.version), 0) from eventstore.events as x where x.stream = b.s) as actual
          from jsonb_to_recordset(doc -> 'batches') as b (n int, b int, s text, v int)
         where b.n = any (lost)
    ), differing as (
        select distinct on (n) n, s, v, actual, actual <> v as differs
          from batch
         order by n, (actual <> v) desc, b
    ), explained as (
        select d.n, d.s, d.v, d.actual,
               case
                   when used.n is not null then used.status
                   when found.n is not null then 'duplicate'
                   -- Not differing and not skipped: the stream reached the expected version since. Still a lost race.
                   when d.differs or d.n <> all (skip) then 'conflict'
                   else 'refused'
               end as status,
               coalesce(used.position, found.position) as position,
               coalesce(used.recorded_at, found.recorded_at) as recorded_at
          from differing as d
          left join used on used.n = d.n
          left join found on found.n = d.n
    )
    select coalesce(jsonb_agg(jsonb_build_object(
               'n', n, 'status', status, 'position', position, 'recorded_at', recorded_at,
               'stream', s, 'expected', v, 'actual', actual)), '[]')
      from explained;
end;
