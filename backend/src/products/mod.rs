//! The catalogue.

mod cursor;
mod list;
mod routes;
mod row;
mod search;

pub use routes::configure;
