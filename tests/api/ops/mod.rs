//! Health, metrics, errors, the document and the files of the page.

mod assets;
mod errors;
mod health;
mod openapi;
mod telemetry;
