-- In a transaction of its own, after all that the trigger of before the last migration had begun.
LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE;
UPDATE deliveries d SET task_user_id = t.user_id FROM tasks t WHERE t.id = d.task_id AND d.task_user_id IS NULL;
