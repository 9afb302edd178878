-- Who may do what in the database. web applies this at each start as the owner of the tables, after the migrations; rights
-- that are there already are left alone. docs/security.md explains the table below, tests/unit/test_grants.c checks it.
--
-- mr_web and mr_worker are the logins of the two programs. They are made here if they are missing (without a password,
-- so that nobody can log in where one is asked for), and if the owner may make them; else they have to exist before.
DO $$
DECLARE
    role text;
    wanted record;
BEGIN
    FOREACH role IN ARRAY ARRAY['mr_web', 'mr_worker'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
            NULL; -- another database of the server made it at this moment, or there will be no such login
        END;
    END LOOP;

    FOR wanted IN SELECT r.oid AS role, r.rolname, g.relation, p.privilege FROM (VALUES
        -- login, table, rights
        ('mr_web', 'users', 'SELECT INSERT UPDATE'),
        ('mr_web', 'units', 'SELECT UPDATE'),
        ('mr_web', 'user_usage', 'SELECT'),
        ('mr_web', 'lanes', 'SELECT'),
        ('mr_web', 'outbox_batches', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'dead_letters', 'SELECT INSERT UPDATE'),
        ('mr_web', 'tasks', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'outputs', 'SELECT DELETE'),
        ('mr_web', 'stray_objects', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'idempotency_keys', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'api_keys', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'uploads', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'download_links', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'deliveries', 'SELECT INSERT UPDATE'),
        ('mr_web', 'pings', 'SELECT INSERT UPDATE DELETE'),
        ('mr_web', 'records.runs', 'SELECT UPDATE DELETE'),
        ('mr_web', 'records.users', 'SELECT DELETE'),
        ('mr_web', 'records.products', 'SELECT DELETE'),
        ('mr_web', 'records.order_items', 'SELECT DELETE'),
        ('mr_worker', 'tasks', 'SELECT UPDATE'),
        ('mr_worker', 'units', 'SELECT INSERT UPDATE'),
        ('mr_worker', 'kept_units', 'SELECT DELETE'),
        ('mr_worker', 'lanes', 'SELECT UPDATE'),
        ('mr_worker', 'outputs', 'SELECT INSERT'),
        ('mr_worker', 'stray_objects', 'SELECT INSERT UPDATE DELETE'),
        ('mr_worker', 'download_links', 'INSERT'),
        ('mr_worker', 'deliveries', 'SELECT INSERT UPDATE'),
        ('mr_worker', 'pings', 'SELECT UPDATE'),
        ('mr_worker', 'records.runs', 'SELECT INSERT UPDATE DELETE'),
        ('mr_worker', 'records.users', 'SELECT INSERT DELETE'),
        ('mr_worker', 'records.products', 'SELECT INSERT DELETE'),
        ('mr_worker', 'records.order_items', 'SELECT INSERT DELETE')
    ) AS g (login, relation, privileges)
        JOIN pg_roles r ON r.rolname = g.login
        CROSS JOIN LATERAL string_to_table(g.privileges, ' ') AS p (privilege)
        WHERE NOT has_table_privilege(r.oid, g.relation, p.privilege)
    LOOP
        EXECUTE format('GRANT %s ON %s TO %I', wanted.privilege, wanted.relation, wanted.rolname);
    END LOOP;

    -- Of users, the worker reads what a webhook and a mail need: not the hash of the password.
    FOR wanted IN SELECT r.rolname, c.name FROM pg_roles r,
        unnest(ARRAY['id', 'username', 'email', 'email_confirmed_at', 'webhook_secret', 'deleted_at']) AS c (name)
        WHERE r.rolname = 'mr_worker' AND NOT has_column_privilege(r.oid, 'users', c.name, 'SELECT')
    LOOP
        EXECUTE format('GRANT SELECT (%I) ON users TO %I', wanted.name, wanted.rolname);
    END LOOP;

    FOR wanted IN SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname IN ('mr_web', 'mr_worker') LOOP
        IF NOT has_schema_privilege(wanted.oid, 'records', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA records TO %I', wanted.rolname);
        END IF;
        IF NOT has_sequence_privilege(wanted.oid, 'task_events', 'USAGE') THEN -- the triggers number events
            EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE task_events TO %I', wanted.rolname);
        END IF;
    END LOOP;
END
$$;
