CREATE TABLE search_lists (
    segment_id bigint,
    part       integer,
    directory  bytea NOT NULL,
    lists      bytea NOT NULL,
    PRIMARY KEY (segment_id, part)
);
-- Slices of lists are read: compressed, the whole would have to be unpacked for each. The directory is small, and read first.
ALTER TABLE search_lists ALTER COLUMN directory SET STORAGE PLAIN, ALTER COLUMN lists SET STORAGE EXTERNAL;

COMMENT ON TABLE search_lists IS 'For each bucket of trigrams the products of a segment that have one of them, 64 buckets a row, so that segments of any size can be made of others without having all of it in memory.';
COMMENT ON COLUMN search_lists.segment_id IS 'search_segments.id. No foreign key: lists are written before the segment that takes the place of others.';
COMMENT ON COLUMN search_lists.part IS 'Bucket / 64.';
COMMENT ON COLUMN search_lists.directory IS 'Where the list of each bucket ends in lists, 4 bytes each, big-endian; the first begins at 0.';
COMMENT ON COLUMN search_lists.lists IS 'For each bucket the positions in ids of the segment, from 1: differences as LEB128, or where that takes no less, a bit for each product, the lowest first.';

-- Indexes are made anew: until a worker has come round to it, every search reads all products.
CREATE TEMPORARY TABLE were ON COMMIT DROP AS SELECT coalesce(bool_and(keyed), true) AS keyed FROM search_segments;
DELETE FROM search_segments;
ALTER TABLE search_segments DROP COLUMN directory, DROP COLUMN lists, ADD COLUMN lists_bytes integer;
COMMENT ON COLUMN search_segments.ids IS 'The ids of the products, ascending: for each run of neighbours twice the number of ids left out before it, plus one if it is longer than one, and then its length less two; LEB128.';
COMMENT ON COLUMN search_segments.lists_bytes IS 'Bytes of its search_lists; null while the products are few and not indexed: they are then read.';

CREATE OR REPLACE FUNCTION pg_temp.pack(ids bigint[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    packed bytea := '';
    behind bigint := 0;
    rest bigint;
    id bigint;
BEGIN
    FOREACH id IN ARRAY ids LOOP
        rest := (id - behind) << 1;
        behind := id + 1;
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
