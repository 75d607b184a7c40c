DROP TABLE search_zones;
DROP TABLE search_keys;
DROP TABLE search_lists;
DROP TABLE search_segments;
