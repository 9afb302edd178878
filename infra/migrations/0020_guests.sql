-- Guests: users without a password, who may do less than others and are deleted when their time is over (web/guests.h).

ALTER TABLE users
    ADD COLUMN guest_until timestamptz, -- NULL: not a guest
    ADD COLUMN guest_from  text;        -- a keyed hash of the address that the guest came from
CREATE INDEX users_guests ON users (guest_until) WHERE guest_until IS NOT NULL;

-- Makes a guest, unless there are origin_most from this origin, or most altogether; those that wait for their deletion count. One at
-- a time, so the numbers are exact. id is NULL when there are too many; wait_s: seconds until the first of them ends.
CREATE FUNCTION new_guest(name text, origin text, origin_most bigint, most bigint, seconds bigint, OUT id bigint, OUT wait_s bigint)
LANGUAGE plpgsql AS $$
DECLARE
    same bigint;
    every bigint;
    next_end timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('mediarun guests', 0));
    SELECT count(*) FILTER (WHERE u.guest_from = origin), count(*), min(u.guest_until) FILTER (WHERE u.guest_from = origin)
        INTO same, every, next_end FROM users u WHERE u.guest_until IS NOT NULL;
    IF same >= origin_most OR every >= most THEN
        wait_s := CASE WHEN same >= origin_most THEN greatest(60, ceil(extract(epoch FROM next_end - now()))) ELSE 60 END;
        RETURN;
    END IF;
    INSERT INTO users (username, email, password_hash, guest_until, guest_from)
        VALUES (name, name || '@guest.invalid', '', now() + make_interval(secs => seconds), origin)
        RETURNING users.id INTO id;
END
$$;
