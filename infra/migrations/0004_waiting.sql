-- Finds the users whose tasks wait, however many tasks each of them has: shared/data/waiting.c.
CREATE INDEX tasks_waiting ON tasks (priority, user_id) WHERE status = 'uploaded';
