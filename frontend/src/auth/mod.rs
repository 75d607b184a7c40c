//! Authentication and authorization: sign-in, users, API keys and the audit log.

mod account;
mod audit_page;
mod audit_query;
mod key_dialogs;
mod keys_page;
mod labels;
mod layout;
mod open_mode_banner;
mod password;
mod reauth_dialog;
mod redirect;
mod requests;
mod require;
mod sessions;
mod setup;
mod sign_in;
mod state;
mod user_agent;
mod user_dialogs;
mod users_page;

pub use account::{AccountMenu, ManageMenu};
pub use audit_page::AuditPage;
pub use keys_page::KeysPage;
pub use open_mode_banner::OpenModeBanner;
pub use reauth_dialog::ReauthDialog;
pub use require::{RequireAuth, RequirePermission};
pub use sign_in::SignInRedirect;
pub use state::{Auth, ensure_signed_in, is_leaving, reauthenticate, refresh_permissions, sign_in_count};
pub use users_page::UsersPage;
