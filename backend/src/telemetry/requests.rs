//! Each request has an id, by which a person, the log and a proxy in front can speak of it.

use std::time::{Duration, Instant};

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use tracing::Instrument;

use crate::telemetry::metrics;

/// Sent by who wants to follow a request through several systems; in every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over, in characters.
const MAX_ID_CHARS: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this is done for, if it is for one.
pub fn current_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Gives a request its id, tells what became of it, and measures it up to the head of its answer. Queries and headers are
/// not told: they may hold secrets.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = taken_over(request.headers()).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let span = tracing::info_span!("request", request.id = %id);
    let header = HeaderValue::try_from(&id).map_err(actix_web::error::ErrorBadRequest)?;
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let start = Instant::now();
    let answered = CURRENT.scope(id, next.call(request)).instrument(span.clone()).await;
    let duration = start.elapsed();
    let (status, route) = match &answered {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    metrics::request_answered(&method, route.as_deref(), status, duration);
    span.in_scope(|| tell(method.as_str(), &path, route.as_deref(), status, duration));
    match answered {
        Ok(mut response) => {
            response.headers_mut().insert(REQUEST_ID, header);
            Ok(response)
        }
        // Answers that are made of errors after this would not have the id.
        Err(error) => {
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, header);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// The line of a request. What is asked for all the time, by machines or for a page, is told only to who debugs.
fn tell(method: &str, path: &str, route: Option<&str>, status: StatusCode, duration: Duration) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if matches!(route, None | Some("/livez" | "/readyz" | "/metrics")) {
        tracing::debug!(http.method = method, http.path = path, http.status = status, duration_ms, "{method} {path}");
    } else {
        tracing::info!(http.method = method, http.path = path, http.status = status, duration_ms, "{method} {path}");
    }
}

/// The id that came with the request, if it is one token of ASCII (RFC 9110, section 5.6.2): it goes into logs and answers.
fn taken_over(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    ((1..=MAX_ID_CHARS).contains(&id.len()) && id.bytes().all(is_token)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_only_if_it_can_do_no_harm() {
        let longest = "x".repeat(64);
        let too_long = "x".repeat(65);
        for (sent, sane) in
            [("a-1_B.2~", true), (&longest, true), (&too_long, false), ("", false), ("a b", false), ("a\"b", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(sent).expect("a header"));
            assert_eq!(taken_over(&headers).as_deref(), sane.then_some(sent), "{sent}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(b"\xff").expect("a header"));
        assert_eq!(taken_over(&headers), None);
    }
}
