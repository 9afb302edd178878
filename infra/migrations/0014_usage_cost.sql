-- What a change of a task costs. A function in SQL is parsed again with each call, and in the condition of a trigger with each
-- statement: so these count in statements of their own, whose plans are kept, and the condition has no functions.

LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE;
DROP TRIGGER tasks_usage_changed ON tasks;
CREATE TRIGGER tasks_usage_changed AFTER UPDATE ON tasks
    FOR EACH ROW WHEN ((OLD.status IN ('uploaded', 'processing')) <> (NEW.status IN ('uploaded', 'processing'))
                       OR OLD.original_size IS DISTINCT FROM NEW.original_size
                       OR (OLD.status = 'processing' AND (NEW.status <> 'processing' OR NEW.fence <> OLD.fence)))
    EXECUTE FUNCTION count_changed_task();

CREATE OR REPLACE FUNCTION count_changed_task() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    more_tasks bigint := (NEW.status IN ('uploaded', 'processing'))::int - (OLD.status IN ('uploaded', 'processing'))::int;
    more_bytes bigint := coalesce(NEW.original_size, 0) - coalesce(OLD.original_size, 0);
    more_seconds double precision := 0;
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    IF OLD.status = 'processing' AND (NEW.status <> 'processing' OR NEW.fence <> OLD.fence) THEN -- as processing_seconds
        more_seconds := coalesce(greatest(extract(epoch FROM least(clock_timestamp(), OLD.lease_expires_at) - OLD.claimed_at), 0), 0);
    END IF;
    UPDATE user_usage SET tasks = tasks + more_tasks, stored_bytes = stored_bytes + more_bytes,
            seconds = CASE WHEN day = today THEN seconds ELSE 0 END + more_seconds, day = today
        WHERE user_id = NEW.user_id;
    IF NOT FOUND THEN
        PERFORM add_usage(NEW.user_id, more_tasks, more_bytes, 0, 0, 0, more_seconds);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_new_outputs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO user_usage AS u (user_id, stored_bytes, day)
        SELECT t.user_id, sum(a.size)::bigint, (now() AT TIME ZONE 'UTC')::date
        FROM added a JOIN tasks t ON t.id = a.task_id GROUP BY t.user_id ORDER BY t.user_id -- locked in one order
        ON CONFLICT (user_id) DO UPDATE SET stored_bytes = u.stored_bytes + excluded.stored_bytes,
            seconds = CASE WHEN u.day = excluded.day THEN u.seconds ELSE 0 END, day = excluded.day;
    RETURN NULL;
END
$$;
