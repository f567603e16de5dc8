-- Sessions of browsers. The table is its owner's alone; servers call three functions:
--   begin_session(…)      after a login; forgets sessions that are over, too
--   find_session(digest)  the session of a cookie, with the token that it began with: it ends with that
--   end_session(digest)   at a logout

create table security.sessions (
   digest     bytea       primary key check (length(digest) = 32),
   token_id   uuid        references security.tokens,
   who        jsonb,
   created_at timestamptz not null default clock_timestamp(),
   expires_at timestamptz not null,
   constraint sessions_are_of_one check ((token_id is null) <> (who is null))
);

comment on column security.sessions.digest is 'SHA-256 of the cookie';
comment on column security.sessions.token_id is 'the token that it began with';
comment on column security.sessions.who is 'whom the JWT named that it began with';

create index sessions_expire on security.sessions (expires_at);

create function security.begin_session(new_digest bytea, of_token uuid, whose jsonb, seconds double precision)
returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
   delete from security.sessions where expires_at < clock_timestamp();
   insert into security.sessions (digest, token_id, who, expires_at)
   values (new_digest, of_token, whose, clock_timestamp() + make_interval(secs => seconds))
$$;

create function security.find_session(wanted bytea)
returns table (token_id uuid, name text, role text, sagas text[], who jsonb, expired boolean, revoked boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
   select s.token_id, t.name, t.role, t.sagas, s.who,
          s.expires_at <= clock_timestamp() or coalesce(t.expires_at <= clock_timestamp(), false),
          t.revoked_at is not null
     from security.sessions as s left join security.tokens as t using (token_id)
    where s.digest = wanted
$$;

create function security.end_session(ended bytea) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$ delete from security.sessions where digest = ended $$;

revoke all on function
   security.begin_session(bytea, uuid, jsonb, double precision),
   security.find_session(bytea),
   security.end_session(bytea)
from public;
