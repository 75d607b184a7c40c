DROP TABLE search_keys;
DROP TABLE search_segments;
DROP INDEX products_inactive;
ALTER TABLE products DROP COLUMN import_id;
ALTER TABLE products DROP COLUMN version;
