//! The catalogue.

mod queries;
mod routes;

pub use routes::configure;
