//! Who may come in, and what they may do.
//!
//! Two ways to run, no third. Bound to loopback with no account, Loadify is open to this machine. In every other case
//! somebody must be signed in, or send a key, for everything but health, the files of the page and the sign-in itself;
//! and bound to anything but loopback it does not start without an account (`start`).
//!
//! Each request passes one gate, `guard`: `origin` says where it comes from, `sessions` and `keys` whose it is,
//! `rules` what the operation needs, `limits` whether there were too many, `audit` writes it down. `headers` tells browsers
//! what not to do with the answers. `passwords` and `secrets` keep what opens the gate. `session` and `people` are the HTTP
//! side, `stream` ends the streams of who has lost access, `command` is for the shell, `describe` for the
//! API's document.

mod audit;
mod caller;
mod command;
mod describe;
mod guard;
mod headers;
mod keys;
mod limits;
mod origin;
mod passwords;
mod people;
mod queries;
mod rules;
mod secrets;
mod session;
mod sessions;
mod start;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};

use utoipa_actix_web::service_config::ServiceConfig;

pub use caller::Caller;
pub use command::{KeyCommand, PasswordCommand, create_key, set_password};
pub use describe::describe;
pub use guard::{guard, routed_path};
pub use headers::{policy_of_page, protect};
pub use start::{invite, prepare, tend};
pub use stream::watched;

use crate::{
    access::{limits::Limits, passwords::Passwords},
    app::App,
    config::AccessConfig,
    error::ApiResult,
};

/// What a process keeps for the gate.
pub struct Access {
    /// Accounts exist; the last admin cannot go, so this never ends.
    closed: AtomicBool,
    pub passwords: Passwords,
    pub limits: Limits,
}

impl Access {
    pub fn new(config: &AccessConfig) -> anyhow::Result<Self> {
        Ok(Self {
            closed: AtomicBool::new(false),
            passwords: Passwords::new()?,
            limits: Limits::new(config.rate_limit_per_minute, config.max_streams),
        })
    }

    /// Whether one must sign in.
    pub async fn is_closed(&self, app: &App) -> ApiResult<bool> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let closed = queries::has_people(&mut *app.db().await?).await?;
        self.closed.store(closed, Ordering::Relaxed);
        Ok(closed)
    }
}

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(session::get_session)
        .service(session::sign_in)
        .service(session::sign_out)
        .service(session::change_password)
        .service(session::list_sessions)
        .service(session::end_sessions)
        .service(session::end_session)
        .service(session::set_up)
        .service(people::list_people)
        .service(people::create_person)
        .service(people::update_person)
        .service(people::delete_person)
        .service(people::sign_out_person)
        .service(people::list_keys)
        .service(people::create_key)
        .service(people::revoke_key)
        .service(audit::list_audit)
        .service(audit::audit_csv);
}
