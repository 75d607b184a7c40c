DROP INDEX imports_file;
DROP TABLE upload_chunks;
DROP TABLE uploads;
DROP TABLE stored_files;
