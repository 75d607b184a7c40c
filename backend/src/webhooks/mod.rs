//! Webhooks: signed messages to other systems when a person or the API changes a product, or when an import ends.
//!
//! A delivery is a row, written by `outbox` in the transaction of the change that it reports. The `dispatcher` of a worker
//! claims what is due from the `queue`, sends it as a `request`, and records the result. `message` builds the bodies,
//! `signature` signs them, and `schedule` says when to retry: these three are pure. `maintenance` disables failing webhooks
//! and deletes old messages. `routes`, `deliveries`, `stream` and `test_delivery` are the HTTP side, on `queries`, `health`
//! and `log`.

mod deliveries;
mod dispatcher;
mod health;
mod log;
mod maintenance;
pub mod message;
mod openapi;
mod outbox;
mod queries;
mod queue;
mod request;
mod routes;
mod schedule;
mod signature;
mod stream;
mod test_delivery;

pub use dispatcher::{Dispatcher, run_dispatcher};
pub use maintenance::{due, run_maintenance};
pub use openapi::describe;
pub use outbox::fan_out;
pub use queries::{due_count, has_subscriber};
pub use routes::configure;
