CREATE TEMPORARY TABLE were ON COMMIT DROP AS SELECT coalesce(bool_and(keyed), true) AS keyed FROM search_segments;
DELETE FROM search_segments;
DROP TABLE search_lists;
ALTER TABLE search_segments DROP COLUMN lists_bytes, ADD COLUMN directory bytea, ADD COLUMN lists bytea;
ALTER TABLE search_segments ALTER COLUMN directory SET STORAGE EXTERNAL, ALTER COLUMN lists SET STORAGE EXTERNAL;
COMMENT ON COLUMN search_segments.ids IS 'The ids of the products, ascending: differences as LEB128.';
COMMENT ON COLUMN search_segments.directory IS 'Where the list of each bucket of trigrams ends in lists, 4 bytes each, big-endian; null while the products are few and not indexed: they are then read.';
COMMENT ON COLUMN search_segments.lists IS 'For each bucket of trigrams the positions in ids of the products that have one of them: differences as LEB128.';

CREATE OR REPLACE FUNCTION pg_temp.pack(ids bigint[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    packed bytea := '';
    last bigint := 0;
    rest bigint;
    id bigint;
BEGIN
    FOREACH id IN ARRAY ids LOOP
        rest := id - last;
        last := id;
        WHILE rest > 127 LOOP
            packed := packed || set_byte('\x00', 0, (rest & 127 | 128)::integer);
            rest := rest >> 7;
        END LOOP;
        packed := packed || set_byte('\x00', 0, rest::integer);
    END LOOP;
    RETURN packed;
END $$;
INSERT INTO search_segments (ids, rows, has_text, keyed, at)
SELECT pg_temp.pack(array_agg(id ORDER BY id)), count(*), true, (SELECT keyed FROM were), '-infinity'
FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM products) AS numbered
GROUP BY part;
