-- What operators look at: the messages that Pub/Sub has given up, and who became an operator when.

-- One row for each task of which a message was given up, whatever has become of the task since.
CREATE TABLE dead_letters (
    task_id     bigint PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
    generation  integer NOT NULL, -- of the last one
    times       integer NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    requeued_at timestamptz       -- by an operator
);

-- Those that are being sent, for the leases that live. Its condition is like those of the queue's indexes (0009).
CREATE INDEX deliveries_sending ON deliveries (id) WHERE CASE status WHEN 'sending' THEN true END;

-- The flag is set with SQL alone (infra/operator.sh), so it is the server's log that says who did it.
CREATE FUNCTION log_operator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE LOG 'mediarun: user % (%) is % an operator, by %', NEW.id, NEW.username,
        CASE WHEN NEW.is_operator THEN 'now' ELSE 'no longer' END, session_user;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_operator_logged AFTER UPDATE OF is_operator ON users
    FOR EACH ROW WHEN (OLD.is_operator <> NEW.is_operator) EXECUTE FUNCTION log_operator();
