-- What the application role may do with keys: all that it takes to make one, wrap it anew and destroy it.

grant usage on schema privacy to {app_role};
grant select, insert, update, delete on privacy.keys to {app_role};
