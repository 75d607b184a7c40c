//! What all handlers share: the server, routes, errors, bodies, query parameters, downloads, streams of events, security
//! headers, and the API's document.
//!
//! A handler is registered by [`routes::Routes`] and by nothing else, together with the rule that says who may call it.

pub mod assets;
pub mod body;
mod connections;
pub mod csv;
pub mod error;
pub mod health;
pub mod json;
pub mod openapi;
mod query;
pub mod routes;
pub mod security_headers;
pub mod server;
pub mod sse;

pub use error::{ApiError, ApiResult};
pub use json::Json;
