-- The application reads them; the owner writes them.

grant select on eventstore.restores to {app_role};
