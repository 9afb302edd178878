-- Keys with which programs use the API in a user's name. Only the SHA-256 of a key is stored.

CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    key_hash     text NOT NULL UNIQUE,
    can_read     boolean NOT NULL,
    can_write    boolean NOT NULL CHECK (can_read OR can_write),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,              -- NULL: never
    last_used_at timestamptz               -- to the minute
);
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);

-- Tells every instance that some of a user's permissions ended: it ends the user's event streams, whose clients connect again.
CREATE FUNCTION end_streams() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('task_events', format('%s 0 0 access', OLD.user_id));
    RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_end_streams AFTER DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION end_streams();
