-- Long work is cut into units, each with a message, a lease and a fence of its own: docs/decisions/0010-units.md.
LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tasks
    ADD COLUMN units integer NOT NULL DEFAULT 0, -- rows of the plan that the task is worked on by; 0: it is one job
    ADD COLUMN whole_generation integer,         -- a generation that is not to be cut,
    ADD COLUMN whole_reason text;                -- and why not

CREATE TABLE units (
    task_id           bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
    n                 integer NOT NULL CHECK (n > 0),
    plan              bigint NOT NULL,           -- the task's fence when it was cut; another one ends the plan
    kind              text NOT NULL CHECK (kind IN ('video', 'audio', 'join')),
    from_us           bigint NOT NULL,           -- the range of the clip, in microseconds
    to_us             bigint NOT NULL,
    state             text NOT NULL CHECK (state IN ('blocked', 'waiting', 'running', 'done')),
    waits_for         integer NOT NULL DEFAULT 0, -- of a blocked unit: how many others are not done
    attempts          integer NOT NULL DEFAULT 0, -- runs that began and were not given back
    stops             integer NOT NULL DEFAULT 0, -- runs that a stopping worker gave back
    fence             bigint NOT NULL DEFAULT 0,  -- rises with every claim; a result must hold the newest
    claim_id          uuid,
    lease_expires_at  timestamptz,                -- set while running
    published_at      timestamptz,                -- NULL: a message is owed
    progress          integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1000),
    object            text,                       -- the intermediate object; set once done
    object_generation bigint,
    object_size       bigint,
    report            jsonb,                      -- what the unit says of its work
    made_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, n),
    CHECK ((state = 'running') = (lease_expires_at IS NOT NULL))
);
-- For the sweep: messages that are owed, and leases that have expired.
CREATE INDEX units_open ON units (made_at) WHERE state IN ('waiting', 'running');

-- A task that ends, or is claimed or run again, has no use for its units: their objects go into the ledger, due at once. All
-- that lock several units of a task do so in the order of n.
CREATE FUNCTION drop_units() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM units WHERE task_id = OLD.id ORDER BY n FOR UPDATE;
    WITH gone AS (DELETE FROM units WHERE task_id = OLD.id RETURNING object)
    INSERT INTO stray_objects (name, delete_after) SELECT object, now() FROM gone WHERE object IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET delete_after = excluded.delete_after;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.units := 0;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_units_dropped BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.units > 0 AND (NEW.status <> 'processing' OR NEW.fence <> OLD.fence))
    EXECUTE FUNCTION drop_units();
CREATE TRIGGER tasks_units_gone BEFORE DELETE ON tasks
    FOR EACH ROW WHEN (OLD.units > 0) EXECUTE FUNCTION drop_units();
