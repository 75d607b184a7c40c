DROP FUNCTION search_fold;
DROP TABLE search_keys;
DROP TABLE search_postings;
DROP TABLE search_segments;
