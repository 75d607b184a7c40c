DROP TABLE deleted_products;
DROP TABLE bulk_jobs;
