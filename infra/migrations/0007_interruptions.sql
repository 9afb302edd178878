-- What ends a run of a task is counted by whose doing it was: of the file and its server, or of the machine.

ALTER TABLE tasks
    ADD COLUMN claim_id      uuid,                           -- of the push that holds the lease, so that its repeat is known
    ADD COLUMN started       boolean NOT NULL DEFAULT false, -- the run under the present lease is counted in attempts
    ADD COLUMN interruptions integer NOT NULL DEFAULT 0,     -- of attempts: runs that the machine ended (killed, frozen)
    ADD COLUMN kills         integer NOT NULL DEFAULT 0,     -- of interruptions: with the memory near its limit
    ADD COLUMN stops         integer NOT NULL DEFAULT 0;     -- claims that a stopping worker gave back
