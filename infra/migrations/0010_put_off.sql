-- Finds the tasks of a user that were put off, oldest first: shared/data/waiting.c. Its condition is like those of the other
-- indexes of the queue (0009).
LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
CREATE INDEX tasks_put_off ON tasks (priority, user_id, id)
    WHERE CASE status WHEN 'uploaded' THEN published_at = timestamptz '1970-01-01 00:00:00+00' END;
