-- What the saga kernel adds to the event store. The journal itself is streams `saga-<id>` in the store.
--
--   02 attempts          how often a run was resumed without progress
--   03 append_items()    eventstore.append_items() that also enqueues runs in DBOS, in the same transaction
--   04 grants            what the application role may do; it owns nothing

create schema if not exists saga;
