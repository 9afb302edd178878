-- Accounts whole: names compared by Unicode's rules, tokens that can be ended, passwords reset by mail, accounts deleted.

ALTER TABLE users
    ADD COLUMN username_key  text,                       -- folded; NULL: an older user has the same name but for case
    ADD COLUMN email_key     text,
    ADD COLUMN token_version integer NOT NULL DEFAULT 0, -- login tokens of other versions are refused
    ADD COLUMN deleted_at    timestamptz;                -- the sweep deletes what belongs to the user, then the row

-- Two texts are the same name if this is the same: NFC, without regard to case. By way of upper case ß, ẞ and ss become one, ς and
-- σ too; by way of lower case before, ẞ has an upper case.
CREATE FUNCTION fold_name(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT normalize(lower(upper(lower(normalize(name, NFC) COLLATE "und-x-icu") COLLATE "und-x-icu") COLLATE "und-x-icu"), NFC)
        COLLATE "C"
$$;

-- What PostgreSQL's lower() let in twice stays: the oldest has the name.
UPDATE users u SET username_key = f.username_key, email_key = f.email_key FROM (
    SELECT id,
        CASE row_number() OVER (PARTITION BY fold_name(username) ORDER BY id) WHEN 1 THEN fold_name(username) END AS username_key,
        CASE row_number() OVER (PARTITION BY fold_name(email) ORDER BY id) WHEN 1 THEN fold_name(email) END AS email_key
    FROM users) f WHERE u.id = f.id;
CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE FUNCTION fold_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.username_key := fold_name(NEW.username);
    NEW.email_key := fold_name(NEW.email);
    RETURN NEW;
END
$$;
CREATE TRIGGER users_folded BEFORE INSERT OR UPDATE OF username, email ON users FOR EACH ROW EXECUTE FUNCTION fold_user();

-- The streams that were opened with tokens of before end.
CREATE FUNCTION end_streams_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('task_events', format('%s 0 0 access', OLD.id));
    RETURN NULL;
END
$$;
CREATE TRIGGER users_end_streams AFTER UPDATE OF token_version ON users
    FOR EACH ROW WHEN (OLD.token_version <> NEW.token_version) EXECUTE FUNCTION end_streams_of_user();

ALTER TABLE deliveries
    DROP CONSTRAINT deliveries_channel_check,
    ADD CONSTRAINT deliveries_channel_check CHECK (channel IN ('webhook', 'mail', 'confirmation', 'reset')),
    DROP CONSTRAINT deliveries_owner_check,
    ADD CONSTRAINT deliveries_owner_check CHECK ((channel IN ('confirmation', 'reset')) = (user_id IS NOT NULL)
                                                 AND (task_id IS NULL) = (user_id IS NOT NULL));

-- Owes a mail with a link that sets a new password: to a confirmed address, at most 3 an hour and 10 a day. NULL otherwise.
CREATE FUNCTION ask_for_reset(address text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    owner bigint;
    target text;
    made bigint;
BEGIN
    SELECT u.id, u.email INTO owner, target FROM users u
        WHERE (u.email_key = fold_name(address) OR lower(u.email) = lower(address))
            AND u.email_confirmed_at IS NOT NULL AND u.deleted_at IS NULL
        ORDER BY lower(u.email) = lower(address) DESC LIMIT 1 FOR NO KEY UPDATE; -- one at a time
    INSERT INTO deliveries (user_id, generation, channel, target)
        SELECT owner, 0, 'reset', target WHERE owner IS NOT NULL
            AND (SELECT count(*) FILTER (WHERE d.created_at > now() - interval '1 hour') < 3 AND count(*) < 10
                 FROM deliveries d WHERE d.user_id = owner AND d.channel = 'reset' AND d.created_at > now() - interval '1 day')
        RETURNING id INTO made;
    RETURN made;
END
$$;

-- As before, but of its own channel alone: mails about passwords do not count.
CREATE OR REPLACE FUNCTION ask_for_confirmation(asker bigint, OUT delivery_id bigint, OUT confirmed boolean, OUT wait_s bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    address text;
    times timestamptz[];
    again timestamptz := now();
BEGIN
    SELECT u.email, u.email_confirmed_at IS NOT NULL INTO address, confirmed
        FROM users u WHERE u.id = asker FOR NO KEY UPDATE; -- one at a time
    IF address IS NULL OR confirmed THEN
        RETURN;
    END IF;
    SELECT array_agg(d.created_at ORDER BY d.created_at DESC) INTO times
        FROM deliveries d WHERE d.user_id = asker AND d.channel = 'confirmation';
    IF times[10] IS NOT NULL THEN
        RETURN;
    END IF;
    again := greatest(now(), times[1] + interval '1 hour', times[3] + interval '1 day');
    wait_s := ceil(extract(epoch FROM again - now()));
    IF wait_s = 0 THEN
        INSERT INTO deliveries (user_id, generation, channel, target) VALUES (asker, 0, 'confirmation', address)
            RETURNING id INTO delivery_id;
    END IF;
END
$$;

-- Deletes the row of a user who is being deleted and has no tasks and uploads any more, with what refers to it. web has no right
-- to delete users by itself.
CREATE FUNCTION forget_user(gone bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users u WHERE u.id = gone AND u.deleted_at IS NOT NULL FOR UPDATE)
        OR EXISTS (SELECT FROM tasks t WHERE t.user_id = gone) OR EXISTS (SELECT FROM uploads p WHERE p.user_id = gone) THEN
        RETURN false;
    END IF;
    DELETE FROM idempotency_keys k WHERE k.user_id = gone;
    DELETE FROM users u WHERE u.id = gone;
    RETURN true;
END
$$;
