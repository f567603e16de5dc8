-- Processes that run sagas. The lease is a session advisory lock on `number`; the row says on which instance of the
-- server it was taken (server_started_at, timeline) and by which process of which host.

create sequence eventstore.executor_number_seq as integer minvalue 1 cache 1 no cycle;

create table eventstore.executors (
    number             integer     not null primary key default nextval('eventstore.executor_number_seq'),
    executor_id        text        not null unique,
    host_boot_id       text        not null,
    pid                integer     not null,
    process_started_at timestamptz not null,
    server_started_at  timestamptz not null,
    timeline           integer     not null,
    pinged_at          timestamptz not null default clock_timestamp(),
    buried_at          timestamptz
);
