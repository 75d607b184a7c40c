DROP TABLE import_errors;
DROP TABLE import_events;
DROP TABLE import_partitions;
DROP TABLE imports;
