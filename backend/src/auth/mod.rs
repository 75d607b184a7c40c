//! Authentication and authorization: users, sessions, API keys, permissions, and the audit log.
//!
//! Loadify runs in one of two modes. In open mode, bound to loopback without a user account, it trusts every program on
//! this machine. In closed mode a request needs a session or a key for everything except health, the files of the page and
//! signing in. Bound to anything but loopback it does not start without a user account ([`startup`]).
//!
//! Every request passes [`middleware::authorize`]: [`client`] says where it comes from, [`sessions`] and [`keys`] identify
//! the principal, [`rules`] says what the operation requires, [`limits`] counts, [`cross_site`] refuses requests that
//! another site sent, and [`audit`] records it. `passwords` and `secrets` hold what is verified, `routes` is the HTTP API,
//! `streams` ends event streams whose principal lost access, `cli` is for the shell, `describe` adds the security schemes to
//! the API's document.

mod audit;
mod cli;
mod client;
mod cross_site;
mod describe;
mod keys;
mod limits;
mod middleware;
mod passwords;
mod principal;
mod routes;
mod rules;
mod secrets;
mod sessions;
mod setup;
mod startup;
mod streams;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};

pub use cli::{KeyCommand, PasswordCommand, create_key, set_password};
pub use client::Client;
pub use describe::describe;
pub use middleware::{authorize, routed_path};
pub use principal::RequestContext;
pub use routes::configure;
pub use rules::Rule;
pub use startup::{maintain, prepare, print_setup_link};
pub use streams::until_access_ends;

use crate::{
    app::App,
    auth::{limits::Limits, passwords::Passwords},
    config::AuthConfig,
    http::ApiResult,
};

/// What a process keeps in memory to authorize requests.
pub struct Auth {
    /// A user account exists. Since the last admin cannot be deleted, this never becomes false again.
    closed: AtomicBool,
    pub passwords: Passwords,
    pub limits: Limits,
}

impl Auth {
    pub fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        Ok(Self {
            closed: AtomicBool::new(false),
            passwords: Passwords::new()?,
            limits: Limits::new(config.rate_limit_per_minute, config.max_streams),
        })
    }

    /// Whether requests must be authenticated.
    pub async fn is_closed(&self, app: &App) -> ApiResult<bool> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let closed = users::exist(&mut *app.db().await?).await?;
        self.closed.store(closed, Ordering::Relaxed);
        Ok(closed)
    }
}
