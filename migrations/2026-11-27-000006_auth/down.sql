DROP TABLE audit_log;
DROP TABLE setup_links;
DROP TABLE sign_in_failures;
DROP TABLE api_keys;
DROP TABLE sessions;
DROP TABLE users;
