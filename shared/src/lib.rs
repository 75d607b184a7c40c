//! The words that the server and the browser both speak: what travels over HTTP, and the rules for it.
//!
//! A rule lives here when both sides apply it: the form and the API check a product with the same function, and the
//! page refuses a file without a SKU column before it sends a byte, for the reason that the server would give.

pub mod auth;
pub mod bulk;
pub mod detect;
pub mod event;
pub mod formula;
pub mod health;
pub mod import;
pub mod job;
pub mod problem;
pub mod product;
pub mod search;
pub mod webhook;
