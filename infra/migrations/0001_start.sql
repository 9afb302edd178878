-- Users, tasks, their outputs, and the list of objects without an owner.

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username      text NOT NULL CHECK (char_length(username) BETWEEN 1 AND 80),
    email         text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
    password_hash text NOT NULL,
    is_operator   boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username ON users (lower(username));
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- The state of every task. A Pub/Sub message only says "look at task N, generation G".
CREATE TABLE tasks (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id          uuid NOT NULL UNIQUE,
    user_id          bigint NOT NULL REFERENCES users,
    kind             text NOT NULL DEFAULT 'convert',
    status           text NOT NULL DEFAULT 'uploaded' CHECK (status IN
                     ('awaiting_upload', 'uploaded', 'processing', 'processed', 'failed', 'canceled')),
    priority         text NOT NULL DEFAULT 'normal' CHECK (priority IN ('high', 'normal')),
    generation       integer NOT NULL DEFAULT 1,  -- rises with every order to do it again
    attempts         integer NOT NULL DEFAULT 0,  -- claims of this generation
    fence            bigint NOT NULL DEFAULT 0,   -- rises with every claim; a commit must hold the newest
    lease_expires_at timestamptz,                 -- set while processing
    published_at     timestamptz,                 -- NULL: the outbox still owes a message
    progress         integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1000), -- permille
    new_format       text,
    options          jsonb,
    original_file    text,
    original_format  text,
    original_size    bigint,
    input_object     text,
    input_generation bigint,
    created_at       timestamptz NOT NULL DEFAULT now(),
    uploaded_at      timestamptz,
    processed_at     timestamptz,
    error_code       text,
    error_detail     text,
    receipt          jsonb,
    CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL)),
    CHECK ((status = 'failed') = (error_code IS NOT NULL))
);
CREATE INDEX tasks_by_user ON tasks (user_id, id);
-- For the sweep: only unfinished tasks.
CREATE INDEX tasks_unfinished ON tasks (published_at NULLS FIRST) WHERE status IN ('uploaded', 'processing');

CREATE TABLE outputs (
    task_id           bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
    n                 integer NOT NULL,
    object            text NOT NULL UNIQUE,
    object_generation bigint NOT NULL,
    file_name         text NOT NULL,
    format            text NOT NULL,
    content_type      text NOT NULL,
    size              bigint NOT NULL,
    PRIMARY KEY (task_id, n)
);

-- The states are those of shared/data/task_state.c.
CREATE FUNCTION task_transition_allowed(before text, after text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT (before, after) IN (
        ('awaiting_upload', 'uploaded'), ('awaiting_upload', 'failed'), ('awaiting_upload', 'canceled'),
        ('uploaded', 'processing'), ('uploaded', 'failed'), ('uploaded', 'canceled'),
        ('processing', 'processed'), ('processing', 'failed'), ('processing', 'canceled'), ('processing', 'uploaded'),
        ('processed', 'uploaded'), ('failed', 'uploaded'), ('canceled', 'uploaded'))
$$;

CREATE FUNCTION check_task_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT task_transition_allowed(OLD.status, NEW.status) THEN
        RAISE EXCEPTION 'task %: no way from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status IN ('processed', 'failed', 'canceled') AND NEW.generation <= OLD.generation THEN
        RAISE EXCEPTION 'task %: a final state is left with a new generation only', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_transition BEFORE UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_task_transition();

-- Objects that may become orphaned: a row is inserted before the object is written, and deleted in the transaction that
-- gives the object an owner. The sweep deletes the objects whose rows are still here after delete_after.
CREATE TABLE stray_objects (
    name         text PRIMARY KEY,
    delete_after timestamptz NOT NULL
);
CREATE INDEX stray_objects_due ON stray_objects (delete_after);
