-- What the application role may do. Functions run with its own rights: it owns nothing and can change no definition.

grant usage on schema eventstore to {app_role};
grant select on eventstore.position_locks to {app_role};
grant select, insert on eventstore.events, eventstore.commands to {app_role};
grant select, insert, update, delete
   on eventstore.snapshots, eventstore.checkpoints, eventstore.executors to {app_role};
grant usage, select on all sequences in schema eventstore to {app_role};
grant execute on all functions in schema eventstore to {app_role};
