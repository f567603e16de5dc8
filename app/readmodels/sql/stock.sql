-- One row a SKU, and one for each order that has reserved some of it: the fold of its `stock` stream.
-- Names are unqualified: the search path says where the tables are, live or in staging.
--
-- running_low  less is on hand than the reorder point wants, whether or not more is on its way
-- position     of the last event that was folded, so that none is folded twice

create table stock (
    sku              text        not null collate "C" primary key,
    received         bigint      not null,
    on_hand          bigint      not null,
    reserved         bigint      not null,
    shipped          bigint      not null,
    reorder_level    bigint,
    reorder_quantity bigint,
    goods_expected   boolean     not null,
    running_low      boolean     not null generated always as (coalesce(on_hand < reorder_level, false)) stored,
    updated_at       timestamptz not null,
    position         bigint      not null
);

create unique index stock_by_position on stock (position);
create index stock_by_on_hand on stock (on_hand, sku);
create index stock_running_low on stock (sku) where running_low;

create table stock_reservations (
    sku         text        not null collate "C",
    order_id    text        not null collate "C",
    quantity    bigint      not null,
    reserved_at timestamptz not null,
    primary key (sku, order_id)
);

create index stock_reservations_by_order on stock_reservations (order_id);
