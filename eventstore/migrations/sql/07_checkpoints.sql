-- How far a subscription has come. Moved only by an UPDATE that names the old position: two leaders cannot both win.

create table eventstore.checkpoints (
    subscription text        not null primary key,
    position     bigint      not null check (position >= 0),
    updated_at   timestamptz not null default clock_timestamp()
);
