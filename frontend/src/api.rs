//! Calls to the server. Every failure comes back as a [`Problem`], also one that never reached the server.
//!
//! A session that has ended is no failure: the person signs in again, above the page, and the call is repeated.

use std::time::Duration;

use js_sys::Promise;
use leptos::prelude::set_timeout;
use serde::{Serialize, de::DeserializeOwned};
use shared::problem::{ErrorCode, Problem};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestInit, Response};

use crate::auth;

pub const BASE: &str = "/api/v1";
/// Longest pause before something is asked for again, in seconds. Who is to wait longer is told.
const MAX_PAUSE: u32 = 20;

/// A text as one component of a URL.
pub fn encode(text: &str) -> String {
    String::from(js_sys::encode_uri_component(text))
}

/// The answer of the server, or why it is none: used for `fetch` and for uploads alike.
pub fn parse<T: DeserializeOwned>(status: u16, body: &str) -> Result<T, Problem> {
    if (200..300).contains(&status) {
        // An answer without a content says no more than that it is done.
        return serde_json::from_str(if body.is_empty() { "null" } else { body })
            .map_err(|error| problem(status, ErrorCode::Unknown, &format!("The answer cannot be read: {error}.")));
    }
    // A proxy in between answers with a page of its own.
    Err(serde_json::from_str(body).unwrap_or_else(|_| {
        let code = if matches!(status, 502..=504) { ErrorCode::Unavailable } else { ErrorCode::Unknown };
        problem(status, code, &format!("The server answers with status {status}. Please try again in a moment."))
    }))
}

/// The problem of a request that got no answer.
pub fn unreachable() -> Problem {
    problem(0, ErrorCode::Unavailable, "The server cannot be reached. Check the connection, then try again.")
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

/// What a request says beside its address.
#[derive(Default)]
pub struct Request<'a> {
    /// JSON.
    pub body: Option<String>,
    /// The version of the thing that is known here, for `If-Match`.
    pub version: Option<i64>,
    /// Ends the request where nobody waits for it any more.
    pub abort: Option<&'a AbortSignal>,
}

impl Request<'_> {
    /// A request with this body.
    pub fn json(body: &impl Serialize) -> Self {
        // The words of `shared` have nothing that JSON cannot say.
        Self { body: serde_json::to_string(body).ok(), ..Self::default() }
    }
}

thread_local! {
    /// Names this tab to the server, so that it knows the news of its own changes.
    static CLIENT_ID: String = {
        let part = || format!("{:x}", js_sys::Math::random().to_bits());
        format!("{}{}", part(), part())
    };
}

pub fn client_id() -> String {
    CLIENT_ID.with(Clone::clone)
}

/// Headers of each request of this page, by whatever means it is sent.
pub fn standing_headers() -> [(&'static str, String); 1] {
    [("X-Client-Id", client_id())]
}

pub async fn get<T: DeserializeOwned>(url: &str) -> Result<T, Problem> {
    send("GET", url).await
}

pub async fn send<T: DeserializeOwned>(method: &str, url: &str) -> Result<T, Problem> {
    send_with(method, url, Request::default()).await
}

/// Sends a request. Once more after a new sign-in, since one that was refused for want of it has changed nothing; and where
/// there were too many, what only asks is asked again after the pause that the server wants.
pub async fn send_with<T: DeserializeOwned>(method: &str, url: &str, request: Request<'_>) -> Result<T, Problem> {
    let mut paused = false;
    loop {
        let round = auth::sign_in_count();
        let answer = ask(method, url, &request).await?;
        let problem = match parse(answer.status, &answer.body) {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        match (problem.code, answer.retry_after) {
            (ErrorCode::Unauthenticated, _) if auth::reauthenticate(round).await => {}
            (ErrorCode::TooManyRequests, Some(seconds)) if method == "GET" && !paused && seconds <= MAX_PAUSE => {
                paused = true;
                pause(seconds).await;
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

/// The problem, with when it will be over.
fn too_many(problem: Problem, seconds: u32) -> Problem {
    let wait = crate::ui::format::whole_seconds(f64::from(seconds));
    Problem { detail: format!("There were too many requests. Try again in {wait}."), ..problem }
}

async fn pause(seconds: u32) {
    let promise = Promise::new(&mut |resolve, _| {
        let resume = move || drop(resolve.call0(&JsValue::NULL));
        set_timeout(resume, Duration::from_secs(seconds.into()));
    });
    // It is only ever resolved.
    let _ = JsFuture::from(promise).await;
}

/// What the server said, whatever it was.
pub struct Answer {
    pub status: u16,
    /// Seconds until it should be tried again, where the server says so.
    pub retry_after: Option<u32>,
    pub body: String,
}

/// Sends a request once, and does nothing about what is answered.
pub async fn ask(method: &str, url: &str, request: &Request<'_>) -> Result<Answer, Problem> {
    fetch(method, url, request).await.map_err(|_| unreachable())
}

async fn fetch(method: &str, url: &str, request: &Request<'_>) -> Result<Answer, JsValue> {
    let options = RequestInit::new();
    options.set_method(method);
    options.set_signal(request.abort);
    let headers = Headers::new()?;
    for (name, value) in standing_headers() {
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
    Ok(Answer { status: response.status(), retry_after, body: body.as_string().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_was_asked_for_or_a_problem() {
        assert_eq!(parse::<i64>(200, "7"), Ok(7));
        assert_eq!(parse::<()>(204, ""), Ok(()));
        assert_eq!(parse::<i64>(200, "x").expect_err("not a number").code, ErrorCode::Unknown);
        let body = r#"{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"Gone."}"#;
        assert_eq!(parse::<i64>(404, body).expect_err("refused").detail, "Gone.");
    }

    #[test]
    fn a_proxys_page_becomes_a_sentence() {
        let problem = parse::<i64>(502, "<html>Bad gateway</html>").expect_err("refused");
        assert_eq!((problem.status, problem.code), (502, ErrorCode::Unavailable));
        assert!(problem.detail.contains("502"), "{problem}");
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_ask_again() {
        let problem = problem(429, ErrorCode::TooManyRequests, "Slow down.");
        assert_eq!(too_many(problem, 65).detail, "There were too many requests. Try again in 1 min 05 s.");
    }
}
