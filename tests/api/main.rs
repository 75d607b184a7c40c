//! The HTTP API of one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod auth;
mod imports;
mod ops;
mod products;
mod uploads;
mod webhooks;
