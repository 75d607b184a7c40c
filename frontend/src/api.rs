//! Requests to the server. Every failure is a [`Problem`], including one that never reached the server.
//!
//! When the session has ended, the user signs in again in a dialog, and the request is repeated.

use std::{cell::Cell, time::Duration};

use js_sys::Promise;
use leptos::prelude::{Get, GetUntracked, RwSignal, Set, set_timeout};
use serde::{Serialize, de::DeserializeOwned};
use shared::problem::{ErrorCode, Problem};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortSignal, Headers, RequestInit, Response};

use crate::auth;

pub const BASE: &str = "/api/v1";
/// Longest wait before a request is repeated, in seconds. A longer one is reported to the user.
const MAX_RETRY_SECONDS: u32 = 20;
/// How often the server is checked while it cannot be reached.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// Encodes a text as a component of a URL.
pub fn encode(text: &str) -> String {
    String::from(js_sys::encode_uri_component(text))
}

/// Parses a response, of `fetch` or of an upload.
pub fn parse<T: DeserializeOwned>(status: u16, body: &str) -> Result<T, Problem> {
    if (200..300).contains(&status) {
        // A response without content only confirms the request.
        return serde_json::from_str(if body.is_empty() { "null" } else { body })
            .map_err(|error| problem(status, ErrorCode::Unknown, &format!("The response cannot be read: {error}.")));
    }
    // A proxy responds with a page of its own.
    Err(serde_json::from_str(body).unwrap_or_else(|_| {
        let code = if matches!(status, 502..=504) { ErrorCode::Unavailable } else { ErrorCode::Unknown };
        problem(status, code, &format!("The server returned status {status}. Try again in a moment."))
    }))
}

/// Returns the problem of a request without a response.
pub fn unreachable() -> Problem {
    problem(0, ErrorCode::Unavailable, "Can't reach the server. Check your connection.")
}

pub fn problem(status: u16, code: ErrorCode, detail: &str) -> Problem {
    Problem {
        kind: "about:blank".to_owned(),
        title: String::new(),
        status,
        code,
        detail: detail.to_owned(),
        errors: Vec::new(),
        product: None,
        request_id: None,
    }
}

/// A request, except for its method and URL.
#[derive(Default)]
pub struct Request<'a> {
    /// JSON.
    pub body: Option<String>,
    /// The known version of the resource, for `If-Match`.
    pub version: Option<i64>,
    /// Aborts the request when its response is no longer needed.
    pub abort: Option<&'a AbortSignal>,
}

impl Request<'_> {
    /// A request with this body.
    pub fn json(body: &impl Serialize) -> Self {
        // The types of `shared` can always be serialized.
        Self { body: serde_json::to_string(body).ok(), ..Self::default() }
    }
}

thread_local! {
    static REACHABLE: Cell<Option<RwSignal<bool>>> = const { Cell::new(None) };
    static CHECK_SCHEDULED: Cell<bool> = const { Cell::new(false) };
    /// Identifies this tab, so that it recognizes its own changes in event streams.
    static CLIENT_ID: String = {
        let part = || format!("{:x}", js_sys::Math::random().to_bits());
        format!("{}{}", part(), part())
    };
}

pub fn client_id() -> String {
    CLIENT_ID.with(Clone::clone)
}

