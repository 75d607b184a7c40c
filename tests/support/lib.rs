//! Test infrastructure: real processes, a real PostgreSQL with one database per test, a real RabbitMQ.
//!
//! `scripts/test` starts the servers and sets their addresses. Nothing here sleeps for a fixed time: tests wait for what
//! the product reports, mostly in its event streams, and fail after [`WAIT_TIMEOUT`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

pub mod app;
pub mod auth;
pub mod csv;
pub mod database;
pub mod dns;
pub mod faults;
pub mod nginx;
pub mod oracle;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod receiver;
pub mod sse;
pub mod tus;
pub mod webhooks;

use std::{future::Future, time::Duration};

pub use app::TestApp;

/// How long a test waits for something that must happen.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns an address that `scripts/test` has set in the environment.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with scripts/test"))
}

/// Calls `ask` until it returns `Some`. Fails after [`WAIT_TIMEOUT`].
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, asking).await.unwrap_or_else(|_| panic!("timed out waiting for: {what}"))
}
