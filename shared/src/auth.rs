//! Who may come in, and what they may do: people, sessions, API keys, the audit log.
//!
//! | route, under `/api/v1` | takes | gives |
//! |---|---|---|
//! | `GET /session` | | [`SessionInfo`]; 401 `unauthenticated` for who is not signed in where one must be |
//! | `POST /session` | [`SignIn`] | [`SessionInfo`] and the cookie; 401, or 429 with `Retry-After` |
//! | `DELETE /session` | | 204; the cookie is gone |
//! | `POST /session/password` | [`PasswordChange`] | 204; all other sessions of this person end |
//! | `POST /setup` | [`Setup`] | 201 [`SessionInfo`] and the cookie: the first account, an admin |
//! | `GET /sessions` | | [`SessionList`], one's own |
//! | `DELETE /sessions` | | 204; all of one's own end, this one too |
//! | `DELETE /sessions/{id}` | | 204 |
//! | `GET /people` | | [`PersonList`] |
//! | `POST /people` | [`PersonInput`] | 201 [`Person`] |
//! | `PATCH /people/{id}` | [`PersonChange`] | [`Person`]; 409 for what would leave no admin |
//! | `DELETE /people/{id}` | | 204, sessions and all; 409 for the last admin |
//! | `DELETE /people/{id}/sessions` | | 204; signed out everywhere |
//! | `GET /keys` | | [`KeyList`] |
//! | `POST /keys` | [`KeyInput`] | 201 [`NewKey`], with the key itself, this once |
//! | `DELETE /keys/{id}` | | 204; it opens nothing from then on |
//! | `GET /audit` | query `actor`, `action`, `since`, `until`, `before`, `limit` (1 to 200, 50) | [`AuditPage`], newest first |
//! | `GET /audit.csv` | the same, without `before` and `limit` | all of it |

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::problem::FieldError;

/// Longest name of a person or a key, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// Shortest password, in characters (OWASP ASVS 5.0, 6.2.1, wants 8 at least and advises 15).
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Longest password, in characters (ASVS 5.0, 6.2.9, wants 64 to be possible at least).
pub const MAX_PASSWORD_CHARS: usize = 256;
/// Longest life of a key, in days.
pub const MAX_KEY_DAYS: u32 = 3_650;

/// The commonest passwords of 12 characters and more, in lower case.
const COMMON_PASSWORDS: &str = include_str!("common_passwords.txt");

/// What one may do. The API asks for one of these in each request; the page offers what is in [`SessionInfo`].
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
    /// Begin and cancel imports.
    #[serde(rename = "imports:write")]
    WriteImports,
    /// See and manage webhooks.
    #[serde(rename = "webhooks")]
    Webhooks,
    /// Manage people and keys, read the audit log, delete all products.
    #[serde(rename = "admin")]
    Admin,
}

impl Permission {
    pub const ALL: [Self; 6] =
        [Self::ReadProducts, Self::WriteProducts, Self::ReadImports, Self::WriteImports, Self::Webhooks, Self::Admin];
}

/// What a person is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and exports products, sees imports.
    Viewer,
    /// Changes products and imports files, too.
    Editor,
    /// May do everything.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadProducts | Permission::ReadImports => true,
            Permission::WriteProducts | Permission::WriteImports => !matches!(self, Self::Viewer),
            Permission::Webhooks | Permission::Admin => matches!(self, Self::Admin),
        }
    }
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// See and export products.
    #[serde(rename = "products:read")]
    ProductsRead,
    /// The same, and add, change and delete them.
    #[serde(rename = "products:write")]
    ProductsWrite,
    /// See, begin and cancel imports.
    #[serde(rename = "imports")]
    Imports,
    /// See and manage webhooks.
    #[serde(rename = "webhooks")]
    Webhooks,
    /// Manage people and keys, read the audit log, delete all products.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::ProductsRead, Self::ProductsWrite, Self::Imports, Self::Webhooks, Self::Admin];

    /// The word that stands in JSON, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProductsRead => "products:read",
            Self::ProductsWrite => "products:write",
            Self::Imports => "imports",
            Self::Webhooks => "webhooks",
            Self::Admin => "admin",
        }
    }

    pub const fn grants(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadProducts => matches!(self, Self::ProductsRead | Self::ProductsWrite),
            Permission::WriteProducts => matches!(self, Self::ProductsWrite),
            Permission::ReadImports | Permission::WriteImports => matches!(self, Self::Imports),
            Permission::Webhooks => matches!(self, Self::Webhooks),
            Permission::Admin => matches!(self, Self::Admin),
        }
    }
}

/// Whether one must sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// No account has been made, and only this machine can reach the server: everybody may do everything.
    Open,
    Closed,
}

/// Who is asking, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    pub mode: AccessMode,
    /// Absent where the mode is `open`, and for a key.
    pub person: Option<SignedIn>,
    pub permissions: Vec<Permission>,
    /// When the session ends if nothing more is asked for.
    pub idle_until: Option<DateTime<Utc>>,
    /// When the session ends in any case.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The person of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    pub id: i64,
    pub name: String,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// In any case.
    pub name: String,
    pub password: String,
}

/// The first account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// From the link that the server printed when it started, `/setup#TOKEN`; good once.
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

