-- Append items (eventstore.append_items) and enqueue the runs that they name, in one statement: there is no moment
-- at which a journal names a run that DBOS does not know. As before, and each run has a priority.
--
-- doc      as for eventstore.append_items, and
--          "runs": [{"n": item, "workflow": name, "queue": name, "id": run id,
--                    "argument": the workflow's only argument, "version": application version,
--                    "application": application name,
--                    "priority": the smaller is taken first; none (by an older executor) before all others,
--                    "delay_ms": null, or milliseconds from now by this server's clock}]
-- returns  as eventstore.append_items; an item of which a run id exists in DBOS is "refused" and appends nothing,
--          because enqueueing an existing id is a silent success that loses the wake
--
-- dbos.enqueue_workflow is bound when called, so this function may exist before DBOS has migrated. By named
-- arguments, as DBOS documents: releases add parameters.

create or replace function saga.append_items(doc jsonb) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Plans that must not scan DBOS's table whole: see eventstore.append_items.
set enable_seqscan = off
as $$
declare
    taken int[];
    result jsonb;
begin
    select coalesce(array_agg(distinct r.n), '{}') into taken
      from jsonb_to_recordset(doc -> 'runs') as r (n int, id text)
     where (select w.workflow_uuid from dbos.workflow_status as w where w.workflow_uuid = r.id) is not null;

    result := eventstore.append_items(doc, taken);

    perform dbos.enqueue_workflow(
                workflow_name => r.workflow,
                queue_name => r.queue,
                positional_args => array[to_json(r.argument)],
                workflow_id => r.id,
                app_version => r.version,
                application_name => r.application,
                priority => r.priority,
                delay_until_epoch_ms => (extract(epoch from clock_timestamp()) * 1000)::bigint + r.delay_ms)
       from jsonb_to_recordset(doc -> 'runs')
            as r (n int, workflow text, queue text, id text, argument text,
                  version text, application text, priority int, delay_ms bigint)
       join jsonb_to_recordset(result) as appended (n int, status text) on appended.n = r.n
      where appended.status = 'appended'
      order by r.id collate "C";
    return result;
end
$$;
