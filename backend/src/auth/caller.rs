//! Who asks, as handlers see it.

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use shared::auth::{AccessMode, Permission, Role, Scope, SessionInfo, SignedIn};

use crate::http::{ApiError, ApiResult};

/// A person in one of their sessions.
#[derive(Debug, Clone)]
pub struct PersonCaller {
    pub id: i64,
    pub name: String,
    pub role: Role,
    pub session_id: i64,
    pub idle_until: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody on this machine: there is no account.
    Anyone,
    Person(PersonCaller),
    Key {
        id: i64,
        name: String,
        scopes: Vec<Scope>,
    },
    /// Somebody who is not signed in, where nothing more is needed.
    Stranger,
}

impl Caller {
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Anyone => true,
            Self::Person(person) => person.role.may(permission),
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.grants(permission)),
            Self::Stranger => false,
        }
    }

    /// The name in the audit log.
    pub fn name(&self) -> String {
        match self {
            Self::Anyone | Self::Stranger => "anyone".into(),
            Self::Person(person) => person.name.clone(),
            Self::Key { name, .. } => format!("key {name}"),
        }
    }

    /// The user whose quotas apply. `None` in open mode.
    pub fn user_id(&self) -> Option<i64> {
        match self {
            Self::Person(person) => Some(person.id),
            Self::Anyone | Self::Stranger | Self::Key { .. } => None,
        }
    }

    /// What requests and streams are counted by; `address` for those that have no name.
    pub fn account(&self, address: &str) -> String {
        match self {
            Self::Anyone | Self::Stranger => format!("address {address}"),
            Self::Person(person) => format!("session {}", person.session_id),
            Self::Key { id, .. } => format!("key {id}"),
        }
    }

    /// The person, where one must be.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] for a key, and where nobody signs in.
    pub fn person(&self) -> ApiResult<&PersonCaller> {
        match self {
            Self::Person(person) => Ok(person),
            Self::Key { .. } => {
                Err(ApiError::Conflict("this is for people; a key has no session and no password".into()))
            }
            Self::Anyone | Self::Stranger => Err(ApiError::Conflict("nobody is signed in".into())),
        }
    }

    pub fn info(&self) -> SessionInfo {
        let person = if let Self::Person(person) = self { Some(person) } else { None };
        SessionInfo {
            mode: if matches!(self, Self::Anyone) { AccessMode::Open } else { AccessMode::Closed },
            person: person.map(|person| SignedIn { id: person.id, name: person.name.clone(), role: person.role }),
            permissions: Permission::ALL.into_iter().filter(|permission| self.may(*permission)).collect(),
            idle_until: person.map(|person| person.idle_until),
            expires_at: person.map(|person| person.expires_at),
        }
    }
}

/// Who asks and from where: put into each request by the guard.
#[derive(Debug, Clone)]
pub struct Visit {
    pub caller: Caller,
    pub address: IpAddr,
    /// What stands for the address where requests are counted.
    pub network: String,
    pub secure: bool,
}

/// A mistake of ours.
pub fn unguarded() -> ApiError {
    ApiError::Internal(anyhow::anyhow!("a request that the guard has not seen"))
}

impl FromRequest for Visit {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(visit.ok_or_else(unguarded))
    }
}
