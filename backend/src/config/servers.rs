//! PostgreSQL and RabbitMQ.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::parse::broker_url;

/// PostgreSQL; all that `migrate` needs.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_field_names, reason = "the names of the settings")]
pub struct DatabaseConfig {
    /// PostgreSQL, as postgres://user:password@host:port/database; ?sslmode= disable, prefer, require or verify-full
    #[arg(long, env, hide_env_values = true)]
    pub database_url: String,

    /// File with certificates in PEM that are trusted for sslmode=verify-full in addition to those of the system
    #[arg(long, env)]
    pub database_ca_file: Option<PathBuf>,

    /// Maximum connections of this process to PostgreSQL; at most half of them run searches, lists and exports
    #[arg(long, env, default_value_t = 16)]
    pub database_connections: usize,
}

/// RabbitMQ.
#[derive(Debug, Clone, Args)]
pub struct BrokerConfig {
    /// RabbitMQ, as amqp://user:password@host:port/vhost or amqps://...; without it, tasks run in this process
    #[arg(long, env, hide_env_values = true, value_parser = broker_url)]
    pub broker_url: Option<Url>,

    /// Heroku's name for `BROKER_URL`, which takes precedence
    #[arg(long, env, hide_env_values = true, value_parser = broker_url)]
    pub cloudamqp_url: Option<Url>,

    /// File with certificates in PEM that are trusted for amqps:// in addition to those of the system
    #[arg(long, env)]
    pub broker_ca_file: Option<PathBuf>,

    /// Name of the queue on the broker; the processes of one installation share it
    #[arg(long, env, default_value = "loadify")]
    pub broker_queue: String,
}

impl BrokerConfig {
    /// Returns the URL of the broker, if there is one.
    pub fn url(&self) -> Option<&Url> {
        self.broker_url.as_ref().or(self.cloudamqp_url.as_ref())
    }
}
