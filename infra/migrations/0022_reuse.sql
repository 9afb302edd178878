-- Results that answer a later request: shared/data/results.h. The worker that makes a result notes what it was made from and
-- by what, in the statement that commits it; tasks from before have NULL here, and are not in the index.

LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE;
ALTER TABLE tasks
    ADD COLUMN reuse boolean NOT NULL DEFAULT false, -- the request allows an earlier result as the answer
    ADD COLUMN input_crc32c bigint,       -- of the input's bytes
    ADD COLUMN engine text,               -- what made the result: the version of the worker, and the checksum of its logo
    ADD COLUMN result_hash bigint,        -- of all that has to be the same (result_sql.h): finds rows, which are then compared
    ADD COLUMN result_generation integer; -- the generation that these four are about: another one's result is not theirs

-- For the newest result. Its condition is like those of the queue's indexes (0009), so that only the statement that
-- looks for results uses it.
CREATE INDEX tasks_results ON tasks (result_hash, processed_at)
    WHERE CASE status WHEN 'processed' THEN result_generation = generation END;
