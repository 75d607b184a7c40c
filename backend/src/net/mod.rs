//! Requests to addresses that users or administrators enter: webhooks, and imports by URL.
//!
//! Such a request could be aimed at the network that the server itself is in (server-side request forgery, SSRF).
//! `allowlist` decides which URLs and addresses may be called, `resolver` looks up names and checks every address,
//! and `client` sends requests to checked addresses only. Nothing else in the program sends requests to such URLs.

mod allowlist;
mod client;
mod resolver;

pub use allowlist::parse_url;
pub use client::{Client, Limits, RequestTimings, USER_AGENT, read_error};
pub use resolver::{ErrorKind, RequestError};