/// A session of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    pub id: i64,
    /// The one that asks.
    pub current: bool,
    /// Where it was begun.
    pub address: String,
    /// `User-Agent` of the browser.
    pub agent: String,
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

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// May sign in.
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    /// When they last signed in.
    pub signed_in_at: Option<DateTime<Utc>>,
    /// Open sessions.
    pub sessions: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonList {
    pub items: Vec<Person>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonInput {
    /// 1 to 64 characters; no two people have the same, whatever its case.
    pub name: String,
    pub role: Role,
    pub password: String,
}

impl PersonInput {
    /// What is wrong with it, by field.
    pub fn check(&self) -> Vec<FieldError> {
        [check_name(&self.name), check_password("password", &self.password, &self.name)].into_iter().flatten().collect()
    }
}

/// Only what is there is changed. A new role, password or `enabled: false` ends the sessions of that person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A key of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    pub id: i64,
    pub name: String,
    /// How it begins, to know it again: `ldf_` and 8 digits.
    pub prefix: String,
    pub scopes: Vec<Scope>,
    /// Who made it.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    /// Absent for a key that does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute.
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
    /// What it is for, 1 to 64 characters.
    pub name: String,
    /// One at least.
    pub scopes: Vec<Scope>,
    /// Days until it expires, 1 to 3,650; absent for a key that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

impl KeyInput {
    /// What is wrong with it, by field.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = check_name(&self.name).into_iter().collect();
        if self.scopes.is_empty() {
            errors.push(FieldError { field: "scopes".into(), message: "choose one at least".into() });
        }
        if self.expires_in_days.is_some_and(|days| !(1..=MAX_KEY_DAYS).contains(&days)) {
            let message = format!("must be 1 to {MAX_KEY_DAYS}");
            errors.push(FieldError { field: "expires_in_days".into(), message });
        }
        errors
    }
}

/// A key that has just been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKey {
    #[serde(flatten)]
    pub key: ApiKey,
    /// The key itself, for `Authorization: Bearer`; shown this once.
    pub secret: String,
}

/// Who did what, when, from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// Name of the person, `key NAME`, `anyone` where no account has been made, or the name that was tried at a sign-in.
    pub actor: String,
    /// What was asked for, such as `product.update`; see the operations of the API.
    pub action: String,
    /// What it was done to, as a path under `/api/v1`.
    pub target: String,
    /// Where the request came from.
    pub address: String,
    /// HTTP status of the answer; absent while it is not there yet, or where the process died over it.
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

/// What makes two names the same person's: NFC, without spaces around, in lower case.
pub fn name_key(name: &str) -> String {
    name.trim().nfc().flat_map(char::to_lowercase).collect()
}

/// What is wrong with a name.
pub fn check_name(name: &str) -> Option<FieldError> {
    let chars = name.trim().chars().count();
    let message = if chars == 0 {
        "give a name".to_owned()
    } else if chars > MAX_NAME_CHARS {
        format!("is {chars} characters long; at most {MAX_NAME_CHARS} are possible")
    } else if name.chars().any(char::is_control) {
        "has characters that cannot be seen, such as a line break".to_owned()
    } else {
        return None;
    };
    Some(FieldError { field: "name".into(), message })
}

/// What is wrong with a new password: only its length, and whether it is among the first that are guessed (ASVS 5.0, 6.2;
/// no rules on which characters it has).
pub fn check_password(field: &str, password: &str, name: &str) -> Option<FieldError> {
    let chars = password.chars().count();
    let lower = password.to_lowercase();
    let message = if chars < MIN_PASSWORD_CHARS {
        format!("must have at least {MIN_PASSWORD_CHARS} characters; a few words make a good one")
    } else if chars > MAX_PASSWORD_CHARS {
        format!("must have at most {MAX_PASSWORD_CHARS} characters")
    } else if COMMON_PASSWORDS.lines().any(|common| common == lower) || is_monotonous(&lower) {
        "is one of the first that are guessed; choose another".to_owned()
    } else if !name.trim().is_empty()
        && lower.replace(name_key(name).as_str(), "").chars().count() < MIN_PASSWORD_CHARS / 2
    {
        "is little more than the name; choose another".to_owned()
    } else {
        return None;
    };
    Some(FieldError { field: field.into(), message })
}

/// Made of one or two characters.
fn is_monotonous(password: &str) -> bool {
    let mut seen = Vec::new();
    for char in password.chars() {
        if !seen.contains(&char) {
            seen.push(char);
        }
    }
    seen.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_granted_by_a_role_and_by_a_scope() {
        for permission in Permission::ALL {
            assert!(Role::Admin.may(permission));
            assert!(Scope::ALL.iter().any(|scope| scope.grants(permission)), "{permission:?}");
        }
    }

    #[test]
    fn a_role_may_all_that_the_one_before_it_may() {
        for pair in Role::ALL.windows(2) {
            assert!(Permission::ALL.iter().all(|permission| !pair[0].may(*permission) || pair[1].may(*permission)));
        }
        assert!(!Role::Viewer.may(Permission::WriteImports) && !Role::Editor.may(Permission::Webhooks));
    }

    #[test]
    fn words_are_those_of_json() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("serialises"), scope.as_str());
        }
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).expect("serialises"), role.as_str());
        }
    }

    #[test]
    fn a_password_is_judged_by_length_and_by_how_soon_it_is_guessed() {
        let refused = |password: &str| check_password("password", password, "Ada").is_some();
        assert!(refused("short"));
        assert!(refused(&"long".repeat(65)));
        assert!(refused("Password1234"));
        assert!(refused("abababababababab"));
        assert!(refused("AdaAdaAdaAda1"));
        assert!(!refused("correct horse battery staple"));
        assert!(!refused("ein gräßlich langes Wort"));
        assert!(
            COMMON_PASSWORDS
                .lines()
                .all(|line| line.chars().count() >= MIN_PASSWORD_CHARS && line == line.to_lowercase())
        );
    }

    #[test]
    fn names_are_the_same_whatever_their_case() {
        assert_eq!(name_key(" ADA "), name_key("ada"));
        assert!(check_name("Ada Lovelace").is_none());
        assert!(check_name("a\nb").is_some() && check_name("  ").is_some() && check_name(&"x".repeat(65)).is_some());
    }
}
