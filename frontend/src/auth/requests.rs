//! Requests to the API of sessions, users, keys and the audit log.

use serde::de::DeserializeOwned;
use shared::{
    auth::{
        AuditPage, KeyInput, KeyList, NewKey, PasswordChange, SessionInfo, SessionList, Setup, SignIn, User,
        UserChange, UserInput, UserList,
    },
    problem::{ErrorCode, Problem},
};

use crate::api::{self, BASE, Request, get, send, send_with};

/// An error, and when the request can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    pub problem: Problem,
    /// Seconds until the request can be repeated.
    pub retry_after: Option<u32>,
}

/// Returns the current session; `None` if the user must sign in.
pub async fn session() -> Result<Option<SessionInfo>, Problem> {
    let answer = api::ask("GET", &format!("{BASE}/session"), &Request::default()).await?;
    match api::parse(answer.status, &answer.body) {
        Ok(info) => Ok(Some(info)),
        Err(problem) if problem.code == ErrorCode::Unauthenticated => Ok(None),
        Err(problem) => Err(problem),
    }
}

pub async fn sign_in(sign_in: &SignIn) -> Result<SessionInfo, RequestError> {
    send_once("POST", "/session", &Request::json(sign_in)).await
}

/// Creates the first user.
pub async fn set_up(setup: &Setup) -> Result<SessionInfo, RequestError> {
    send_once("POST", "/setup", &Request::json(setup)).await
}

pub async fn change_password(change: &PasswordChange) -> Result<(), RequestError> {
    send_once("POST", "/session/password", &Request::json(change)).await
}

pub async fn sign_out() -> Result<(), Problem> {
    // Without a session, the user is signed out already.
    send_once("DELETE", "/session", &Request::default()).await.or_else(ignore_unauthenticated)
}

/// Ends all sessions of the current user, including this one.
pub async fn sign_out_everywhere() -> Result<(), Problem> {
    send_once("DELETE", "/sessions", &Request::default()).await.or_else(ignore_unauthenticated)
}

fn ignore_unauthenticated(error: RequestError) -> Result<(), Problem> {
    if error.problem.code == ErrorCode::Unauthenticated { Ok(()) } else { Err(error.problem) }
}

/// Sends a request that does not open the re-authentication dialog.
async fn send_once<T: DeserializeOwned>(method: &str, path: &str, request: &Request<'_>) -> Result<T, RequestError> {
    let error = |retry_after| move |problem| RequestError { problem, retry_after };
    let answer = api::ask(method, &format!("{BASE}{path}"), request).await.map_err(error(None))?;
    api::parse(answer.status, &answer.body).map_err(error(answer.retry_after))
}

/// Returns the sessions of the current user.
pub async fn sessions() -> Result<SessionList, Problem> {
    get(&format!("{BASE}/sessions")).await
}

pub async fn end_session(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/sessions/{id}")).await
}

pub async fn users() -> Result<UserList, Problem> {
    get(&format!("{BASE}/users")).await
}

pub async fn add_user(input: &UserInput) -> Result<User, Problem> {
    send_with("POST", &format!("{BASE}/users"), Request::json(input)).await
}

pub async fn update_user(id: i64, change: &UserChange) -> Result<User, Problem> {
    send_with("PATCH", &format!("{BASE}/users/{id}"), Request::json(change)).await
}

pub async fn delete_user(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/users/{id}")).await
}

/// Ends all sessions of a user.
pub async fn sign_out_user(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/users/{id}/sessions")).await
}

pub async fn keys() -> Result<KeyList, Problem> {
    get(&format!("{BASE}/keys")).await
}

pub async fn create_key(input: &KeyInput) -> Result<NewKey, Problem> {
    send_with("POST", &format!("{BASE}/keys"), Request::json(input)).await
}

pub async fn revoke_key(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/keys/{id}")).await
}

/// Returns a page of the audit log; `query` is the query of the API, with its question mark.
pub async fn audit(query: &str) -> Result<AuditPage, Problem> {
    get(&format!("{BASE}/audit{query}")).await
}

/// Returns the URL of the CSV export.
pub fn audit_csv_url(query: &str) -> String {
    format!("{BASE}/audit.csv{query}")
}
