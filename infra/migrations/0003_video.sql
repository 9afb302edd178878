-- Edits: conversions that follow a preset (shared/media/presets.c), which stays visible.

ALTER TABLE tasks ADD COLUMN preset text;
ALTER TABLE tasks ADD CHECK (preset IS NULL OR kind = 'edit');
