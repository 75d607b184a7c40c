ALTER TABLE imports
    ADD COLUMN source_url text,
    ADD COLUMN bytes_fetched bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT imports_phase,
    ADD CONSTRAINT imports_phase CHECK (phase IN ('fetch', 'survey', 'load')),
    ADD CONSTRAINT imports_have_file CHECK (object_key <> '' OR source_url IS NOT NULL);

COMMENT ON COLUMN imports.source_url IS 'Where the file is fetched from, if it was not uploaded; without its query, which may hold secrets, once that is not needed any more.';
COMMENT ON COLUMN imports.bytes_fetched IS 'Bytes of the file that have come from source_url.';
COMMENT ON COLUMN imports.object_key IS 'Where the file lies in storage; empty until it is fetched.';
COMMENT ON COLUMN imports.size_bytes IS 'Size of the file, in bytes; while it is fetched, what its server says, or 0.';
COMMENT ON COLUMN imports.sha256 IS 'SHA-256 of the file, in lower-case hexadecimal; empty until it is fetched.';
COMMENT ON COLUMN imports.layout IS 'Delimiter and columns (shared::detect::Layout), found in the header when the file is stored; null until it is fetched.';
COMMENT ON COLUMN imports.phase IS 'What a running import does: fetch gets the file from source_url, survey reads it once, load writes products.';
COMMENT ON COLUMN imports.created_at IS 'When the file was stored, or its URL was given.';
