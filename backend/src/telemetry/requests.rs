//! Each request has an id, which users, the log and a proxy in front can refer to.

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

use crate::{db, telemetry::metrics};

/// Sent by clients that trace a request through several systems; in every response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is accepted from a client, in characters.
const MAX_ID_CHARS: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// Returns the id of the request that is being handled, if there is one.
pub fn current_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Assigns an id to the request, logs its outcome, and measures the time to the head of its response. Queries and headers are
/// not logged: they may contain secrets.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = client_id(request.headers()).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let span = tracing::info_span!("request", request.id = %id);
    let header = HeaderValue::try_from(&id).map_err(actix_web::error::ErrorBadRequest)?;
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let start = Instant::now();
    // If the client disconnects, its statement is canceled.
    let handling = db::abort_on_drop(CURRENT.scope(id, next.call(request)));
    let answered = handling.instrument(span.clone()).await;
    let duration = start.elapsed();
    let (status, route) = match &answered {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    metrics::request_answered(&method, route.as_deref(), status, duration);
    span.in_scope(|| log(method.as_str(), &path, route.as_deref(), status, duration));
    match answered {
        Ok(mut response) => {
            response.headers_mut().insert(REQUEST_ID, header);
            Ok(response)
        }
        // A response that actix makes of the error later would not have the id.
        Err(error) => {
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, header);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Writes the log line of a request. Frequent requests of machines, and files of the page, are logged at debug level only.
fn log(method: &str, path: &str, route: Option<&str>, status: StatusCode, duration: Duration) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if matches!(route, None | Some("/livez" | "/readyz" | "/metrics")) {
        tracing::debug!(http.method = method, http.path = path, http.status = status, duration_ms, "{method} {path}");
    } else {
        tracing::info!(http.method = method, http.path = path, http.status = status, duration_ms, "{method} {path}");
    }
}

/// Returns the id that came with the request, if it is one token of ASCII (RFC 9110, section 5.6.2): it is written to logs and
/// responses.
fn client_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    ((1..=MAX_ID_CHARS).contains(&id.len()) && id.bytes().all(is_token)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_accepted_only_if_it_is_a_short_token() {
        let longest = "x".repeat(64);
        let too_long = "x".repeat(65);
        for (sent, sane) in
            [("a-1_B.2~", true), (&longest, true), (&too_long, false), ("", false), ("a b", false), ("a\"b", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(sent).expect("a header"));
            assert_eq!(client_id(&headers).as_deref(), sane.then_some(sent), "{sent}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(b"\xff").expect("a header"));
        assert_eq!(client_id(&headers), None);
    }
}
