//! What the tests stand on: real processes, a real PostgreSQL with one database per test, a real RabbitMQ.
//!
//! `scripts/test` starts the servers and says where they are. Nothing here waits for a fixed time: tests wait for what
//! the product tells, its stream of events above all, and give up after [`PATIENCE`].
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
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Where `scripts/test` started the servers.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by scripts/test"))
}

/// Asks until the answer is `Some`, which has to be within [`PATIENCE`].
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
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}
