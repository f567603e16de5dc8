-- json, not jsonb: that would sort the keys of objects, and a state that goes by the order in which they came
-- would be another one than the fold of its events. Nothing was ever written to this table before.

alter table eventstore.snapshots alter column state type json;
