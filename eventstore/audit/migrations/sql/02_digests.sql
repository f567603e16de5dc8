-- The digest of a recorded row (format: 01_seals.sql). Whoever verifies computes it elsewhere: these functions could
-- have been replaced by the one who changed the rows. Without SET, so that they are inlined.

create function eventstore.text_digest_v1(written text) returns bytea
language sql stable parallel safe
return sha256(convert_to(written, 'UTF8'));

create function eventstore.event_digest_v1(e eventstore.events) returns bytea
language sql stable parallel safe
return sha256(
    decode('65', 'hex') || int8send(e.position) || int8send(e.commit_position) || int4send(e.version)
    || int2send(e.schema_version) || uuid_send(e.event_id) || timestamptz_send(e.recorded_at)
    || eventstore.text_digest_v1(e.stream) || eventstore.text_digest_v1(e.type)
    || eventstore.text_digest_v1(e.data::text) || eventstore.text_digest_v1(e.metadata::text));

create function eventstore.command_digest_v1(c eventstore.commands) returns bytea
language sql stable parallel safe
return sha256(
    decode('63', 'hex') || int8send(c.position) || int4send(c.first_version) || int4send(c.last_version)
    || timestamptz_send(c.recorded_at) || eventstore.text_digest_v1(c.command_id)
    || eventstore.text_digest_v1(c.stream) || eventstore.text_digest_v1(c.fingerprint));
