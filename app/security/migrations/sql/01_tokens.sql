-- Bearer tokens. The table is its owner's alone; servers, as the application role, call three functions:
--   tokens_exist()        whether one was ever made: from then on nobody is let in without
--   find_token(selector)  the row of a token that was shown
--   token_used(token_id)  notes that, once a minute at most
-- Rows are never deleted: a name in the journal means one token for ever.

create schema security;

create table security.tokens (
   token_id     uuid        primary key default gen_random_uuid(),
   name         text        collate "C" not null unique,
   role         text        not null check (role in ('reader', 'operator', 'admin')),
   sagas        text[],
   selector     bytea       not null unique check (length(selector) = 8),
   digest       bytea       not null check (length(digest) = 32),
   created_at   timestamptz not null default clock_timestamp(),
   expires_at   timestamptz,
   revoked_at   timestamptz,
   last_used_at timestamptz
);

comment on column security.tokens.sagas is 'names of the sagas that it is limited to; null: none';
comment on column security.tokens.selector is 'the first bytes of the digest';
comment on column security.tokens.digest is 'SHA-256 of the token, which is kept nowhere';

create function security.tokens_exist() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select from security.tokens) $$;

create function security.find_token(wanted bytea)
returns table (token_id uuid, name text, role text, sagas text[], digest bytea, expired boolean, revoked boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
   select t.token_id, t.name, t.role, t.sagas, t.digest,
          coalesce(t.expires_at <= clock_timestamp(), false), t.revoked_at is not null
     from security.tokens as t where t.selector = wanted
$$;

create function security.token_used(used uuid) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
   update security.tokens set last_used_at = clock_timestamp()
    where token_id = used and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
$$;

revoke all on function security.tokens_exist(), security.find_token(bytea), security.token_used(uuid) from public;
