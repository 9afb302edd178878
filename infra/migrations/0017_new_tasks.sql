-- What a new task costs. Its number as an event is a default, and one trigger notifies of all tasks of a statement: a call of a
-- function for each row took as long as the row itself.

LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tasks
    ALTER COLUMN event_id SET DEFAULT nextval('task_events'),
    ALTER COLUMN changed_at SET DEFAULT clock_timestamp();
DROP TRIGGER tasks_event_new ON tasks;
DROP TRIGGER tasks_event_told ON tasks;
CREATE TRIGGER tasks_event_deleted AFTER DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION tell_task_event();

CREATE FUNCTION tell_new_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('task_events', user_id || ' ' || id || ' ' || event_id || ' state') FROM added;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_event_told AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_new_tasks();
