-- What was recorded stays: refused for the owner too, and ALWAYS, so that session_replication_role is no way around.
-- Statement-level, so that a statement that hits no row is refused as well.

create function eventstore.refuse_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused: what was recorded is never changed', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger immutable before update or delete or truncate on eventstore.events
    for each statement execute function eventstore.refuse_change();
alter table eventstore.events enable always trigger immutable;

create trigger immutable before update or delete or truncate on eventstore.commands
    for each statement execute function eventstore.refuse_change();
alter table eventstore.commands enable always trigger immutable;
