DROP TABLE bulk_job_changes;
DROP TABLE bulk_jobs;
DROP TABLE deleted_products;
DROP TABLE products;
