//! The API of one process, from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod assets;
mod errors;
mod files;
mod imports;
mod live;
mod openapi;
mod products;
mod search;
