-- The keys of personal data. To forget a person is to delete the row: no other copy of the key is in this database.

create schema privacy;

create table privacy.keys (
   key_id     text collate "C" primary key,
   subject    text collate "C" not null,
   key        bytea            not null,
   master     text collate "C",
   created_at timestamptz      not null default clock_timestamp(),
   constraint keys_one_per_subject unique (subject)
);

comment on column privacy.keys.subject is 'id of the person, such as VINET';
comment on column privacy.keys.key is 'of AES-SIV, 64 bytes; with a master: a nonce and the key, encrypted by it with AES-GCM';
comment on column privacy.keys.master is 'fingerprint of the master key; null: the key is as it is';
