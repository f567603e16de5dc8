-- What the application role may do. Its rights on DBOS's own schema are granted with DBOS's migrations.

grant usage on schema saga to {app_role};
grant select, insert, update, delete on saga.attempts to {app_role};
grant execute on all functions in schema saga to {app_role};
