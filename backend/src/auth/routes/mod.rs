//! The HTTP API of users, sessions and keys.

mod keys;
mod sessions;
mod setup;
mod users;

use shared::auth::Permission::Admin;

use crate::{
    auth::{Rule, audit},
    http::routes::Routes,
    operation,
};

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(sessions::get_session), Rule::SIGNED_IN.without_activity())
        .add(operation!(sessions::sign_in), Rule::PUBLIC)
        .add(operation!(sessions::sign_out), Rule::SIGNED_IN.audited("session.sign_out"))
        .add(operation!(sessions::change_password), Rule::SIGNED_IN.audited("user.change_password"))
        .add(operation!(sessions::list_sessions), Rule::SIGNED_IN)
        .add(operation!(sessions::end_sessions), Rule::SIGNED_IN.audited("session.end_all"))
        .add(operation!(sessions::end_session), Rule::SIGNED_IN.audited("session.end"))
        .add(operation!(setup::set_up), Rule::PUBLIC)
        .add(operation!(users::list_users), Rule::requires(Admin))
        .add(operation!(users::create_user), Rule::requires(Admin).audited("user.create"))
        .add(operation!(users::update_user), Rule::requires(Admin).audited("user.update"))
        .add(operation!(users::delete_user), Rule::requires(Admin).audited("user.delete"))
        .add(operation!(users::sign_out_user), Rule::requires(Admin).audited("user.sign_out"))
        .add(operation!(keys::list_keys), Rule::requires(Admin))
        .add(operation!(keys::create_key), Rule::requires(Admin).audited("key.create"))
        .add(operation!(keys::revoke_key), Rule::requires(Admin).audited("key.revoke"))
        .add(operation!(audit::list_audit), Rule::requires(Admin))
        .add(operation!(audit::audit_csv), Rule::requires(Admin));
}
