-- What each user has and has used, for the quotas (shared/base/quotas.def). Triggers count in the transaction of what they
-- count, so the numbers are exact. In this order, because the revision before still runs: its statements lock uploads first.

LOCK TABLE uploads IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE tasks ADD COLUMN claimed_at timestamptz; -- begin of the present lease's first claim
LOCK TABLE outputs, deliveries IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE user_usage (
    user_id      bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    tasks        bigint NOT NULL DEFAULT 0, -- uploaded or processing
    stored_bytes bigint NOT NULL DEFAULT 0, -- inputs and outputs, and the announced sizes of open direct uploads
    records      bigint NOT NULL DEFAULT 0, -- that tasks of the kind insert_records were made for
    uploads      bigint NOT NULL DEFAULT 0, -- direct uploads without a task
    deliveries   bigint NOT NULL DEFAULT 0, -- pending, or being sent
    day          date,                      -- UTC
    seconds      double precision NOT NULL DEFAULT 0 -- of processing on that day
) WITH (fillfactor = 50);

CREATE FUNCTION task_is_unfinished(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT status IN ('uploaded', 'processing')
$$;
CREATE FUNCTION task_records(kind text, options jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN kind = 'insert_records' AND jsonb_typeof(options -> 'records') = 'number'
                THEN (options ->> 'records')::numeric::bigint ELSE 0 END
$$;

-- The trigger functions have the rights of the owner of user_usage, so web and worker need none to write it.
CREATE FUNCTION add_usage(owner bigint, more_tasks bigint, more_bytes bigint, more_records bigint, more_uploads bigint,
                          more_deliveries bigint, more_seconds double precision) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO user_usage AS u (user_id, tasks, stored_bytes, records, uploads, deliveries, day, seconds)
        VALUES (owner, more_tasks, more_bytes, more_records, more_uploads, more_deliveries,
                (now() AT TIME ZONE 'UTC')::date, more_seconds)
        ON CONFLICT (user_id) DO UPDATE SET tasks = u.tasks + excluded.tasks,
            stored_bytes = u.stored_bytes + excluded.stored_bytes, records = u.records + excluded.records,
            uploads = u.uploads + excluded.uploads, deliveries = u.deliveries + excluded.deliveries,
            seconds = CASE WHEN u.day = excluded.day THEN u.seconds ELSE 0 END + excluded.seconds, day = excluded.day
$$;

-- One statement inserts the tasks of many users: their rows are locked in one order.
CREATE FUNCTION count_new_tasks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(user_id, tasks, bytes, records, 0, 0, 0) FROM (
        SELECT user_id, count(*) FILTER (WHERE task_is_unfinished(status)) AS tasks,
               sum(coalesce(original_size, 0))::bigint AS bytes, sum(task_records(kind, options))::bigint AS records
        FROM added GROUP BY user_id ORDER BY user_id) made;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_usage_new AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_new_tasks();

CREATE FUNCTION note_task_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claimed_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_claimed BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (NEW.status = 'processing' AND (OLD.status <> 'processing' OR NEW.fence <> OLD.fence))
    EXECUTE FUNCTION note_task_claim();

-- From the claim to now, or to the end of a lease that nobody has kept.
CREATE FUNCTION processing_seconds(claimed_at timestamptz, lease_expires_at timestamptz) RETURNS double precision
LANGUAGE sql AS $$
    SELECT coalesce(greatest(extract(epoch FROM least(clock_timestamp(), lease_expires_at) - claimed_at), 0), 0)
$$;

CREATE FUNCTION count_changed_task() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(NEW.user_id,
        task_is_unfinished(NEW.status)::int - task_is_unfinished(OLD.status)::int,
        coalesce(NEW.original_size, 0) - coalesce(OLD.original_size, 0), 0, 0, 0,
        CASE WHEN OLD.status = 'processing' AND (NEW.status <> 'processing' OR NEW.fence <> OLD.fence)
             THEN processing_seconds(OLD.claimed_at, OLD.lease_expires_at) ELSE 0 END);
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_usage_changed AFTER UPDATE ON tasks
    FOR EACH ROW WHEN (task_is_unfinished(OLD.status) <> task_is_unfinished(NEW.status)
                       OR OLD.original_size IS DISTINCT FROM NEW.original_size
                       OR (OLD.status = 'processing' AND (NEW.status <> 'processing' OR NEW.fence <> OLD.fence)))
    EXECUTE FUNCTION count_changed_task();

-- Before: outputs and deliveries are deleted with the task, and their triggers do not find its owner any more.
CREATE FUNCTION count_deleted_task() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(OLD.user_id, -task_is_unfinished(OLD.status)::int,
        -coalesce(OLD.original_size, 0) - (SELECT coalesce(sum(size), 0)::bigint FROM outputs WHERE task_id = OLD.id),
        -task_records(OLD.kind, OLD.options), 0,
        -(SELECT count(*) FROM deliveries WHERE task_id = OLD.id AND status IN ('pending', 'sending')),
        CASE WHEN OLD.status = 'processing' THEN processing_seconds(OLD.claimed_at, OLD.lease_expires_at) ELSE 0 END);
    RETURN OLD;
END
$$;
CREATE TRIGGER tasks_usage_gone BEFORE DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION count_deleted_task();

CREATE FUNCTION count_new_outputs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(user_id, 0, bytes, 0, 0, 0, 0) FROM (
        SELECT t.user_id, sum(a.size)::bigint AS bytes FROM added a JOIN tasks t ON t.id = a.task_id
        GROUP BY t.user_id ORDER BY t.user_id) made;
    RETURN NULL;
END
$$;
CREATE TRIGGER outputs_usage_new AFTER INSERT ON outputs
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_new_outputs();

CREATE FUNCTION count_deleted_outputs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(user_id, 0, -bytes, 0, 0, 0, 0) FROM (
        SELECT t.user_id, sum(r.size)::bigint AS bytes FROM removed r JOIN tasks t ON t.id = r.task_id
        GROUP BY t.user_id ORDER BY t.user_id) gone;
    RETURN NULL;
END
$$;
CREATE TRIGGER outputs_usage_gone AFTER DELETE ON outputs
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_outputs();

CREATE FUNCTION count_delivery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(t.user_id, 0, 0, 0, 0, CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END, 0)
        FROM tasks t WHERE t.id = NEW.task_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER deliveries_usage_new AFTER INSERT ON deliveries
    FOR EACH ROW WHEN (NEW.status IN ('pending', 'sending')) EXECUTE FUNCTION count_delivery();
CREATE TRIGGER deliveries_usage_done AFTER UPDATE OF status ON deliveries
    FOR EACH ROW WHEN (OLD.status IN ('pending', 'sending') AND NEW.status NOT IN ('pending', 'sending'))
    EXECUTE FUNCTION count_delivery();

CREATE FUNCTION count_upload() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_usage(NEW.user_id, 0, NEW.size, 0, 1, 0, 0);
    ELSE
        PERFORM add_usage(OLD.user_id, 0, -OLD.size, 0, -1, 0, 0);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER uploads_usage AFTER INSERT OR DELETE ON uploads FOR EACH ROW EXECUTE FUNCTION count_upload();

INSERT INTO user_usage (user_id, tasks, stored_bytes, records, uploads, deliveries)
    SELECT u.id,
        (SELECT count(*) FROM tasks t WHERE t.user_id = u.id AND task_is_unfinished(t.status)),
        (SELECT coalesce(sum(t.original_size), 0) FROM tasks t WHERE t.user_id = u.id)
        + (SELECT coalesce(sum(o.size), 0) FROM outputs o JOIN tasks t ON t.id = o.task_id WHERE t.user_id = u.id)
        + (SELECT coalesce(sum(p.size), 0) FROM uploads p WHERE p.user_id = u.id),
        (SELECT coalesce(sum(task_records(t.kind, t.options)), 0) FROM tasks t WHERE t.user_id = u.id),
        (SELECT count(*) FROM uploads p WHERE p.user_id = u.id),
        (SELECT count(*) FROM deliveries d JOIN tasks t ON t.id = d.task_id
            WHERE t.user_id = u.id AND d.status IN ('pending', 'sending'))
    FROM users u;
