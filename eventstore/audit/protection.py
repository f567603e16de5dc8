"""Whether the database still guards the log, by triggers and rights, and whether its streams are whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import class_row

from eventstore.audit.findings import Finding
from eventstore.diagnosis import SEQUENCE, faults_of_sequence

STREAM_FAULTS_MAX: Final = 100

# 58: a BEFORE trigger for each statement of DELETE, UPDATE and TRUNCATE.
_TABLES: Final = """
    select wanted as name, c.oid is not null as exists,
           c.relkind = 'r' and c.relpersistence = 'p' as ordinary,
           c.relrowsecurity or c.relhasrules as rewritten, coalesce(t.tgenabled::text, '') as enabled,
           coalesce(t.tgtype = 58 and t.tgqual is null and t.tgattr = '' and p.prosrc ~* 'raise exception'
               and t.tgfoid = to_regprocedure('eventstore.refuse_change()'), false) as refuses,
           array(select o.tgname::text from pg_trigger as o where o.tgrelid = c.oid
                    and not o.tgisinternal and o.tgname <> 'immutable') as other_triggers,
           pg_has_role(current_user, c.relowner, 'member') as owned,
           array(select distinct a.privilege_type || ' for '
                        || case a.grantee when 0 then 'everybody' else pg_get_userbyid(a.grantee) end
                   from (select (aclexplode(c.relacl)).*
                          union all
                         select (aclexplode(x.attacl)).* from pg_attribute as x where x.attrelid = c.oid) as a
                  where a.grantee <> c.relowner
                    and a.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')) as rights
      from unnest(array['events', 'commands', 'seals']) as wanted
      left join pg_class as c on c.relname = wanted and c.relnamespace = to_regnamespace('eventstore')
      left join pg_trigger as t on t.tgrelid = c.oid and t.tgname = 'immutable' and not t.tgisinternal
      left join pg_proc as p on p.oid = t.tgfoid
     order by wanted"""

_STREAMS: Final[LiteralString] = """
    select stream, version, position, version_before, position_before from (
        select stream, version, position, lag(version, 1, 0) over streams as version_before,
               lag(position, 1, 0::bigint) over streams as position_before
          from eventstore.events window streams as (partition by stream order by version)) as e
     where version <> version_before + 1 or position <= position_before
     order by stream, version limit %s"""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the log, and what guards it."""

    name: str
    exists: bool
    ordinary: bool
    rewritten: bool
    enabled: str
    refuses: bool
    other_triggers: list[str]
    owned: bool
    rights: list[str]

    def faults(self) -> Iterator[Finding]:
        name = f"eventstore.{self.name}"
        if not self.exists:
            yield Finding("unprotected", f"{name} is missing")
            return
        if not self.ordinary:
            yield Finding("unprotected", f"{name} is no ordinary, logged table")
        if self.rewritten:
            yield Finding("unprotected", f"{name} has rules or policies that may hide or change rows")
        if not self.enabled:
            yield Finding("unprotected", f"{name} has no trigger that refuses changes")
        elif self.enabled != "A":
            yield Finding("unprotected", f"the trigger of {name} is not ENABLE ALWAYS ({self.enabled!r})")
        elif not self.refuses:
            yield Finding("unprotected", f"the trigger of {name} does not refuse every change any more")
        for right in self.rights:
            yield Finding("unprotected", f"{name} has a right too many: {right}")
        for trigger in self.other_triggers:
            yield Finding("unprotected", f"{name} has another trigger, {trigger}", warning=True)
        if self.owned:
            detail = f"this role owns {name}: only triggers keep it from changes"
            yield Finding("unprotected", detail, warning=True)


async def faults_of_definitions(connection: psycopg.AsyncConnection[Any]) -> list[Finding]:
    """Guards of the log that are missing, and rights that nobody should have."""
    cursor = connection.cursor(row_factory=class_row(_Table))
    tables = await (await cursor.execute(_TABLES.encode())).fetchall()
    sequence = await (await connection.execute(SEQUENCE)).fetchall()
    return [
        *(fault for table in tables for fault in table.faults()),
        *(Finding("sequence", fault) for fault in faults_of_sequence(sequence)),
    ]


async def faults_of_streams(
    connection: psycopg.AsyncConnection[Any], *, may_lack_beginnings: bool
) -> list[Finding]:
    """Streams with versions that are missing, or in another order than their positions."""
    rows = await (await connection.execute(_STREAMS, [STREAM_FAULTS_MAX])).fetchall()
    findings = []
    for stream, version, position, version_before, position_before in rows:
        place = f"{stream}@{version}"
        if version != version_before + 1 and not (may_lack_beginnings and version_before == 0):
            missing = f"versions {version_before + 1} to {version - 1} of {stream} are missing"
            findings.append(Finding("order", f"{missing} before position {position}", position, place))
        if position <= position_before:
            detail = f"{place} has position {position}, its predecessor {position_before}"
            findings.append(Finding("order", detail, position, place))
    return findings
