DROP TABLE bulk_jobs;
DROP TABLE deleted_products;
DROP TABLE products;
