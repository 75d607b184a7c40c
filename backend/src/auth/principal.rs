//! The principal of a request, as handlers see it.

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use shared::auth::{AuthMode, Permission, Role, Scope, SessionInfo, SessionUser};

use crate::{
    auth::keys::Owner,
    http::{ApiError, ApiResult},
};

/// A user in one of their sessions.
#[derive(Debug, Clone)]
pub struct UserSession {
    pub user_id: i64,
    pub name: String,
    pub role: Role,
    pub session_id: i64,
    /// When the session ends if no further request comes.
    pub idle_until: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct KeyPrincipal {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub owner: Owner,
    /// The current role of the owner, if that is a user.
    pub owner_role: Option<Role>,
}

impl KeyPrincipal {
    /// A key has no more permissions than its owner: the key of a former admin has no admin permissions.
    fn can(&self, permission: Permission) -> bool {
        let granted = self.scopes.iter().any(|scope| scope.grants(permission));
        granted && self.owner_role.is_none_or(|role| role.can(permission))
    }
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Not authenticated, in closed mode.
    Anonymous,
    /// Any program on this machine, in open mode.
    LocalTrusted,
    User(UserSession),
    Key(KeyPrincipal),
}

impl Principal {
    pub fn can(&self, permission: Permission) -> bool {
        match self {
            Self::Anonymous => false,
            Self::LocalTrusted => true,
            Self::User(user) => user.role.can(permission),
            Self::Key(key) => key.can(permission),
        }
    }

    /// The actor in the audit log. Users cannot have these names ([`shared::auth::check_user_name`]).
    pub fn actor(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::LocalTrusted => "local".into(),
            Self::User(user) => user.name.clone(),
            Self::Key(key) => format!("key {}", key.name),
        }
    }

    /// The user whose quotas apply: also that of a key's owner. `None` for keys of the operator, and in open mode.
    pub fn user_id(&self) -> Option<i64> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::Key(KeyPrincipal { owner: Owner::User(id), .. }) => Some(*id),
            Self::Anonymous | Self::LocalTrusted | Self::Key(_) => None,
        }
    }

    /// The identity by which requests are counted: the user for all their sessions, the key, or else `network`.
    pub fn request_quota_key(&self, network: &str) -> String {
        match self {
            Self::Key(key) => format!("key {}", key.id),
            Self::User(_) | Self::Anonymous | Self::LocalTrusted => self.stream_quota_key(network),
        }
    }

    /// The identity by which open streams are counted: the user, for all their sessions and keys.
    pub fn stream_quota_key(&self, network: &str) -> String {
        match self {
            Self::Anonymous | Self::LocalTrusted => format!("network {network}"),
            Self::User(user) => format!("user {}", user.user_id),
            Self::Key(key) => match key.owner {
                Owner::User(id) => format!("user {id}"),
                Owner::Shell | Owner::OpenMode => format!("key {}", key.id),
            },
        }
    }

    /// The session of a user.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] for a key, and in open mode.
    pub fn session(&self) -> ApiResult<&UserSession> {
        match self {
            Self::User(user) => Ok(user),
            Self::Key(_) => Err(ApiError::Conflict("a key has no session and no password; sign in as a user".into())),
            Self::Anonymous | Self::LocalTrusted => Err(ApiError::Conflict("no user is signed in".into())),
        }
    }

    pub fn info(&self) -> SessionInfo {
        let user = if let Self::User(user) = self { Some(user) } else { None };
        SessionInfo {
            mode: if matches!(self, Self::LocalTrusted) { AuthMode::Open } else { AuthMode::Closed },
            user: user.map(|user| SessionUser { id: user.user_id, name: user.name.clone(), role: user.role }),
            permissions: Permission::ALL.into_iter().filter(|permission| self.can(*permission)).collect(),
            idle_until: user.map(|user| user.idle_until),
            expires_at: user.map(|user| user.expires_at),
        }
    }
}

/// The principal of a request and where it comes from: added to each request by [`authorize`](super::authorize).
#[derive(Debug, Clone)]
pub struct RequestContext {
    pub principal: Principal,
    pub address: IpAddr,
    /// The network by which requests are counted ([`Client::network`](super::Client::network)).
    pub network: String,
    /// It came over TLS.
    pub secure: bool,
}

/// The error for a request that did not pass the middleware, which is a defect of the program.
pub fn missing_context() -> ApiError {
    ApiError::Internal(anyhow::anyhow!("a request reached a handler without passing the authorization middleware"))
}

impl FromRequest for RequestContext {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = request.extensions().get::<Self>().cloned();
        ready(context.ok_or_else(missing_context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_no_more_permissions_than_its_owner() {
        let key = |owner_role| {
            Principal::Key(KeyPrincipal {
                id: 1,
                name: "x".into(),
                scopes: Scope::ALL.to_vec(),
                owner: Owner::User(1),
                owner_role,
            })
        };
        assert!(Permission::ALL.into_iter().all(|permission| key(Some(Role::Admin)).can(permission)));
        assert!(Permission::ALL.into_iter().all(|permission| key(None).can(permission)));
        for permission in Permission::ALL {
            assert_eq!(key(Some(Role::Viewer)).can(permission), Role::Viewer.can(permission), "{permission:?}");
        }
        assert!(!key(Some(Role::Unknown)).can(Permission::ReadProducts));
    }
}
