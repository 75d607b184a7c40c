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

pub use caller::{Caller, Visit};
pub use command::{KeyCommand, PasswordCommand, create_key, set_password};
pub use describe::describe;
pub use guard::{guard, routed_path};
pub use origin::Origin;
pub use rules::Rule;
pub use start::{invite, prepare, tend};
pub use stream::watched;

use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    auth::{limits::Limits, passwords::Passwords},
    config::AccessConfig,
    http::ApiResult,
};
use shared::auth::Permission::Admin;

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

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(session::get_session), Rule::SIGNED_IN)
        .add(operation!(session::sign_in), Rule::PUBLIC)
        .add(operation!(session::sign_out), Rule::SIGNED_IN.audited("session.sign_out"))
        .add(operation!(session::change_password), Rule::SIGNED_IN.audited("person.change_password"))
        .add(operation!(session::list_sessions), Rule::SIGNED_IN)
        .add(operation!(session::end_sessions), Rule::SIGNED_IN.audited("session.end_all"))
        .add(operation!(session::end_session), Rule::SIGNED_IN.audited("session.end"))
        .add(operation!(session::set_up), Rule::PUBLIC)
        .add(operation!(people::list_people), Rule::requires(Admin))
        .add(operation!(people::create_person), Rule::requires(Admin).audited("person.create"))
        .add(operation!(people::update_person), Rule::requires(Admin).audited("person.update"))
        .add(operation!(people::delete_person), Rule::requires(Admin).audited("person.delete"))
        .add(operation!(people::sign_out_person), Rule::requires(Admin).audited("person.sign_out"))
        .add(operation!(people::list_keys), Rule::requires(Admin))
        .add(operation!(people::create_key), Rule::requires(Admin).audited("key.create"))
        .add(operation!(people::revoke_key), Rule::requires(Admin).audited("key.revoke"))
        .add(operation!(audit::list_audit), Rule::requires(Admin))
        .add(operation!(audit::audit_csv), Rule::requires(Admin));
}