/// Returns the headers of every request, of `fetch` and of uploads.
pub fn common_headers() -> [(&'static str, String); 1] {
    [("X-Client-Id", client_id())]
}

pub async fn get<T: DeserializeOwned>(url: &str) -> Result<T, Problem> {
    send("GET", url).await
}

pub async fn send<T: DeserializeOwned>(method: &str, url: &str) -> Result<T, Problem> {
    send_with(method, url, Request::default()).await
}

/// Sends a request. Repeats it after a new sign-in, since one that was rejected for the lack of a session has changed
/// nothing. If there were too many requests, a `GET` is repeated once after the wait that the server asks for.
pub async fn send_with<T: DeserializeOwned>(method: &str, url: &str, request: Request<'_>) -> Result<T, Problem> {
    let mut has_waited = false;
    loop {
        let round = auth::sign_in_count();
        let response = ask(method, url, &request).await?;
        let problem = match parse(response.status, &response.body) {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        match (problem.code, response.retry_after) {
            (ErrorCode::Unauthenticated, _) if auth::reauthenticate(round).await => {}
            (ErrorCode::TooManyRequests, Some(seconds))
                if method == "GET" && !has_waited && seconds <= MAX_RETRY_SECONDS =>
            {
                has_waited = true;
                sleep(seconds).await;
            }
            (ErrorCode::TooManyRequests, Some(seconds)) => return Err(too_many(problem, seconds)),
            (ErrorCode::Forbidden, _) => {
                auth::refresh_permissions();
                return Err(problem);
            }
            _ => return Err(problem),
        }
    }
}

/// Returns the problem with the time to wait.
fn too_many(problem: Problem, seconds: u32) -> Problem {
    let wait = crate::ui::format::whole_seconds(f64::from(seconds));
    Problem { detail: format!("Too many requests. Try again in {wait}."), ..problem }
}

async fn sleep(seconds: u32) {
    let promise = Promise::new(&mut |resolve, _| {
        let resume = move || drop(resolve.call0(&JsValue::NULL));
        set_timeout(resume, Duration::from_secs(seconds.into()));
    });
    // It is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// A response of any status.
pub struct RawResponse {
    pub status: u16,
    /// Seconds to wait before the request is repeated, if the server says so.
    pub retry_after: Option<u32>,
    pub body: String,
}

/// Sends a request once, and returns the response as it is.
pub async fn ask(method: &str, url: &str, request: &Request<'_>) -> Result<RawResponse, Problem> {
    let response = fetch(method, url, request).await;
    if !request.abort.is_some_and(AbortSignal::aborted) {
        // 502 and 504 are from a proxy that does not reach the server.
        set_reachable(response.as_ref().is_ok_and(|response| !matches!(response.status, 502 | 504)));
    }
    response.map_err(|_| unreachable())
}

/// Starts recording whether the server can be reached. Called once, at the root.
pub fn provide_reachability() {
    REACHABLE.set(Some(RwSignal::new(true)));
}

/// Whether the server could be reached last. Tracked.
pub fn is_reachable() -> bool {
    REACHABLE.get().is_none_or(|reachable| reachable.get())
}

fn set_reachable(is_reachable: bool) {
    let Some(reachable) = REACHABLE.get() else { return };
    if reachable.get_untracked() == is_reachable {
        return;
    }
    reachable.set(is_reachable);
    if !is_reachable {
        schedule_check();
    }
}

/// Finds out whether the server can be reached, and repeats that until it can.
pub fn check_server() {
    spawn_local(async {
        // The response is recorded, whatever it is.
        let _ = ask("GET", &format!("{BASE}/session"), &Request::default()).await;
        if REACHABLE.get().is_some_and(|reachable| !reachable.get_untracked()) {
            schedule_check();
        }
    });
}

fn schedule_check() {
    if !CHECK_SCHEDULED.replace(true) {
        let check = || {
            CHECK_SCHEDULED.set(false);
            check_server();
        };
        set_timeout(check, CHECK_INTERVAL);
    }
}

async fn fetch(method: &str, url: &str, request: &Request<'_>) -> Result<RawResponse, JsValue> {
    let options = RequestInit::new();
    options.set_method(method);
    options.set_signal(request.abort);
    let headers = Headers::new()?;
    for (name, value) in common_headers() {
        headers.set(name, &value)?;
    }
    if let Some(body) = &request.body {
        headers.set("Content-Type", "application/json")?;
        options.set_body(&JsValue::from_str(body));
    }
    if let Some(version) = request.version {
        headers.set("If-Match", &format!("\"{version}\""))?;
    }
    options.set_headers(&headers);
    let response: Response =
        JsFuture::from(leptos::prelude::window().fetch_with_str_and_init(url, &options)).await?.dyn_into()?;
    let retry_after = response.headers().get("Retry-After")?.and_then(|seconds| seconds.trim().parse().ok());
    let body = JsFuture::from(response.text()?).await?;
    Ok(RawResponse { status: response.status(), retry_after, body: body.as_string().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_a_value_or_a_problem() {
        assert_eq!(parse::<i64>(200, "7"), Ok(7));
        assert_eq!(parse::<()>(204, ""), Ok(()));
        assert_eq!(parse::<i64>(200, "x").expect_err("not a number").code, ErrorCode::Unknown);
        let body = r#"{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"Gone."}"#;
        assert_eq!(parse::<i64>(404, body).expect_err("a problem").detail, "Gone.");
    }

    #[test]
    fn the_page_of_a_proxy_becomes_a_problem() {
        let problem = parse::<i64>(502, "<html>Bad gateway</html>").expect_err("a problem");
        assert_eq!((problem.status, problem.code), (502, ErrorCode::Unavailable));
        assert!(problem.detail.contains("502"), "{problem}");
    }

    #[test]
    fn too_many_requests_say_when_to_try_again() {
        let problem = problem(429, ErrorCode::TooManyRequests, "Slow down.");
        assert_eq!(too_many(problem, 65).detail, "Too many requests. Try again in 1 min 05 s.");
    }
}
