-- One row an order: the fold of its `order` and `shipment` streams, and what lists are asked by.
-- Names are unqualified: the search path says where the tables are, live or in staging.
--
-- placed    the position of OrderPlaced, the order of lists; null while nobody has placed it
-- position  of the last event that was folded, so that none is folded twice

create table orders (
    order_id       text        not null collate "C" primary key,
    status         text        not null,
    customer_id    text        collate "C",
    country        text        collate "C",
    currency       text        collate "C",
    amount         bigint,
    skus           text[]      not null,
    state          jsonb       not null,
    tracking       text,
    saga_ids       text[]      not null,
    correlation_id text        collate "C",
    placed         bigint,
    placed_at      timestamptz,
    updated_at     timestamptz not null,
    position       bigint      not null
);

create unique index orders_by_placed on orders (placed);
create unique index orders_by_position on orders (position);
create index orders_by_amount on orders (amount, order_id);
create index orders_by_status on orders (status, placed);
create index orders_by_customer on orders (customer_id, placed);
create index orders_by_country on orders (country, placed);
create index orders_by_time on orders (placed_at);
create index orders_by_correlation on orders (correlation_id);
create index orders_by_sku on orders using gin (skus);
