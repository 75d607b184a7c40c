//! Authentication and authorization: users, sessions, API keys, permissions, the audit log.
//!
//! | operation, under `/api/v1` | request | response |
//! |---|---|---|
//! | `GET /session` | | [`SessionInfo`]; 401 `unauthenticated` if not signed in, in closed mode |
//! | `POST /session` | [`SignIn`] | [`SessionInfo`] and the cookie; 401, or 429 with `Retry-After` |
//! | `DELETE /session` | | 204; the cookie is gone |
//! | `POST /session/password` | [`PasswordChange`] | 204; all other sessions of this user end |
//! | `POST /setup` | [`Setup`] | 201 [`SessionInfo`] and the cookie: the first user, an admin |
//! | `GET /sessions` | | [`SessionList`] of the current user |
//! | `DELETE /sessions` | | 204; ends all sessions of the current user |
//! | `DELETE /sessions/{id}` | | 204 |
//! | `GET /users` | | [`UserList`] |
//! | `POST /users` | [`UserInput`] | 201 [`User`] |
//! | `PATCH /users/{id}` | [`UserChange`] | [`User`]; 409 if no admin would be left |
//! | `DELETE /users/{id}` | | 204; 409 for the last admin |
//! | `DELETE /users/{id}/sessions` | | 204; ends all sessions of the user |
//! | `GET /keys` | | [`KeyList`] |
//! | `POST /keys` | [`KeyInput`] | 201 [`NewKey`], the only response with the key itself |
//! | `DELETE /keys/{id}` | | 204; revoked |
//! | `GET /audit` | query `actor`, `action`, `since`, `until`, `before`, `limit` (1 to 200, 50) | [`AuditPage`], newest first |
//! | `GET /audit.csv` | the same, without `before` and `limit` | all matching entries |

mod names;
mod passwords;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use names::{MAX_NAME_CHARS, check_name, check_user_name, is_invisible, name_key};
pub use passwords::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, check_password};

use crate::problem::FieldError;

/// Longest lifetime of a key, in days.
pub const MAX_KEY_LIFETIME_DAYS: u32 = 3_650;

/// A permission. Most operations require one; the page offers what the permissions in [`SessionInfo`] allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Permission {
    /// See and export products.
    #[serde(rename = "products:read")]
    ReadProducts,
    /// Add, change and delete products.
    #[serde(rename = "products:write")]
    WriteProducts,
    /// See imports.
    #[serde(rename = "imports:read")]
    ReadImports,
    /// Start and cancel imports.
    #[serde(rename = "imports:write")]
    WriteImports,
    /// See and manage webhooks.
    #[serde(rename = "webhooks")]
    Webhooks,
    /// Manage users and keys, read the audit log, delete all products.
    #[serde(rename = "admin")]
    Admin,
    /// A permission that this program does not know.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Permission {
    pub const ALL: [Self; 6] =
        [Self::ReadProducts, Self::WriteProducts, Self::ReadImports, Self::WriteImports, Self::Webhooks, Self::Admin];
}

/// The role of a user, which determines their permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and exports products, sees imports.
    Viewer,
    /// Also changes products and imports files.
    Editor,
    /// Has all permissions.
    Admin,
    /// A role that this program does not know. It has no permissions.
    #[serde(other)]
    Unknown,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the role with this name.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|role| role.as_str() == name).unwrap_or(Self::Unknown)
    }

    pub const fn can(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadProducts | Permission::ReadImports => !matches!(self, Self::Unknown),
            Permission::WriteProducts | Permission::WriteImports => matches!(self, Self::Editor | Self::Admin),
            Permission::Webhooks | Permission::Admin => matches!(self, Self::Admin),
            Permission::Unknown => false,
        }
    }
}

