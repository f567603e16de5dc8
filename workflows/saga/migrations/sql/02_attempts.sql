-- How often the supervisor resumed a saga's run since its last step outcome: only an outcome is progress. A crash
-- loop writes journal entries too, so the journal's length would count it as progress.

create table saga.attempts (
    saga_id      text        not null collate "C" primary key,
    last_outcome integer     not null,
    attempts     integer     not null,
    updated_at   timestamptz not null default clock_timestamp()
);
