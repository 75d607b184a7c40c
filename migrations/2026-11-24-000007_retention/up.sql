-- A column without a default: the table is not rewritten, and is locked for a moment only.
ALTER TABLE imports ADD COLUMN file_removed_at timestamptz;
COMMENT ON COLUMN imports.file_removed_at IS 'When the file was removed from storage, FILE_RETENTION_DAYS after the end of the import.';

-- Only what is still to be removed: the sweep looks every few seconds.
CREATE INDEX imports_with_file ON imports (id) WHERE file_removed_at IS NULL AND finished_at IS NOT NULL;
