DROP TABLE upload_blocks;
DROP TABLE uploads;
