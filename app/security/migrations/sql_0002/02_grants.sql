-- What the application role may do with sessions: begin one, recognise its cookie, end it.

grant execute on function
   security.begin_session(bytea, uuid, jsonb, double precision),
   security.find_session(bytea),
   security.end_session(bytea)
to {app_role};
