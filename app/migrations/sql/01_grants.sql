-- What the application role may do with the rows of read models, and with those of the sandboxes, which delete nothing.

grant usage on schema readmodels, sandbox to {app_role};
grant select, insert, update, delete on all tables in schema readmodels to {app_role};
grant select, insert, update on all tables in schema sandbox to {app_role};
