-- The queue costs the same however long it is, and no statement's plan depends on how full it was when statistics were made.
-- The indexes of the queue have conditions that PostgreSQL cannot conclude from status = 'uploaded': a claim by id can never be
-- planned over them. Their own statements repeat the conditions word for word (shared/data/task_rows.h).

LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE; -- no other table is locked: nothing waits in a circle

-- Waiting tasks by their last message, for the sweep and for tasks that were put off.
CREATE INDEX tasks_queue ON tasks (priority, published_at NULLS FIRST) WHERE CASE status WHEN 'uploaded' THEN true END;
-- The users whose tasks wait: replaces tasks_waiting.
CREATE INDEX tasks_queue_users ON tasks (priority, user_id) WHERE CASE status WHEN 'uploaded' THEN true END;
-- The tasks that run, for leases that have expired.
CREATE INDEX tasks_running ON tasks (priority) WHERE CASE status WHEN 'processing' THEN true END;
DROP INDEX tasks_unfinished, tasks_waiting;

-- Lists of one status.
CREATE INDEX tasks_by_user_status ON tasks (user_id, status, id);
CREATE INDEX tasks_by_status ON tasks (status, id);

-- How far each lane's queue has come: the publish time of the newest message that a worker has received.
CREATE TABLE lanes (
    priority   text PRIMARY KEY,
    front      timestamptz NOT NULL DEFAULT 'epoch',
    changed_at timestamptz NOT NULL DEFAULT 'epoch'
);
INSERT INTO lanes (priority) VALUES ('high'), ('normal');

-- Rows of many users are counted by one statement; a function for each of them took twice the time of the insert itself.
CREATE OR REPLACE FUNCTION count_new_tasks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO user_usage AS u (user_id, tasks, stored_bytes, records, day)
        SELECT user_id, count(*) FILTER (WHERE task_is_unfinished(status)), sum(coalesce(original_size, 0))::bigint,
               sum(task_records(kind, options))::bigint, (now() AT TIME ZONE 'UTC')::date
        FROM added GROUP BY user_id ORDER BY user_id -- locked in one order
        ON CONFLICT (user_id) DO UPDATE SET tasks = u.tasks + excluded.tasks,
            stored_bytes = u.stored_bytes + excluded.stored_bytes, records = u.records + excluded.records,
            seconds = CASE WHEN u.day = excluded.day THEN u.seconds ELSE 0 END, day = excluded.day;
    RETURN NULL;
END
$$;

-- As before, but the deliveries are found by their task whatever the statistics say.
CREATE OR REPLACE FUNCTION count_deleted_task() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_usage(OLD.user_id, -task_is_unfinished(OLD.status)::int,
        -coalesce(OLD.original_size, 0) - (SELECT coalesce(sum(size), 0)::bigint FROM outputs WHERE task_id = OLD.id),
        -task_records(OLD.kind, OLD.options), 0,
        -(SELECT count(*) FILTER (WHERE status IN ('pending', 'sending')) FROM deliveries WHERE task_id = OLD.id),
        CASE WHEN OLD.status = 'processing' THEN processing_seconds(OLD.claimed_at, OLD.lease_expires_at) ELSE 0 END);
    RETURN OLD;
END
$$;
