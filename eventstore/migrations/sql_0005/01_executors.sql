-- kind   server (HTTP API and executor) or worker (executor only)
-- host   its name there; null of those that started before this migration, or with code from before
-- slots  runs that it works on at one time; null likewise

alter table eventstore.executors
    add column kind  text not null default 'server' check (kind in ('server', 'worker')),
    add column host  text,
    add column slots integer check (slots > 0);
