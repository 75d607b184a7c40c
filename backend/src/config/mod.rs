//! Settings, read once, from the environment or from flags of the same name. Plain values: this module uses no other.

mod auth;
mod parse;
mod servers;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use ipnet::IpNet;
use url::Url;

pub use self::{
    auth::AuthConfig,
    servers::{BrokerConfig, DatabaseConfig},
};

use self::parse::{default_storage, network, storage_url};

/// Everything that can be set. A wrong value stops the program at start, with the name of the setting.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseConfig,

    #[command(flatten)]
    pub broker: BrokerConfig,

    /// Storage of uploaded files, shared by web and workers: `file:///absolute/folder`, `s3://bucket/prefix`, `memory:///`
    #[arg(long, env, default_value_t = default_storage(), value_parser = storage_url)]
    pub storage_url: Url,

    /// Maximum bytes of the files of one user in storage: unfinished uploads, and files of imports until they are
    /// removed (50 GiB); without accounts, everyone together is one user
    #[arg(long, env, default_value_t = 50 << 30)]
    pub storage_quota_per_user_bytes: u64,

    /// Maximum bytes of all files in storage (200 GiB)
    #[arg(long, env, default_value_t = 200 << 30)]
    pub storage_quota_bytes: u64,

    /// Free space that is left on the disk of `file://` storage, in bytes (1 GiB)
    #[arg(long, env, default_value_t = 1 << 30)]
    pub storage_min_free_bytes: u64,

    /// Minutes after which files and chunks are removed whose writer died, and files that no upload and no import owns
    #[arg(long, env, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub storage_grace_minutes: u32,

    /// Address and port that the web server listens on
    #[arg(long, env, default_value = "127.0.0.1:8000")]
    pub bind: SocketAddr,

    /// Port to listen on; takes precedence over the port in BIND
    #[arg(long, env)]
    pub port: Option<u16>,

    /// Address and port for metrics, in addition to the web server's /metrics; the only ones of a worker
    #[arg(long, env)]
    pub metrics_bind: Option<SocketAddr>,

    /// Milliseconds for which a web process that is asked to stop still accepts requests, while /readyz answers 503
    #[arg(long, env, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(..=2_000))]
    pub drain_ms: u16,

    /// Seconds that the head of a request may take
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub request_head_seconds: u16,

    /// Maximum connections of clients; 0 means as many as the limit on open files allows
    #[arg(long, env, default_value_t = 0)]
    pub max_connections: usize,

    /// Maximum connections of one client address; 0 means half of all. Addresses in `TRUSTED_PROXIES` have no limit of their own
    #[arg(long, env, default_value_t = 0)]
    pub max_connections_per_address: usize,

    /// Seconds that a connection may idle between requests; more than the proxies in front allow
    #[arg(long, env, default_value_t = 75, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub keep_alive_seconds: u16,

    /// Largest JSON body, in bytes; operations that need no account accept at most 8 KiB
    #[arg(long, env, default_value_t = 2 << 20)]
    pub max_json_bytes: usize,

    /// Folder with the built page
    #[arg(long, env, default_value = "dist")]
    pub static_dir: PathBuf,

    /// Largest file that may be uploaded, in bytes
    #[arg(long, env, default_value_t = 4 << 30)]
    pub max_upload_bytes: u64,

    /// Seconds without a byte after which a request that brings a file is ended, and that a body in JSON may take
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub upload_idle_seconds: u32,

    /// Hours after its last byte after which an unfinished upload is deleted
    #[arg(long, env, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub upload_expiry_hours: u32,

    /// Days after the end of an import for which its file is kept; ended bulk jobs are kept as long
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub file_retention_days: u16,

    /// Days after the end of an import for which its rejected rows and its log are kept
    #[arg(long, env, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub import_details_retention_days: u16,

    /// Days after its end for which an import is kept in the history
    #[arg(long, env, default_value_t = 730, value_parser = clap::value_parser!(u16).range(1..=36_500))]
    pub import_retention_days: u16,

    /// Connections that write one import at the same time, 1 to 16
    #[arg(long, env, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub import_writers: u16,

    /// Rows per transaction of an import
    #[arg(long, env, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub import_batch_rows: u32,

    /// Seconds that one transaction of an import may take; after it, the import is interrupted and retried
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub import_batch_timeout_seconds: u32,

    /// Seconds after which a worker releases an import or a bulk job, so that others get their turn
    #[arg(long, env, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub import_slice_seconds: u32,

    /// Seconds without progress after which another worker may claim an import or a bulk job
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..))]
    pub import_lease_seconds: u32,

    /// Imports and bulk jobs that one process works on at the same time
    #[arg(long, env, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub import_concurrency: u16,

    /// Private networks that files may be fetched from, separated by commas, such as 10.1.0.0/16
    #[arg(long, env, value_delimiter = ',', value_parser = network)]
    pub import_url_allow_cidrs: Vec<IpNet>,

    /// Seconds without data from the server of a file after which a fetch is interrupted
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub import_url_idle_seconds: u16,

    /// Maximum duration of a fetch in seconds; less than the 30 minutes after which RabbitMQ closes the channel of a worker
    #[arg(long, env, default_value_t = 900, value_parser = clap::value_parser!(u16).range(1..=1_500))]
    pub import_url_deadline_seconds: u16,

    /// Maximum queued or running imports; further ones get status 429
    #[arg(long, env, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_open_imports: u16,

    /// Time limit of each statement of a search, in seconds
    #[arg(long, env, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub search_timeout_seconds: u16,

    /// Products that one transaction of a bulk change writes
    #[arg(long, env, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub bulk_batch_rows: u32,

    /// Requests to webhooks that one process makes at the same time
    #[arg(long, env, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub webhook_concurrency: u16,

    /// Requests to the same webhook at the same time, so that one that does not answer does not hold up the others
    #[arg(long, env, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub webhook_endpoint_concurrency: u16,

    /// Deadline of a request to a webhook, in milliseconds: DNS, connection, TLS, head and body of the response
    #[arg(long, env, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub webhook_deadline_ms: u32,

    /// Days for which webhook messages and their log are kept
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u16).range(7..=3_650))]
    pub webhook_retention_days: u16,

    /// Networks that webhooks may call although they are not public, separated by commas, such as 10.1.0.0/16
    #[arg(long, env, value_delimiter = ',', value_parser = network)]
    pub webhook_allow_cidrs: Vec<IpNet>,

    /// Name server for webhooks and imports by URL, as address:port; default: those of the system
    #[arg(long, env)]
    pub outbound_dns: Option<SocketAddr>,

    #[command(flatten)]
    pub auth: AuthConfig,
}

impl Config {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        let mut address = self.bind;
        if let Some(port) = self.port {
            address.set_port(port);
        }
        address
    }

    pub fn request_head(&self) -> Duration {
        Duration::from_secs(self.request_head_seconds.into())
    }

    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds.into())
    }

    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms.into())
    }

    /// Longer than a writer that is alive may be idle, which is all the time that it does not renew its lease.
    pub fn storage_grace(&self) -> Duration {
        let idle = self.upload_idle_seconds.max(self.import_url_idle_seconds.into());
        Duration::from_secs(u64::from(self.storage_grace_minutes) * 60).max(Duration::from_secs(u64::from(idle) * 2))
    }

    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.import_lease_seconds.into())
    }

    pub fn import_batch_timeout(&self) -> Duration {
        Duration::from_secs(self.import_batch_timeout_seconds.into())
    }

    pub fn upload_idle(&self) -> Duration {
        Duration::from_secs(self.upload_idle_seconds.into())
    }

    pub fn webhook_deadline(&self) -> Duration {
        Duration::from_millis(self.webhook_deadline_ms.into())
    }

    pub fn slice(&self) -> Duration {
        Duration::from_secs(self.import_slice_seconds.into())
    }
}
