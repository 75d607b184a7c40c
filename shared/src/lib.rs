//! What the server and the browser share: the types that travel over HTTP, and the rules for them.
//!
//! A rule is in this crate when both sides apply it: the form and the API check a product with the same function, and the
//! page refuses a file without a SKU column before it sends a byte, with the error that the server would return.

pub mod auth;
pub mod bulk;
pub mod csv;
pub mod event;
pub mod formula;
pub mod health;
pub mod import;
pub mod job;
pub mod problem;
pub mod product;
pub mod search;
pub mod text;
pub mod webhook;
