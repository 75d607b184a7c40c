//! What an operation requires of its principal. Each handler is registered together with its rule ([`Routes::add`]).
//!
//! [`Routes::add`]: crate::http::routes::Routes::add

use shared::auth::Permission;

/// The principals that can call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Everyone; the principal is not identified, since that needs the database. For liveness and readiness.
    Health,
    /// Anonymous principals too.
    Public,
    /// Every signed-in user, and every key.
    SignedIn,
    /// Users and keys with this permission.
    Permission(Permission),
}

/// The rule of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub requires: Requirement,
    /// The action in the audit log; `None` for operations that change nothing, and for those that add their own entries.
    pub audit_action: Option<&'static str>,
    /// Whether a call keeps the session from ending by idleness.
    pub keeps_session_open: bool,
}

impl Rule {
    pub const HEALTH: Self = Self { requires: Requirement::Health, audit_action: None, keeps_session_open: true };
    pub const PUBLIC: Self = Self { requires: Requirement::Public, audit_action: None, keeps_session_open: true };
    pub const SIGNED_IN: Self = Self { requires: Requirement::SignedIn, audit_action: None, keeps_session_open: true };

    pub const fn requires(permission: Permission) -> Self {
        Self { requires: Requirement::Permission(permission), audit_action: None, keeps_session_open: true }
    }

    /// Whether the operation can be called without authentication.
    pub fn is_public(self) -> bool {
        matches!(self.requires, Requirement::Health | Requirement::Public)
    }

    /// Adds an entry with this action to the audit log at each call.
    #[must_use]
    pub const fn audited(self, action: &'static str) -> Self {
        Self { audit_action: Some(action), ..self }
    }

    /// A call does not count as use of the session: a page makes it without a user.
    #[must_use]
    pub const fn without_activity(self) -> Self {
        Self { keeps_session_open: false, ..self }
    }
}
