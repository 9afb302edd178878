-- Searches by time: the task with the largest number that was made before a moment, of one user or (owner 0) of all; 0 if there is
-- none. Numbers rise with the time of creation, except among tasks made at once: created_at is when a transaction began, and a
-- transaction lasts no longer than statement_timeout. Some 40 rows are read, whatever the number of tasks.
CREATE FUNCTION last_task_before(owner bigint, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    low bigint := 0;
    high bigint := 0;
    middle bigint;
    probe record;
BEGIN
    IF owner = 0 THEN
        high := coalesce((SELECT t.id FROM tasks t ORDER BY t.id DESC LIMIT 1), 0);
    ELSE
        high := coalesce((SELECT t.id FROM tasks t WHERE (t.user_id, t.id) < (owner + 1, 0) ORDER BY t.user_id DESC, t.id DESC LIMIT 1), 0);
    END IF;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        IF owner = 0 THEN
            SELECT t.id, t.user_id, t.created_at INTO probe FROM tasks t WHERE t.id > middle ORDER BY t.id LIMIT 1;
        ELSE
            SELECT t.id, t.user_id, t.created_at INTO probe FROM tasks t
                WHERE (t.user_id, t.id) > (owner, middle) ORDER BY t.user_id, t.id LIMIT 1;
        END IF;
        IF FOUND AND (owner = 0 OR probe.user_id = owner) AND probe.created_at < moment THEN
            low := probe.id;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
