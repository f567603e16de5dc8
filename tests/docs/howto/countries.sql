create table countries (
    country text   not null collate "C" primary key,
    orders  bigint not null
);
