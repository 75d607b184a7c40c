-- Imports whose file never came have nothing to show without their URL.
DELETE FROM imports WHERE object_key = '';
UPDATE imports SET phase = 'survey' WHERE phase = 'fetch';
ALTER TABLE imports
    DROP CONSTRAINT imports_have_file,
    DROP CONSTRAINT imports_phase,
    ADD CONSTRAINT imports_phase CHECK (phase IN ('survey', 'load')),
    DROP COLUMN bytes_fetched,
    DROP COLUMN source_url;
COMMENT ON COLUMN imports.object_key IS 'Where the file lies in storage.';
COMMENT ON COLUMN imports.size_bytes IS 'Size of the file, in bytes.';
COMMENT ON COLUMN imports.sha256 IS 'SHA-256 of the file, in lower-case hexadecimal.';
COMMENT ON COLUMN imports.layout IS 'Delimiter and columns (shared::detect::Layout), found in the header at upload.';
COMMENT ON COLUMN imports.phase IS 'What a running import does: survey reads the whole file once, load writes products.';
COMMENT ON COLUMN imports.created_at IS 'When the file was stored.';
