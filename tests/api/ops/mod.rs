//! Health, metrics, errors, limits, the database, the documents and the files of the page.

mod assets;
mod connections;
mod database;
mod docs;
mod errors;
mod health;
mod inputs;
mod openapi;
mod schema;
mod telemetry;
