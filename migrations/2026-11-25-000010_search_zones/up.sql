CREATE TABLE search_zones (
    zone         bigint PRIMARY KEY,
    created_from timestamptz NOT NULL,
    created_to   timestamptz NOT NULL,
    updated_from timestamptz NOT NULL,
    updated_to   timestamptz NOT NULL,
    import_from  bigint,
    import_to    bigint
);

COMMENT ON TABLE search_zones IS 'Bounds of what search_keys says of the products of a zone, so that a list by id leaps over zones in which none is meant. May be wider than what is there, never narrower.';
COMMENT ON COLUMN search_zones.zone IS 'search_keys.product_id / 4096.';
COMMENT ON COLUMN search_zones.created_from IS 'None was created before.';
COMMENT ON COLUMN search_zones.created_to IS 'None was created after.';
COMMENT ON COLUMN search_zones.updated_from IS 'None was updated before.';
COMMENT ON COLUMN search_zones.updated_to IS 'None was updated after.';
COMMENT ON COLUMN search_zones.import_from IS 'The least import of which there is one; null: of none.';
COMMENT ON COLUMN search_zones.import_to IS 'The greatest.';

INSERT INTO search_zones
SELECT product_id / 4096, min(created_at), max(created_at), min(updated_at), max(updated_at), min(import_id), max(import_id)
FROM search_keys GROUP BY 1;