/// A scope of a key, which determines its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// See and export products.
    #[serde(rename = "products:read")]
    ProductsRead,
    /// Also add, change and delete products.
    #[serde(rename = "products:write")]
    ProductsWrite,
    /// See, start and cancel imports.
    #[serde(rename = "imports")]
    Imports,
    /// See and manage webhooks.
    #[serde(rename = "webhooks")]
    Webhooks,
    /// Manage users and keys, read the audit log, delete all products.
    #[serde(rename = "admin")]
    Admin,
    /// A scope that this program does not know. It grants no permissions.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::ProductsRead, Self::ProductsWrite, Self::Imports, Self::Webhooks, Self::Admin];

    /// The name in JSON, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProductsRead => "products:read",
            Self::ProductsWrite => "products:write",
            Self::Imports => "imports",
            Self::Webhooks => "webhooks",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the scope with this name.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).unwrap_or(Self::Unknown)
    }

    pub const fn grants(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadProducts => matches!(self, Self::ProductsRead | Self::ProductsWrite),
            Permission::WriteProducts => matches!(self, Self::ProductsWrite),
            Permission::ReadImports | Permission::WriteImports => matches!(self, Self::Imports),
            Permission::Webhooks => matches!(self, Self::Webhooks),
            Permission::Admin => matches!(self, Self::Admin),
            Permission::Unknown => false,
        }
    }
}

/// Whether requests must be authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// There is no user, and only this machine can reach the server: every request has all permissions.
    Open,
    /// A session or a key is needed.
    #[serde(other)]
    Closed,
}

/// The current user and their permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    pub mode: AuthMode,
    /// Absent in open mode, and for a key.
    pub user: Option<SessionUser>,
    pub permissions: Vec<Permission>,
    /// When the session ends if no further request comes.
    pub idle_until: Option<DateTime<Utc>>,
    /// When the session ends at the latest.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The user of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionUser {
    pub id: i64,
    pub name: String,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Not case-sensitive.
    pub name: String,
    pub password: String,
}

/// Creates the first user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// From the link that the server prints at start, `/setup#TOKEN`; can be used once.
    pub token: String,
    pub name: String,
    pub password: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    pub current: String,
    pub new: String,
}

/// A session of the current user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    pub id: i64,
    /// The session of this request.
    pub current: bool,
    /// IP address from which the user signed in.
    pub address: String,
    /// `User-Agent` of the browser.
    pub user_agent: String,
    pub created_at: DateTime<Utc>,
    /// To the minute.
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    pub items: Vec<Session>,
}

