//! The principal of a request, as handlers see it.

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use shared::auth::{AuthMode, Permission, Role, Scope, SessionInfo, SessionUser};

use crate::http::{ApiError, ApiResult};

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

/// Who sends a request.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Not authenticated, in closed mode.
    Anonymous,
    /// Any program on this machine, in open mode.
    LocalTrusted,
    User(UserSession),
    Key {
        id: i64,
        name: String,
        scopes: Vec<Scope>,
    },
}

impl Principal {
    pub fn can(&self, permission: Permission) -> bool {
        match self {
            Self::Anonymous => false,
            Self::LocalTrusted => true,
            Self::User(user) => user.role.can(permission),
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.grants(permission)),
        }
    }

    /// The actor in the audit log. Users cannot have these names ([`shared::auth::check_user_name`]).
    pub fn actor(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::LocalTrusted => "local".into(),
            Self::User(user) => user.name.clone(),
            Self::Key { name, .. } => format!("key {name}"),
        }
    }

    /// The user whose quotas apply. `None` in open mode.
    pub fn user_id(&self) -> Option<i64> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::Anonymous | Self::LocalTrusted | Self::Key { .. } => None,
        }
    }

    /// What requests and streams are counted by: `network` for principals without an identity.
    pub fn quota_key(&self, network: &str) -> String {
        match self {
            Self::Anonymous | Self::LocalTrusted => format!("network {network}"),
            Self::User(user) => format!("session {}", user.session_id),
            Self::Key { id, .. } => format!("key {id}"),
        }
    }

    /// The session of a user.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] for a key, and in open mode.
    pub fn session(&self) -> ApiResult<&UserSession> {
        match self {
            Self::User(user) => Ok(user),
            Self::Key { .. } => {
                Err(ApiError::Conflict("a key has no session and no password; sign in as a user".into()))
            }
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
    /// What requests of this address are counted by ([`Client::network`](super::Client::network)).
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
