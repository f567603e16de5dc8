-- Sealing, off the path of appends: it takes no lock that an append waits for.

create function eventstore.merkle_root_v1(entries bytea) returns bytea
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    nodes int := octet_length(entries) / 41;
    level bytea;
begin
    select string_agg(sha256(decode('00', 'hex') || substring(entries from 1 + 41 * i for 41)), '' order by i)
      into level
      from generate_series(0, nodes - 1) as i;
    while nodes > 1 loop
        -- A last one without a neighbour goes up as it is.
        select string_agg(
                   case when i + 1 < nodes
                        then sha256(decode('01', 'hex') || substring(level from 1 + 32 * i for 64))
                        else substring(level from 1 + 32 * i for 32) end,
                   '' order by i)
          into level
          from generate_series(0, nodes - 1, 2) as i;
        nodes := (nodes + 1) / 2;
    end loop;
    return level;
end
$$;

-- Seal the next block: at most max_events events after the last block, never past the safe position, below which
-- nothing can appear any more. One statement of the caller, so it is done wholly or not at all.
--
-- returns  the number of records sealed; 0 when there is nothing to seal, null when another session is sealing
--
-- The lock only saves work. What keeps the chain one chain is its key: of two that seal block n one inserts nothing.
create function eventstore.seal_block_v1(max_events int) returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- See eventstore.append_items: plans are kept, and statistics may be those of a small table.
set enable_seqscan = off
as $$
declare
    safe bigint;
    head eventstore.seals;
    sealed eventstore.seals;
    inserted int;
begin
    if not pg_try_advisory_xact_lock(1516896258, hashtext('eventstore.seals')) then
        return null;
    end if;
    -- Each statement here has a snapshot of its own: what is read below is newer than the locks seen by this one.
    safe := eventstore.safe_position();
    select * into head from eventstore.seals order by block desc limit 1;
    sealed.algorithm := 1;
    sealed.block := coalesce(head.block, 0) + 1;
    sealed.previous := coalesce(head.hash, decode(repeat('00', 32), 'hex'));
    select min(position), max(position) into sealed.first_position, sealed.last_position from (
        select position from eventstore.events
         where position > coalesce(head.last_position, 0) and position <= safe
         order by position limit max_events) as next;
    if sealed.last_position is null then
        return 0;
    end if;
    select string_agg(kind || int8send(position) || digest, '' order by position, kind, digest), count(*)
      into sealed.entries, sealed.records
      from (select decode('65', 'hex') as kind, e.position, eventstore.event_digest_v1(e) as digest
              from eventstore.events as e
             where e.position > coalesce(head.last_position, 0) and e.position <= sealed.last_position
             union all
            select decode('63', 'hex'), c.position, eventstore.command_digest_v1(c)
              from eventstore.commands as c
             where c.position > coalesce(head.last_position, 0) and c.position <= sealed.last_position) as records;
    sealed.root := eventstore.merkle_root_v1(sealed.entries);
    sealed.sealed_at := clock_timestamp();
    sealed.hash := sha256(
        decode('02', 'hex') || int2send(sealed.algorithm) || int8send(sealed.block) || int8send(sealed.first_position)
        || int8send(sealed.last_position) || int4send(sealed.records) || timestamptz_send(sealed.sealed_at)
        || sealed.previous || sealed.root);
    insert into eventstore.seals (block, algorithm, first_position, last_position, records, entries, root, previous,
                                  hash, sealed_at)
    values (sealed.block, sealed.algorithm, sealed.first_position, sealed.last_position, sealed.records,
            sealed.entries, sealed.root, sealed.previous, sealed.hash, sealed.sealed_at)
    on conflict (block) do nothing;
    get diagnostics inserted = row_count;
    return case when inserted = 0 then null else sealed.records end;
end
$$;
