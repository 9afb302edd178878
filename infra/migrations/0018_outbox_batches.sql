-- New tasks whose messages may not have been published yet, a row for each batch: to delete it costs less than to mark each task.
-- What a crash leaves here, the sweep publishes (shared/data/outbox.h).
CREATE TABLE outbox_batches (
    id      bigint PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now(),
    tasks   bigint[] NOT NULL
);
CREATE INDEX outbox_batches_due ON outbox_batches (made_at);
