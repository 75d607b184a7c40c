DROP TABLE search_zones;