/// A user account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// Can sign in.
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    /// Time of the last sign-in.
    pub signed_in_at: Option<DateTime<Utc>>,
    /// Number of open sessions.
    pub sessions: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserList {
    pub items: Vec<User>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserInput {
    /// 1 to 64 characters; unique regardless of case.
    pub name: String,
    pub role: Role,
    pub password: String,
}

impl UserInput {
    /// Returns the errors of all fields.
    pub fn check(&self) -> Vec<FieldError> {
        [check_user_name(&self.name), check_role(self.role), check_password("password", &self.password, &self.name)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Returns the error of a new role, if any.
fn check_role(role: Role) -> Option<FieldError> {
    (role == Role::Unknown).then(|| FieldError {
        field: "role".into(),
        message: format!("must be one of {}", Role::ALL.map(Role::as_str).join(", ")),
    })
}

/// Only the fields that are present are changed. Ends the sessions of that user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl UserChange {
    /// Returns the errors of all fields. `name` is that of the user.
    pub fn check(&self, name: &str) -> Vec<FieldError> {
        let password = self.password.as_ref().and_then(|password| check_password("password", password, name));
        self.role.and_then(check_role).into_iter().chain(password).collect()
    }
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    pub id: i64,
    pub name: String,
    /// First characters, to recognize the key: `ldf_` and 8 digits.
    pub prefix: String,
    pub scopes: Vec<Scope>,
    /// The user who owns it, `shell` for a key of the command line, or `local` for one of open mode. A key is valid while its
    /// owner is enabled, and has no more permissions than its owner.
    pub owner: String,
    /// False if the key has expired, or its owner is disabled.
    pub active: bool,
    pub created_at: DateTime<Utc>,
    /// Absent if the key does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute; absent if the key was never used.
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    pub items: Vec<ApiKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyInput {
    /// For example the program that uses the key, 1 to 64 characters.
    pub name: String,
    /// At least one.
    pub scopes: Vec<Scope>,
    /// Days until the key expires, 1 to 3,650; absent if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

impl KeyInput {
    /// Returns the errors of all fields.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = check_name(&self.name).into_iter().collect();
        if self.scopes.is_empty() {
            errors.push(FieldError { field: "scopes".into(), message: "choose at least one".into() });
        }
        if self.scopes.contains(&Scope::Unknown) {
            let message = format!("must be among {}", Scope::ALL.map(Scope::as_str).join(", "));
            errors.push(FieldError { field: "scopes".into(), message });
        }
        if self.expires_in_days.is_some_and(|days| !(1..=MAX_KEY_LIFETIME_DAYS).contains(&days)) {
            let message = format!("must be 1 to {MAX_KEY_LIFETIME_DAYS}");
            errors.push(FieldError { field: "expires_in_days".into(), message });
        }
        errors
    }
}

/// A key that has just been created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKey {
    #[serde(flatten)]
    pub key: ApiKey,
    /// The key itself, for `Authorization: Bearer`; not shown again.
    pub secret: String,
}

/// Who did what, when, from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// Name of the user, `key NAME`, `local` in open mode, `shell` for the command line, or the name that was tried at a
    /// sign-in.
    pub actor: String,
    /// Action such as `product.update`.
    pub action: String,
    /// Path of the object, under `/api/v1`.
    pub target: String,
    /// IP address of the client.
    pub address: String,
    /// HTTP status of the response; absent until there is one, and if the process died before.
    pub status: Option<i32>,
}

/// Entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditPage {
    pub items: Vec<AuditEntry>,
    /// `before` of the next page; absent on the last.
    pub next: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_granted_by_a_role_and_by_a_scope() {
        for permission in Permission::ALL {
            assert!(Role::Admin.can(permission));
            assert!(Scope::ALL.iter().any(|scope| scope.grants(permission)), "{permission:?}");
        }
    }

    #[test]
    fn each_role_has_all_permissions_of_the_previous_one() {
        for pair in Role::ALL.windows(2) {
            assert!(Permission::ALL.iter().all(|permission| !pair[0].can(*permission) || pair[1].can(*permission)));
        }
        assert!(!Permission::ALL.into_iter().any(|permission| Role::Unknown.can(permission)));
        assert!(!Permission::ALL.into_iter().any(|permission| Scope::Unknown.grants(permission)));
        assert!(!Role::Viewer.can(Permission::WriteImports) && !Role::Editor.can(Permission::Webhooks));
    }

    #[test]
    fn unknown_names_are_decoded_but_refused_in_requests() {
        assert_eq!(serde_json::from_str::<Role>("\"owner\"").expect("decodes"), Role::Unknown);
        assert_eq!(serde_json::from_str::<Scope>("\"x:y\"").expect("decodes"), Scope::Unknown);
        assert_eq!(serde_json::from_str::<Permission>("\"x:y\"").expect("decodes"), Permission::Unknown);
        let user = UserInput { name: "Ada".into(), role: Role::Unknown, password: "a new and long one".into() };
        assert_eq!(user.check()[0].field, "role");
        let change = UserChange { role: Some(Role::Unknown), ..UserChange::default() };
        assert_eq!(change.check("Ada")[0].field, "role");
        let key = KeyInput { name: "x".into(), scopes: vec![Scope::Unknown], expires_in_days: None };
        assert_eq!(key.check()[0].field, "scopes");
    }

    #[test]
    fn as_str_equals_the_name_in_json() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("serialises"), scope.as_str());
            assert_eq!(Scope::parse(scope.as_str()), scope);
        }
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).expect("serialises"), role.as_str());
            assert_eq!(Role::parse(role.as_str()), role);
        }
    }
}
