-- One row an account, one for each payment that is held on it, and its statement: one row for each event, with
-- the balance after it. All of it is the fold of its `account` stream.
-- Names are unqualified: the search path says where the tables are, live or in staging.
--
-- balance   without the holds: what can be spent
-- held      the sum of the holds
-- change    what the event did to the balance
-- part      0; 1 and more for what was one event when it was stored, and is several today
-- position  of an account: of the last event that was folded, so that none is folded twice

create table accounts (
    account_id     text        not null collate "C" primary key,
    currency       text        not null collate "C",
    balance        bigint      not null,
    held           bigint      not null,
    movement_count bigint      not null,
    opened_at      timestamptz not null,
    updated_at     timestamptz not null,
    position       bigint      not null
);

create unique index accounts_by_position on accounts (position);
create index accounts_by_balance on accounts (balance, account_id);
create index accounts_by_currency on accounts (currency, account_id);

create table account_holds (
    account_id text        not null collate "C",
    order_id   text        not null collate "C",
    amount     bigint      not null,
    held_at    timestamptz not null,
    primary key (account_id, order_id)
);

create table account_movements (
    account_id     text        not null collate "C",
    position       bigint      not null,
    part           integer     not null,
    version        integer     not null,
    event_id       uuid        not null,
    kind           text        not null,
    amount         bigint      not null,
    currency       text        not null,
    change         bigint      not null,
    balance        bigint      not null,
    held           bigint      not null,
    order_id       text        collate "C",
    reference      text,
    saga_id        text        collate "C",
    step           text,
    actor          text,
    correlation_id text,
    recorded_at    timestamptz not null,
    primary key (account_id, position, part)
);

create index account_movements_by_time on account_movements (account_id, recorded_at);
create index account_movements_by_order on account_movements (order_id, position) where order_id is not null;
