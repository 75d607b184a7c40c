//! One request to a receiver and its outcome, within one deadline and bounded memory.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use serde::{Deserialize, Serialize};
use shared::webhook::{AttemptError, Header, Timings};
use url::Url;

use crate::{
    net::{self, Client, ErrorKind, RequestError, RequestTimings},
    webhooks::{schedule, signature},
};

/// Bytes of the body of a response that are read and recorded; the connection is closed at more.
const MAX_BODY_BYTES: usize = 16 << 10;
/// Bytes of all headers of a response that are recorded, and of one of them.
const MAX_HEADERS_BYTES: usize = 16 << 10;
const MAX_HEADER_BYTES: usize = 1_000;

/// A message to one receiver.
#[derive(Debug)]
pub struct WebhookRequest<'a> {
    pub url: &'a str,
    /// Sent as `webhook-id`.
    pub event_id: &'a str,
    /// One, or two for a day after a rotation.
    pub secrets: Vec<&'a str>,
    pub body: &'a str,
}

/// What was sent and received, as stored in `webhook_attempts.exchange`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExchangeLog {
    pub url: String,
    pub address: Option<String>,
    /// What happened, for users, where it was no success.
    pub message: Option<String>,
    pub timings: Timings,
    pub request_headers: Vec<Header>,
    pub response_headers: Vec<Header>,
    pub response_body: Option<String>,
    pub truncated: bool,
}

/// The result of an attempt.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub at: DateTime<Utc>,
    pub code: Option<u16>,
    pub error: Option<AttemptError>,
    pub duration: Duration,
    /// The delay that the receiver asks for.
    pub retry_after: Option<Duration>,
    pub exchange: ExchangeLog,
}

impl Outcome {
    /// Whether the receiver accepted the message.
    pub fn is_success(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// Whether the receiver asks for no further messages.
    pub fn is_gone(&self) -> bool {
        self.code == Some(410)
    }
}

/// What is known of an exchange so far. The deadline may end it at any point.
#[derive(Default)]
struct Recorder {
    log: ExchangeLog,
    timings: RequestTimings,
    body: Option<Vec<u8>>,
}

/// Sends a message once. Never fails: every error is an outcome. `deadline` covers DNS, connection, TLS, head and body.
pub async fn send(client: &Client, request: &WebhookRequest<'_>, deadline: Duration) -> Outcome {
    let at = Utc::now();
    let start = Instant::now();
    let mut recorder = Recorder::default();
    let result = tokio::time::timeout(deadline, exchange(client, request, at, &mut recorder)).await;
    let duration = start.elapsed();
    let Recorder { mut log, timings, body } = recorder;
    request.url.clone_into(&mut log.url);
    log.timings = recorded_timings(&timings);
    log.response_body = body.as_deref().map(text);
    let (code, error, retry_after) = match result {
        Ok(Ok((status, retry_after))) => {
            log.message = (!status.is_success()).then(|| explain(status));
            (Some(status.as_u16()), None, retry_after)
        }
        Ok(Err(error)) => {
            log.message = Some(error.message);
            (None, Some(attempt_error(error.kind)), None)
        }
        Err(_) => {
            log.message = Some(format!("The response was not complete within {} s.", deadline.as_secs_f64()));
            (None, Some(AttemptError::Timeout), None)
        }
    };
    Outcome { at, code, error, duration, retry_after, exchange: log }
}

fn explain(status: StatusCode) -> String {
    match status.as_u16() {
        300..400 => {
            format!("The receiver answered {status}. Redirects are not followed; change the URL of the webhook.")
        }
        410 => format!("The receiver answered {status}: it asks for no further messages."),
        _ => format!("The receiver answered {status}."),
    }
}

fn attempt_error(kind: ErrorKind) -> AttemptError {
    match kind {
        ErrorKind::Forbidden => AttemptError::Forbidden,
        ErrorKind::Dns => AttemptError::Dns,
        ErrorKind::Connect => AttemptError::Connect,
        ErrorKind::Http => AttemptError::Http,
    }
}

fn recorded_timings(timings: &RequestTimings) -> Timings {
    let micros = |part: Duration| i64::try_from(part.as_micros()).unwrap_or(i64::MAX);
    let parts = timings.get();
    Timings {
        dns_us: parts.dns.map(micros),
        connect_us: parts.connect.map(micros),
        first_byte_us: parts.first_byte.map(micros),
    }
}

async fn exchange(
    client: &Client,
    request: &WebhookRequest<'_>,
    at: DateTime<Utc>,
    recorder: &mut Recorder,
) -> Result<(StatusCode, Option<Duration>), RequestError> {
    let request = signed(client, request, at)?;
    recorder.log.request_headers = recorded_headers(request.headers());
    let response = client.send(request, &recorder.timings).await?;
    let status = response.status();
    recorder.log.address = response.remote_addr().map(|address| address.to_string());
    recorder.log.response_headers = recorded_headers(response.headers());
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| schedule::retry_after(value, SystemTime::now()));
    recorder.log.truncated = read(response, recorder.body.insert(Vec::new())).await?;
    Ok((status, retry_after))
}

fn signed(client: &Client, request: &WebhookRequest<'_>, at: DateTime<Utc>) -> Result<reqwest::Request, RequestError> {
    let forbidden = |error: &dyn std::fmt::Display| {
        RequestError::new(ErrorKind::Forbidden, format!("The URL cannot be called: {error}."))
    };
    let url = Url::parse(request.url).map_err(|error| forbidden(&error))?;
    let timestamp = at.timestamp();
    let secrets = request.secrets.iter().copied();
    client
        .request(Method::POST, url)
        // Also the client's default, but the log shows what the request has.
        .header(USER_AGENT, net::USER_AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", request.event_id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature::sign(secrets, request.event_id, timestamp, request.body))
        .body(request.body.to_owned())
        .build()
        .map_err(|error| forbidden(&error.without_url()))
}

/// Reads the body up to its limit, and returns whether it is longer. Its connection is then closed.
async fn read(mut response: Response, body: &mut Vec<u8>) -> Result<bool, RequestError> {
    while let Some(data) = response.chunk().await.map_err(|error| net::read_error(&error))? {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok(true);
        }
    }
    Ok(false)
}

/// PostgreSQL stores neither NUL nor what is not UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

/// Returns the headers to be stored; what exceeds the limit is left out.
fn recorded_headers(headers: &HeaderMap) -> Vec<Header> {
    let mut room = MAX_HEADERS_BYTES;
    let mut recorded = Vec::new();
    for (name, value) in headers {
        let header = header(name, value);
        let Some(left) = room.checked_sub(header.name.len() + header.value.len()) else { break };
        room = left;
        recorded.push(header);
    }
    recorded
}

fn header(name: &HeaderName, value: &HeaderValue) -> Header {
    let limited = |bytes: &[u8]| text(&bytes[..bytes.len().min(MAX_HEADER_BYTES)]);
    Header { name: limited(name.as_str().as_bytes()), value: limited(value.as_bytes()) }
}
