-- URL ingest, results that are not files, idempotency keys, direct uploads, deliveries, events, records, pings.

ALTER TABLE users ADD COLUMN webhook_secret text NOT NULL
    DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');  -- hexadecimal, 32 bytes

ALTER TABLE tasks
    ADD COLUMN url          text,                           -- where the input is to be fetched from
    ADD COLUMN callback_url text,                           -- where the webhook goes
    ADD COLUMN notify_mail  boolean NOT NULL DEFAULT false, -- a mail to the owner when there is a result
    ADD COLUMN result       jsonb,                          -- what a kind without files has to say
    ADD COLUMN traceparent  text,                           -- of the request that made it
    ADD COLUMN event_id     bigint NOT NULL DEFAULT 0,      -- rises with every change that a client may see
    ADD COLUMN changed_at   timestamptz NOT NULL DEFAULT now();
CREATE INDEX tasks_by_original_file ON tasks (user_id, original_file, id);
CREATE INDEX tasks_by_event ON tasks (user_id, event_id);

-- One key creates one task. It outlives the task, so that a late repetition does not create another one.
CREATE TABLE idempotency_keys (
    user_id      bigint NOT NULL REFERENCES users,
    key          text NOT NULL,
    request_hash text NOT NULL,
    file_id      uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Direct uploads without a task. session_uri is a bearer secret of Cloud Storage.
CREATE TABLE uploads (
    id           uuid PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    object       text NOT NULL UNIQUE,
    session_uri  text NOT NULL,
    file_name    text NOT NULL,
    content_type text NOT NULL,
    size         bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- Links without a login: the SHA-256 of a token, for the results of one task.
CREATE TABLE download_links (
    token_hash text PRIMARY KEY,
    task_id    bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX download_links_by_task ON download_links (task_id);
CREATE INDEX download_links_by_expiry ON download_links (expires_at);

-- Webhooks and mails to send for a result. The trigger below creates them in the transaction that ends the task.
CREATE TABLE deliveries (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id        uuid NOT NULL DEFAULT gen_random_uuid(), -- what the receiver sees
    task_id          bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
    generation       integer NOT NULL,
    channel          text NOT NULL CHECK (channel IN ('webhook', 'mail')),
    target           text NOT NULL,
    status           text NOT NULL DEFAULT 'pending' CHECK (status IN
                     ('pending', 'sending', 'sent', 'failed', 'skipped')),
    attempts         integer NOT NULL DEFAULT 0,
    fence            bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    next_attempt_at  timestamptz NOT NULL DEFAULT now(),
    published_at     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    sent_at          timestamptz,
    error            text,
    UNIQUE (task_id, generation, channel),
    CHECK ((status = 'sending') = (lease_expires_at IS NOT NULL))
);
CREATE INDEX deliveries_unfinished ON deliveries (next_attempt_at) WHERE status IN ('pending', 'sending');

CREATE FUNCTION owe_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deliveries (task_id, generation, channel, target)
        SELECT NEW.id, NEW.generation, 'webhook', NEW.callback_url WHERE NEW.callback_url IS NOT NULL
        UNION ALL
        SELECT NEW.id, NEW.generation, 'mail', u.email FROM users u
            WHERE u.id = NEW.user_id AND NEW.notify_mail AND NEW.status = 'processed'
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_deliveries AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status IN ('processed', 'failed')
                       AND (NEW.callback_url IS NOT NULL OR NEW.notify_mail))
    EXECUTE FUNCTION owe_deliveries();

-- Events: every change that is visible to a client gets a number and a notification "user_id task_id event_id what".
-- what is state, progress (nothing else changed) or deleted.
CREATE SEQUENCE task_events;
CREATE FUNCTION number_task_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.event_id := nextval('task_events');
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_event_new BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION number_task_event();
CREATE TRIGGER tasks_event_number BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.progress IS DISTINCT FROM NEW.progress
                       OR OLD.generation IS DISTINCT FROM NEW.generation)
    EXECUTE FUNCTION number_task_event();

CREATE FUNCTION tell_task_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('task_events', format('%s %s %s deleted', OLD.user_id, OLD.id, nextval('task_events')));
    ELSIF TG_OP = 'UPDATE' AND OLD.status = NEW.status AND OLD.generation = NEW.generation THEN
        PERFORM pg_notify('task_events', format('%s %s %s progress', NEW.user_id, NEW.id, NEW.event_id));
    ELSE
        PERFORM pg_notify('task_events', format('%s %s %s state', NEW.user_id, NEW.id, NEW.event_id));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_event_told AFTER INSERT OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION tell_task_event();
CREATE TRIGGER tasks_event_change_told AFTER UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.event_id IS DISTINCT FROM NEW.event_id) EXECUTE FUNCTION tell_task_event();

-- The rows of kind insert_records, and the progress of each task. There is no foreign key to tasks, because it would
-- delete millions of rows within a request. The sweep removes the rows of deleted tasks in small transactions.
CREATE SCHEMA records;
CREATE TABLE records.runs (
    task_id    bigint PRIMARY KEY,
    generation integer NOT NULL,
    done       bigint NOT NULL DEFAULT 0,   -- records 1 … done of all three tables are there, and no others
    orphaned   boolean NOT NULL DEFAULT false
);
CREATE INDEX runs_orphaned ON records.runs (task_id) WHERE orphaned;
CREATE FUNCTION records.orphan_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records.runs SET orphaned = true WHERE task_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_records AFTER DELETE ON tasks
    FOR EACH ROW WHEN (OLD.kind = 'insert_records') EXECUTE FUNCTION records.orphan_run();
CREATE TABLE records.users (
    task_id bigint NOT NULL,
    n       bigint NOT NULL,
    name    text NOT NULL,
    email   text NOT NULL,
    PRIMARY KEY (task_id, n)
);
CREATE TABLE records.products (
    task_id     bigint NOT NULL,
    n           bigint NOT NULL,
    name        text NOT NULL,
    price_cents integer NOT NULL,
    PRIMARY KEY (task_id, n)
);
CREATE TABLE records.order_items (
    task_id  bigint NOT NULL,
    n        bigint NOT NULL,
    user_n   bigint NOT NULL,
    product_n bigint NOT NULL,
    quantity integer NOT NULL,
    PRIMARY KEY (task_id, n)
);

-- A message that passes through the whole loop.
CREATE TABLE pings (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pong_at timestamptz
);
-- At most one per second: requests within the same second share it, so that pings cannot flood the queue.
CREATE UNIQUE INDEX pings_by_second ON pings (date_trunc('second', sent_at AT TIME ZONE 'UTC'));
CREATE INDEX pings_by_age ON pings (sent_at);
