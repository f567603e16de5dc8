-- The clock of a simulation, in a database of its own: what reads clock_timestamp() in it gets virtual time.
--
-- A function named like Postgres's own stands before it in the search path: of the connections (postgres.py), and of
-- the functions that append. Not a word of theirs is changed.
-- The time is the value of a sequence, in microseconds: setting it leaves no dead row, and is seen at once.

create schema if not exists simulation;
create sequence if not exists simulation.clock minvalue 0;

create or replace function simulation.clock_timestamp() returns timestamptz
language sql volatile
begin atomic
    select timestamptz 'epoch' + last_value * interval '1 microsecond' from simulation.clock;
end;

grant usage on schema simulation to public;
grant select on simulation.clock to public;

alter function eventstore.append_items(jsonb, int[]) set search_path = simulation, pg_catalog, pg_temp;
alter function saga.append_items(jsonb) set search_path = simulation, pg_catalog, pg_temp;
