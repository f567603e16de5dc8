-- One row a saga: what lists and the reconciler ask for, and the fold of its journal without the steps.
--
-- The columns from `attributes` on are made from the row itself. due_at is null for a saga that has ended, is stuck,
-- or sleeps until somebody wakes it: however many there are, a scan for those that are overdue does not meet them.
-- readmodels.instant(text) belongs to no read model and stays where it is.

create table sagas (
    saga_id        text        collate "C" primary key,
    position       bigint      not null unique,
    name           text        not null,
    status         text        not null,
    named_run      integer     not null,
    parked_until   timestamptz,
    updated_at     timestamptz not null,
    summary        jsonb       not null,
    attributes     jsonb       not null generated always as (coalesce(summary->'attributes', '{}')) stored,
    correlation_id text        not null generated always as (coalesce(summary->>'correlation_id', '')) stored,
    parent         text        generated always as (summary->'parent'->>'saga_id') stored,
    requested_at   timestamptz generated always as (readmodels.instant(summary->>'requested_at')) stored,
    due_at         timestamptz generated always as (
        case when status in ('queued', 'running', 'waiting', 'compensating')
                  and not coalesce((summary->'asleep')::boolean, false)
             then greatest(updated_at, parked_until) end) stored
);

comment on column sagas.position is 'of SagaRequested: the order of lists';
comment on column sagas.due_at is 'from then on something should happen';

create index sagas_by_status on sagas (status, position);
create index sagas_by_name on sagas (name, position);
create index sagas_by_attribute on sagas using gin (attributes jsonb_path_ops) where attributes <> '{}';
create index sagas_by_correlation on sagas (correlation_id);
create index sagas_by_parent on sagas (parent) where parent is not null;
create index sagas_by_time on sagas (requested_at);
create index sagas_by_update on sagas (updated_at, position);
create index sagas_due on sagas (due_at, saga_id) where due_at is not null;
