-- The list of a user's deliveries is read by an index of its own, whatever the number of the user's tasks.
ALTER TABLE deliveries ADD COLUMN task_user_id bigint; -- of the task's owner; NULL for mails that are of no task
CREATE INDEX deliveries_of_user ON deliveries (task_user_id, status, id);

-- As before, with the owner of the task.
CREATE OR REPLACE FUNCTION owe_deliveries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO deliveries (task_id, task_user_id, generation, channel, target, status, error)
        SELECT NEW.id, NEW.user_id, NEW.generation, 'webhook', NEW.callback_url, 'pending', NULL WHERE NEW.callback_url IS NOT NULL
        UNION ALL
        SELECT NEW.id, NEW.user_id, NEW.generation, 'mail', u.email,
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
