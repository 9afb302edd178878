-- When the work on a task began, which MAX_TASK_SECONDS bounds; and what a PUT leaves of a cut task. Triggers, so that it holds for programs of the revision before, too.
LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tasks
    ADD COLUMN first_claimed_at timestamptz,    -- of the present generation
    ADD COLUMN kept integer NOT NULL DEFAULT 0; -- rows in kept_units

CREATE OR REPLACE FUNCTION note_task_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claimed_at := clock_timestamp();
    NEW.first_claimed_at := coalesce(NEW.first_claimed_at, now());
    RETURN NEW;
END
$$;

CREATE FUNCTION forget_task_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.first_claimed_at := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_again BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (NEW.generation <> OLD.generation AND OLD.first_claimed_at IS NOT NULL)
    EXECUTE FUNCTION forget_task_claims();

-- Results of units outlive a PUT: the next plan takes those whose range and basis are the same.
ALTER TABLE units ADD COLUMN basis text; -- a hash of all that the result depends on, beside the range; NULL: it is not kept
CREATE TABLE kept_units (
    task_id           bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
    kind              text NOT NULL,
    from_us           bigint NOT NULL,
    to_us             bigint NOT NULL,
    basis             text NOT NULL,
    object            text NOT NULL, -- in stray_objects as well: what nobody takes in time is deleted
    object_generation bigint NOT NULL,
    object_size       bigint NOT NULL,
    report            jsonb NOT NULL,
    PRIMARY KEY (task_id, kind, from_us, to_us, basis)
);

-- As before, but a new generation keeps what is done for an hour.
CREATE OR REPLACE FUNCTION drop_units() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM units WHERE task_id = OLD.id ORDER BY n FOR UPDATE;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.generation <> OLD.generation AND NEW.status = 'uploaded' THEN
            INSERT INTO kept_units (task_id, kind, from_us, to_us, basis, object, object_generation, object_size, report)
                SELECT task_id, kind, from_us, to_us, basis, object, object_generation, object_size, report
                FROM units WHERE task_id = OLD.id AND state = 'done' AND basis IS NOT NULL ON CONFLICT DO NOTHING;
            NEW.kept := (SELECT count(*) FROM kept_units WHERE task_id = OLD.id);
        END IF;
        NEW.units := 0;
    END IF;
    WITH gone AS (DELETE FROM units WHERE task_id = OLD.id RETURNING object)
    INSERT INTO stray_objects (name, delete_after)
        SELECT object, now() + CASE WHEN object IN (SELECT object FROM kept_units WHERE task_id = OLD.id)
                               THEN interval '1 hour' ELSE interval '0' END FROM gone WHERE object IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET delete_after = excluded.delete_after;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;

-- A task that ends has no use for them.
CREATE FUNCTION drop_kept_units() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    WITH gone AS (DELETE FROM kept_units WHERE task_id = OLD.id RETURNING object)
    UPDATE stray_objects SET delete_after = now() WHERE name = ANY (ARRAY(SELECT object FROM gone));
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.kept := 0;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_kept_dropped BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.kept > 0 AND NEW.status IN ('processed', 'failed', 'canceled'))
    EXECUTE FUNCTION drop_kept_units();
CREATE TRIGGER tasks_kept_gone BEFORE DELETE ON tasks
    FOR EACH ROW WHEN (OLD.kept > 0) EXECUTE FUNCTION drop_kept_units();
