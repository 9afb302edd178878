-- Units of audio that look for a gain together: a unit `level` decides after each rehearsal what they do next.
ALTER TABLE units
    DROP CONSTRAINT units_kind_check,
    ADD CONSTRAINT units_kind_check CHECK (kind IN ('video', 'audio', 'level', 'join')),
    ADD COLUMN frees integer, -- the unit that waits for this one; NULL: the join
    ADD COLUMN search jsonb;  -- of audio and `level`: the rehearsals so far and their cost; NULL: no gain is looked for
