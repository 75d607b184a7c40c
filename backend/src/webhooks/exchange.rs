//! One request to a receiver and what comes of it, within one deadline and bounded memory.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT},
};
use serde::{Deserialize, Serialize};
use shared::webhook::{AttemptError, Header, Timings};
use url::Url;

use crate::webhooks::{
    connect::{Connection, Connector, Failure, micros},
    schedule, signature,
};

/// Most bytes of the body of an answer that are read; the connection is closed at more.
const MAX_BODY_BYTES: usize = 16 << 10;
/// Most bytes of a header's value that are kept.
const MAX_HEADER_BYTES: usize = 1_000;

/// A message as it is sent.
#[derive(Debug)]
pub struct Letter<'a> {
    pub url: &'a str,
    /// `webhook-id`.
    pub event_id: &'a str,
    /// One, or two during a rotation.
    pub secrets: Vec<&'a str>,
    pub body: &'a str,
}

/// What went over the wire, as it is kept in `webhook_attempts.wire`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    pub url: String,
    pub address: Option<String>,
    /// What happened, for a person, where it was no success.
    pub message: Option<String>,
    pub timings: Timings,
    pub request_headers: Vec<Header>,
    pub response_headers: Vec<Header>,
    pub response_body: Option<String>,
    pub truncated: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub at: DateTime<Utc>,
    pub code: Option<u16>,
    pub error: Option<AttemptError>,
    pub duration: Duration,
    /// The pause that the receiver asks for.
    pub wish: Option<Duration>,
    pub wire: Wire,
}

impl Outcome {
    /// The receiver has taken the message.
    pub fn is_success(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// The receiver does not want to be called any more.
    pub fn is_gone(&self) -> bool {
        self.code == Some(410)
    }
}

/// Sends a message, once. Never fails: what goes wrong is the outcome. `deadline` is over all of it: name server,
/// connection, TLS, head and body.
pub async fn post(connector: &Connector, letter: &Letter<'_>, deadline: Duration) -> Outcome {
    let at = Utc::now();
    let start = Instant::now();
    let mut wire = Wire { url: letter.url.to_owned(), ..Wire::default() };
    let exchange = exchange(connector, letter, at, &mut wire);
    let result = tokio::time::timeout(deadline, exchange).await.unwrap_or_else(|_| {
        let message = format!("It did not end within {} s.", deadline.as_secs_f64());
        Err(Failure::new(AttemptError::Timeout, message))
    });
    let duration = start.elapsed();
    match result {
        Ok((status, wish)) => {
            if !status.is_success() {
                wire.message = Some(explain(status));
            }
            Outcome { at, code: Some(status.as_u16()), error: None, duration, wish, wire }
        }
        Err(failure) => {
            wire.message = Some(failure.message);
            Outcome { at, code: None, error: Some(failure.error), duration, wish: None, wire }
        }
    }
}

fn explain(status: StatusCode) -> String {
    match status.as_u16() {
        300..400 => {
            format!("The receiver answered {status}. Redirects are not followed: give the webhook its new URL.")
        }
        410 => format!("The receiver answered {status}: it does not want to be called any more."),
        _ => format!("The receiver answered {status}."),
    }
}

/// `wire` holds what is known when the deadline cuts this off.
async fn exchange(
    connector: &Connector,
    letter: &Letter<'_>,
    at: DateTime<Utc>,
    wire: &mut Wire,
) -> Result<(StatusCode, Option<Duration>), Failure> {
    let url = Url::parse(letter.url)
        .map_err(|error| Failure::new(AttemptError::Forbidden, format!("The URL is none: {error}.")))?;
    let request = request(&url, letter, at)?;
    wire.request_headers = kept(request.headers());
    let addresses = connector.addresses(&url, &mut wire.timings).await?;
    let mut connection = match connector.reuse(&url, &addresses) {
        Some(connection) => connection,
        None => connector.connect(&url, &addresses, &mut wire.timings).await?,
    };
    wire.address = Some(connection.address.to_string());
    let mut sent = send(&mut connection, request.clone(), wire).await;
    if sent.is_err() && connection.used {
        // The receiver had closed it, at the moment when it was written to. The message has its id, should it come twice.
        connection = connector.connect(&url, &addresses, &mut wire.timings).await?;
        wire.address = Some(connection.address.to_string());
        sent = send(&mut connection, request, wire).await;
    }
    let (head, body) = sent?.into_parts();
    wire.response_headers = kept(&head.headers);
    let wish = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wish = wish.and_then(|value| schedule::retry_after(value, SystemTime::now()));
    if read(body, wire).await? {
        connector.keep(&url, connection).await;
    }
    Ok((head.status, wish))
}

fn request(url: &Url, letter: &Letter<'_>, at: DateTime<Utc>) -> Result<Request<Full<Bytes>>, Failure> {
    let timestamp = at.timestamp();
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("Loadify/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", letter.event_id)
        .header("webhook-timestamp", timestamp)
        .header(
            "webhook-signature",
            signature::sign(letter.secrets.iter().copied(), letter.event_id, timestamp, letter.body),
        )
        .body(Full::new(Bytes::copy_from_slice(letter.body.as_bytes())))
        .map_err(|error| Failure::new(AttemptError::Forbidden, format!("The URL cannot be called: {error}.")))
}

async fn send(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
    wire: &mut Wire,
) -> Result<Response<Incoming>, Failure> {
    let start = Instant::now();
    let response = connection.sender.send_request(request).await;
    wire.timings.first_byte_us = response.is_ok().then(|| micros(start));
    response.map_err(|error| Failure::new(AttemptError::Http, format!("No answer came: {}.", causes(&error))))
}

/// Reads as much of the body as is kept. Gives `true` when that was all of it.
async fn read(mut body: Incoming, wire: &mut Wire) -> Result<bool, Failure> {
    let mut kept = Vec::new();
    let result = loop {
        match body.frame().await {
            None => break Ok(true),
            Some(Err(error)) => {
                let message = format!("The answer ended in the middle: {}.", causes(&error));
                break Err(Failure::new(AttemptError::Http, message));
            }
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = MAX_BODY_BYTES - kept.len();
                kept.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    wire.truncated = true;
                    break Ok(false);
                }
            }
        }
        // Not only at the end: the deadline may come first.
        wire.response_body = Some(text(&kept));
    };
    wire.response_body = Some(text(&kept));
    result
}

/// Hyper's own texts end at "connection error"; the cause is what helps.
fn causes(error: &hyper::Error) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The database takes neither a NUL nor what is not UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

fn kept(headers: &HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        let bytes = value.as_bytes();
        Header { name: name.to_string(), value: text(&bytes[..bytes.len().min(MAX_HEADER_BYTES)]) }
    };
    headers.iter().map(header).collect()
}
