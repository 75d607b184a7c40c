//! PostgreSQL: connections, the schema, and what several domains need of it.
//!
//! Every connection limits how long its statements and idle transactions may take, see [`connector`].

mod abort;
mod advisory_lock;
pub mod connector;
mod enums;
mod errors;
mod migrate;
mod pool;
mod prepared;
mod tls;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

pub use self::{
    abort::abort_on_drop,
    advisory_lock::with_advisory_lock,
    connector::Connector,
    enums::parse_enum,
    errors::{is_invalid_value, is_unavailable, optional},
    migrate::{migrate, missing_migrations},
    pool::{GetConnectionError, Pool, PooledConnection},
    prepared::prepared,
};

/// Opens a connection for a command that ends soon.
///
/// # Errors
/// When the settings are not valid, or the server cannot be reached.
pub async fn connect(config: &crate::config::DatabaseConfig) -> anyhow::Result<AsyncPgConnection> {
    use anyhow::Context;
    Connector::new(config)?.connect().await.context("cannot connect to DATABASE_URL")
}

/// Checks that the server answers.
///
/// # Errors
/// When it does not.
pub async fn ping(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    Ok(conn.batch_execute("SELECT 1").await?)
}
