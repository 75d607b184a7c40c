//! Health, metrics, errors, limits, the database, the document and the files of the page.

mod assets;
mod connections;
mod database;
mod errors;
mod health;
mod inputs;
mod openapi;
mod schema;
mod telemetry;
