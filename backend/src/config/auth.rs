//! Authentication.

use std::{num::NonZeroU32, path::PathBuf};

use anyhow::Context;
use clap::Args;
use ipnet::IpNet;
use url::Url;

use super::parse::{network, public_url};

/// Authentication, and limits per principal.
#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// Name of the first user, an admin, which is created if there is no user
    #[arg(long, env, default_value = "admin")]
    pub admin_name: String,

    /// Password of the first user, at least 12 characters; ignored once there is a user
    #[arg(long, env, hide_env_values = true)]
    pub admin_password: Option<String>,

    /// File whose first line is the password of the first user
    #[arg(long, env, conflicts_with = "admin_password")]
    pub admin_password_file: Option<PathBuf>,

    /// URL of the page, such as <https://loadify.example.com>: says whether there is TLS, and which origin requests must have
    #[arg(long, env, value_parser = public_url)]
    pub public_url: Option<Url>,

    /// Networks of the proxies in front, separated by commas: X-Forwarded-For and X-Forwarded-Proto of other peers are ignored
    #[arg(long, env, value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Minutes without a request after which a session ends
    #[arg(long, env, default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    pub session_idle_minutes: u32,

    /// Maximum duration of a session in hours
    #[arg(long, env, default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub session_hours: u32,

    /// Maximum open sessions of a user; a further sign-in ends the least recently used one
    #[arg(long, env, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub max_sessions_per_user: u16,

    /// Failed sign-ins per account before exponential back-off starts
    #[arg(long, env, default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub sign_in_account_tries: i32,

    /// Maximum back-off per account in seconds. An attacker can delay the owner's sign-in from a new address for this long
    #[arg(long, env, default_value_t = 60, value_parser = clap::value_parser!(i32).range(1..=86_400))]
    pub sign_in_account_pause_seconds: i32,

    /// Failed sign-ins per client address, for all accounts, before exponential back-off starts
    #[arg(long, env, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub sign_in_address_tries: i32,

    /// Maximum back-off per client address in seconds
    #[arg(long, env, default_value_t = 900, value_parser = clap::value_parser!(i32).range(1..=86_400))]
    pub sign_in_address_pause_seconds: i32,

    /// Maximum requests per minute of a user, a key, or an anonymous client network, in each process
    #[arg(long, env, default_value = "3000")]
    pub rate_limit_per_minute: NonZeroU32,

    /// Maximum open event streams of a user with all sessions and keys, or of an anonymous client network, in each process
    #[arg(long, env, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_streams: u32,

    /// Days for which entries of the audit log are kept
    #[arg(long, env, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=36_500))]
    pub audit_retention_days: u16,
}

impl AuthConfig {
    pub fn session_idle(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::minutes(self.session_idle_minutes.into())
    }

    /// Returns the password of the first user, if one is set.
    ///
    /// # Errors
    /// If `ADMIN_PASSWORD_FILE` cannot be read.
    pub fn admin_password(&self) -> anyhow::Result<Option<String>> {
        if let Some(path) = &self.admin_password_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("ADMIN_PASSWORD_FILE: cannot read {}", path.display()))?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
        }
        Ok(self.admin_password.clone())
    }
}
