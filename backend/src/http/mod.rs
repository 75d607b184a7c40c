//! What all handlers have in common: the server, its routes, errors, bodies, security headers, and the API's document.
//!
//! A handler is registered by [`routes::Routes`] and by nothing else; it cannot be without a rule that says who may call it.

pub mod assets;
pub mod body;
pub mod error;
pub mod health;
pub mod json;
pub mod openapi;
pub mod routes;
pub mod security_headers;
pub mod server;

pub use error::{ApiError, ApiResult};
pub use json::Json;
