//! What the pages ask the server about who comes in.

use serde::de::DeserializeOwned;
use shared::{
    auth::{
        AuditPage, KeyInput, KeyList, NewKey, PasswordChange, Person, PersonChange, PersonInput, PersonList,
        SessionInfo, SessionList, Setup, SignIn,
    },
    problem::{ErrorCode, Problem},
};

use crate::api::{self, BASE, Request, get, send, send_with};

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub problem: Problem,
    /// Seconds until it may be tried again.
    pub wait: Option<u32>,
}

/// Who asks; `None` for nobody, where somebody must be.
pub async fn session() -> Result<Option<SessionInfo>, Problem> {
    let answer = api::ask("GET", &format!("{BASE}/session"), &Request::default()).await?;
    match api::parse(answer.status, &answer.body) {
        Ok(info) => Ok(Some(info)),
        Err(problem) if problem.code == ErrorCode::Unauthenticated => Ok(None),
        Err(problem) => Err(problem),
    }
}

pub async fn sign_in(sign_in: &SignIn) -> Result<SessionInfo, Refusal> {
    once("POST", "/session", &Request::json(sign_in)).await
}

/// Makes the first account.
pub async fn set_up(setup: &Setup) -> Result<SessionInfo, Refusal> {
    once("POST", "/setup", &Request::json(setup)).await
}

pub async fn change_password(change: &PasswordChange) -> Result<(), Refusal> {
    once("POST", "/session/password", &Request::json(change)).await
}

pub async fn sign_out() -> Result<(), Problem> {
    // Who is out already has what they want.
    once("DELETE", "/session", &Request::default()).await.or_else(gone)
}

/// Ends all of one's own sessions, this one too.
pub async fn sign_out_everywhere() -> Result<(), Problem> {
    once("DELETE", "/sessions", &Request::default()).await.or_else(gone)
}

fn gone(refusal: Refusal) -> Result<(), Problem> {
    if refusal.problem.code == ErrorCode::Unauthenticated { Ok(()) } else { Err(refusal.problem) }
}

/// A request that is about coming in or going: it asks nobody to sign in.
async fn once<T: DeserializeOwned>(method: &str, path: &str, request: &Request<'_>) -> Result<T, Refusal> {
    let refuse = |wait| move |problem| Refusal { problem, wait };
    let answer = api::ask(method, &format!("{BASE}{path}"), request).await.map_err(refuse(None))?;
    api::parse(answer.status, &answer.body).map_err(refuse(answer.retry_after))
}

/// One's own.
pub async fn sessions() -> Result<SessionList, Problem> {
    get(&format!("{BASE}/sessions")).await
}

pub async fn end_session(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/sessions/{id}")).await
}

pub async fn people() -> Result<PersonList, Problem> {
    get(&format!("{BASE}/people")).await
}

pub async fn add_person(input: &PersonInput) -> Result<Person, Problem> {
    send_with("POST", &format!("{BASE}/people"), Request::json(input)).await
}

pub async fn change_person(id: i64, change: &PersonChange) -> Result<Person, Problem> {
    send_with("PATCH", &format!("{BASE}/people/{id}"), Request::json(change)).await
}

pub async fn delete_person(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/people/{id}")).await
}

/// Ends all sessions of a person.
pub async fn sign_out_person(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/people/{id}/sessions")).await
}

pub async fn keys() -> Result<KeyList, Problem> {
    get(&format!("{BASE}/keys")).await
}

pub async fn make_key(input: &KeyInput) -> Result<NewKey, Problem> {
    send_with("POST", &format!("{BASE}/keys"), Request::json(input)).await
}

pub async fn revoke_key(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/keys/{id}")).await
}

/// A page of the record; `query` is that of the API, with its question mark.
pub async fn audit(query: &str) -> Result<AuditPage, Problem> {
    get(&format!("{BASE}/audit{query}")).await
}

/// All of it that matches, as a CSV.
pub fn audit_csv_url(query: &str) -> String {
    format!("{BASE}/audit.csv{query}")
}
