//! Webhooks: other systems are told when a person changes a product, or when an import ends.
//!
//! A delivery is a row, written by `outbox` in the transaction of what it tells of. `courier` is the task: it claims what
//! is due, sends it in `lanes` by `exchange` over `connect`, and records what became of it. `target` says which addresses may be
//! called, `signature` signs, `schedule` says when to try again, `message` what is said: these four are pure. `routes`,
//! `deliveries` and `live` are the HTTP side, on `queries`, `health` and `log`.

mod connect;
mod courier;
mod deliveries;
mod describe;
mod exchange;
mod health;
mod lanes;
mod live;
mod log;
pub mod message;
mod outbox;
mod queries;
mod routes;
mod schedule;
mod signature;
mod target;
mod tend;
mod trial;

pub use connect::{Connector, Failure};
pub use courier::{Courier, deliver};
pub use describe::describe;
pub use outbox::fan_out;
pub use queries::are_told_of;
pub use routes::configure;
pub use target::parse as parse_url;
pub use tend::{due, tend};
