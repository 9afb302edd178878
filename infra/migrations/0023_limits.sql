-- When the work on a task began, which MAX_TASK_SECONDS bounds. Triggers, so that it holds for programs of the revision before, too.
LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tasks ADD COLUMN first_claimed_at timestamptz; -- of the present generation

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
