-- What the application role may do with seals: read them, and add the next one.

grant select, insert on eventstore.seals to {app_role};
grant execute on all functions in schema eventstore to {app_role};
