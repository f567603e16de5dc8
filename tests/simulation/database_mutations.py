"""Rules of the append functions, broken on purpose in a test database: the simulation must notice each."""

from dataclasses import dataclass

import psycopg

_DEFINITION = "select pg_get_functiondef(%s::regprocedure)"
EVENTS = "eventstore.append_items(jsonb, int[])"
RUNS = "saga.append_items(jsonb)"
EXPLAIN = "eventstore.explain_items(jsonb, int[], int[])"


@dataclass(frozen=True)
class DatabaseMutation:
    """In the text of a function `rule` becomes `broken`."""

    name: str
    function: str
    rule: str
    broken: str

    def apply(self, admin_url: str) -> None:
        """Replace the function."""
        with psycopg.connect(admin_url, autocommit=True) as connection:
            row = connection.execute(_DEFINITION, [self.function]).fetchone()
            assert row is not None
            assert row[0].count(self.rule) == 1, f"{self.function} has no such rule any more"
            connection.execute(row[0].replace(self.rule, self.broken))


DATABASE_MUTATIONS = [
    DatabaseMutation("conditions_are_not_checked", EVENTS, "b.c = 0", "b.c < 0"),
    DatabaseMutation(
        "a_lost_race_costs_the_others_of_its_call",
        EVENTS,
        "lost := lost || raced;",
        "lost := array(select b.n from jsonb_to_recordset(doc -> 'batches') as b (n int));",
    ),
    DatabaseMutation(
        "appends_go_by_another_clock", EVENTS, "recorded := clock_timestamp();", "recorded := now();"
    ),
    DatabaseMutation("an_append_ends_with_its_first_event", EVENTS, "positions[e.l]", "positions[e.k]"),
    DatabaseMutation(
        "what_was_appended_before_is_a_conflict",
        EXPLAIN,
        "(found.n IS NOT NULL) THEN 'duplicate'",
        "(found.n IS NOT NULL) THEN 'conflict'",
    ),
    DatabaseMutation(
        "an_existing_run_is_not_refused",
        RUNS,
        "eventstore.append_items(doc, taken)",
        "eventstore.append_items(doc, '{}')",
    ),
    DatabaseMutation("runs_are_not_delayed", RUNS, "+ r.delay_ms", "+ 0 * r.delay_ms"),
    DatabaseMutation(
        "a_lost_append_enqueues_its_run", RUNS, "where appended.status = 'appended'", "where true"
    ),
    DatabaseMutation("runs_are_forgotten", RUNS, "where appended.status = 'appended'", "where r.n > 0"),
    DatabaseMutation("priorities_are_forgotten", RUNS, "priority => r.priority", "priority => 0"),
]
