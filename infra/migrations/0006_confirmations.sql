-- Mails go to confirmed addresses only. The mail that asks for the confirmation is a delivery without a task: it has the claim,
-- lease and retries of the others. The accounts of before are not confirmed; they are asked when their next mail would be due.

ALTER TABLE users ADD COLUMN email_confirmed_at timestamptz;
ALTER TABLE deliveries
    ALTER COLUMN task_id DROP NOT NULL,
    ADD COLUMN user_id bigint REFERENCES users ON DELETE CASCADE, -- of a confirmation; the owner of others is the task's
    ADD COLUMN token_hash text,                                   -- of a confirmation: the SHA-256 of the link's token
    ADD COLUMN token_expires_at timestamptz,
    DROP CONSTRAINT deliveries_channel_check,
    ADD CONSTRAINT deliveries_channel_check CHECK (channel IN ('webhook', 'mail', 'confirmation')),
    ADD CONSTRAINT deliveries_owner_check CHECK ((channel = 'confirmation') = (user_id IS NOT NULL)
                                                 AND (task_id IS NULL) = (user_id IS NOT NULL));
CREATE UNIQUE INDEX deliveries_by_token ON deliveries (token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX deliveries_by_user ON deliveries (user_id, created_at) WHERE user_id IS NOT NULL;

-- Asks the owner of the account's address to confirm it: at most once an hour, 3 times a day, 10 times altogether, because
-- the address may be another person's. wait_s: seconds until it can be asked again; NULL: never. A confirmed address is not asked.
CREATE FUNCTION ask_for_confirmation(asker bigint, OUT delivery_id bigint, OUT confirmed boolean, OUT wait_s bigint)
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
    SELECT array_agg(d.created_at ORDER BY d.created_at DESC) INTO times FROM deliveries d WHERE d.user_id = asker;
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

-- Why a mail is skipped; the owner of the task reads it.
CREATE FUNCTION mail_needs_confirmation() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'the mail address is not confirmed: open the link of the confirmation mail, or ask for one with POST /api/auth/confirmation'
$$;

CREATE OR REPLACE FUNCTION owe_deliveries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO deliveries (task_id, generation, channel, target, status, error)
        SELECT NEW.id, NEW.generation, 'webhook', NEW.callback_url, 'pending', NULL WHERE NEW.callback_url IS NOT NULL
        UNION ALL
        SELECT NEW.id, NEW.generation, 'mail', u.email,
            CASE WHEN u.email_confirmed_at IS NULL THEN 'skipped' ELSE 'pending' END,
            CASE WHEN u.email_confirmed_at IS NULL THEN mail_needs_confirmation() END
            FROM users u WHERE u.id = NEW.user_id AND NEW.notify_mail AND NEW.status = 'processed'
        ON CONFLICT DO NOTHING;
    IF NEW.notify_mail AND NEW.status = 'processed'
        AND EXISTS (SELECT FROM users u WHERE u.id = NEW.user_id AND u.email_confirmed_at IS NULL)
        AND NOT EXISTS (SELECT FROM deliveries d WHERE d.user_id = NEW.user_id) THEN
        PERFORM ask_for_confirmation(NEW.user_id);
    END IF;
    RETURN NULL;
END
$$;
