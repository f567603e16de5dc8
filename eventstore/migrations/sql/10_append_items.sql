-- Append many independent items in one transaction (group commit). An item is one append: its batches commit
-- together or not at all, and a lost race of one item costs the others nothing.
--
-- doc      {"batches":  [{"n": item, "b": ordinal, "s": stream, "v": expected version, "c": number of its events}],
--           "events":   [{"n": item, "k": ordinal, "l": ordinal of the item's last event, "s": stream, "v": version,
--                         "i": event id, "t": type, "sv": schema version, "d": data, "m": metadata}],
--           "commands": [{"n": item, "c": command id, "h": fingerprint, "s": stream, "f": first version,
--                         "e": last version, "k": ordinal of the item's last event}]}
--          Ordinals count from 1 over the document, in the caller's order: positions follow them.
--          A batch without events is a condition: the stream is still at that version.
--          No two items of one document share a stream or a command id.
-- skip     items to leave out; each is still looked for, as it may have been committed earlier
-- returns  [{"n", "status": appended | duplicate | reused | conflict | refused, "position", "recorded_at",
--           "stream", "expected", "actual"}], the last three for a conflict; order not defined
--
-- Conditions are checked, not locked: true when the append was decided, not necessarily when it commits.

create function eventstore.append_items(doc jsonb, skip int[] default '{}') returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- plpgsql keeps its plans, and one made while the tables were small would scan them whole until the next ANALYZE
-- (a tenth of the speed after 3,000 events). So no sequential scan, and look-ups are scalar subqueries: unlike
-- EXISTS and joins they are never hashed, but descend the index once a row.
set enable_seqscan = off
as $$
declare
    max_rounds constant int := 10;
    positions bigint[];
    recorded timestamptz;
    lost int[];
    raced int[];
    stored boolean := false;
    violated text;
    result jsonb;
begin
    -- Before the first nextval, and outside any sub-block: a sub-block that rolls back would release it, and
    -- readers would run past the positions that are drawn here.
    perform pg_advisory_xact_lock_shared(eventstore.position_key((select last_value from eventstore.position_seq)));
    positions := array(
        select nextval('eventstore.position_seq') from generate_series(1, jsonb_array_length(doc -> 'events')));

    -- The unique key alone would accept a version after a gap. What exists is never deleted: no lock is needed.
    select skip || coalesce(array_agg(b.n), '{}') into lost
      from jsonb_to_recordset(doc -> 'batches') as b (n int, s text, v int, c int)
     where (b.v > 0
            and (select x.version from eventstore.events as x where x.stream = b.s and x.version = b.v) is null)
        or (b.c = 0
            and (select x.version from eventstore.events as x where x.stream = b.s and x.version = b.v + 1) > 0);
    -- After the check: the times of one stream then follow its versions.
    recorded := clock_timestamp();

    for round in 1 .. max_rounds loop
        begin
            -- Sorted: two appends over the same keys in opposite order would deadlock on the unique index.
            insert into eventstore.events (position, commit_position, stream, version, event_id, type,
                                           schema_version, data, metadata, recorded_at)
            select positions[e.k], positions[e.l], e.s, e.v, e.i, e.t, e.sv, e.d, e.m, recorded
              from jsonb_to_recordset(doc -> 'events')
                   as e (n int, k int, l int, s text, v int, i uuid, t text, sv smallint, d jsonb, m jsonb)
             where e.n <> all (lost)
             order by e.s collate "C", e.v;

            if doc ? 'commands' then
                insert into eventstore.commands (command_id, stream, first_version, last_version,
                                                 fingerprint, position, recorded_at)
                select c.c, c.s, c.f, c.e, c.h, positions[c.k], recorded
                  from jsonb_to_recordset(doc -> 'commands')
                       as c (n int, c text, h text, s text, f int, e int, k int)
                 where c.n <> all (lost)
                 order by c.c collate "C";
            end if;
            stored := true;
            exit;
        exception when unique_violation then
            get stacked diagnostics violated = constraint_name;
            if violated = 'events_pkey' then
                raise;  -- the sequence is behind the table (a restore without it): no race, and no retry helps
            end if;
        end;
        -- The winner has committed, or there would be no violation: a new statement sees its rows.
        select array_agg(n) into raced from (
            select e.n
              from jsonb_to_recordset(doc -> 'events') as e (n int, s text, v int)
             where e.n <> all (lost)
               and (select x.version from eventstore.events as x where x.stream = e.s and x.version = e.v) > 0
            union
            select c.n
              from jsonb_to_recordset(doc -> 'commands') as c (n int, c text)
             where c.n <> all (lost)
               and (select x.position from eventstore.commands as x where x.command_id = c.c) > 0) as losers;
        lost := lost || raced;
    end loop;
    if not stored then
        raise exception 'lost % races in a row', max_rounds using errcode = 'serialization_failure';
    end if;

    select coalesce(jsonb_agg(jsonb_build_object(
               'n', e.n, 'status', 'appended', 'position', positions[e.k], 'recorded_at', recorded)), '[]')
      into result
      from jsonb_to_recordset(doc -> 'events') as e (n int, k int, l int)
     where e.k = e.l and e.n <> all (lost);
    if lost <> '{}' then
        result := result || eventstore.explain_items(doc, lost, skip);
    end if;
    return result;
end
$$;
