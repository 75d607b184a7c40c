DROP INDEX imports_with_file;
ALTER TABLE imports DROP COLUMN file_removed_at;
