-- Links that users make themselves can be listed and revoked, as those of mails.
ALTER TABLE download_links
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
