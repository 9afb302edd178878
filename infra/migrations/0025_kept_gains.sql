-- As before, and units of audio that have found their gain outlive a PUT, together with the unit `level`, which has no object ('').
CREATE OR REPLACE FUNCTION drop_units() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM units WHERE task_id = OLD.id ORDER BY n FOR UPDATE;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.generation <> OLD.generation AND NEW.status = 'uploaded' THEN
            INSERT INTO kept_units (task_id, kind, from_us, to_us, basis, object, object_generation, object_size, report)
                SELECT task_id, kind, from_us, to_us, basis, coalesce(object, ''), coalesce(object_generation, 0),
                       coalesce(object_size, 0), report
                FROM units WHERE task_id = OLD.id AND state = 'done' AND basis IS NOT NULL
                AND (kind = 'video' OR NOT EXISTS (SELECT 1 FROM units WHERE task_id = OLD.id AND kind = 'level')
                     OR NOT EXISTS (SELECT 1 FROM units WHERE task_id = OLD.id AND kind IN ('audio', 'level') AND state <> 'done'))
                ON CONFLICT DO NOTHING;
            NEW.kept := (SELECT count(*) FROM kept_units WHERE task_id = OLD.id);
        END IF;
        NEW.units := 0;
    END IF;
    WITH gone AS (DELETE FROM units WHERE task_id = OLD.id RETURNING object)
    INSERT INTO stray_objects (name, delete_after)
        SELECT object, now() + CASE WHEN object IN (SELECT object FROM kept_units WHERE task_id = OLD.id)
                               THEN interval '1 hour' ELSE interval '0' END FROM gone WHERE object IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET delete_after = excluded.delete_after;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
