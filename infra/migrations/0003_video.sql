-- Edits: conversions by a preset (shared/media/presets.c), whose name is kept.

ALTER TABLE tasks ADD COLUMN preset text;
ALTER TABLE tasks ADD CHECK (preset IS NULL OR kind = 'edit');
