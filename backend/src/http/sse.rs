//! Streams of events (Server-Sent Events, HTML Living Standard, section 9.2).
//!
//! A stream is a task that reads events and sends them into a small channel; the response passes them on. While the channel
//! is full, because the client does not read, the task must hold nothing that others need, above all no connection of the
//! pool: it collects a page of events, returns the connection, and only then sends. A client that reads nothing for
//! [`SEND_TIMEOUT`] is dropped; a browser reconnects and resumes after the last event that it received.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, Responder};
use actix_web_lab::sse::{self, Sse};
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::timeout};

use crate::{auth, http::ApiResult, telemetry::metrics::OpenStream};

/// A comment at this interval keeps proxies from closing a quiet stream.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a browser waits before it reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Events that wait for the client. What it does not read is in the buffers of the network first.
const BUFFERED_EVENTS: usize = 16;
/// A client that makes no room for an event within this time is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The client does not read any more, or too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the client of the stream is gone")]
pub struct ClientGoneError;

/// The end of a stream into which its task writes.
pub struct EventSender(mpsc::Sender<sse::Event>);

impl EventSender {
    /// Sends an event. The caller must hold no connection of the pool.
    ///
    /// # Errors
    /// [`ClientGoneError`], after which the task is to end.
    pub async fn send(&self, event: impl Into<sse::Event>) -> Result<(), ClientGoneError> {
        let sent = timeout(SEND_TIMEOUT, self.0.send(event.into())).await;
        sent.ok().and_then(Result::ok).ok_or(ClientGoneError)
    }

    /// Waits until the client is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Returns the two ends of a new stream: one for the task that writes events, one for [`respond`].
pub fn channel() -> (EventSender, mpsc::Receiver<sse::Event>) {
    let (sender, receiver) = mpsc::channel(BUFFERED_EVENTS);
    (EventSender(sender), receiver)
}

/// Returns the response that passes on what is received, for as long as the client has access.
///
/// # Errors
/// When the client has too many streams open.
pub fn respond(receiver: mpsc::Receiver<sse::Event>, request: &HttpRequest) -> ApiResult<HttpResponse> {
    let open = OpenStream::new();
    // Dropped with the stream.
    let events = auth::until_access_ends(receiver, request)?.inspect(move |_| {
        let _ = &open;
    });
    let response = Sse::from_infallible_stream(events)
        .with_keep_alive(KEEP_ALIVE_INTERVAL)
        .with_retry_duration(RECONNECT_DELAY)
        .customize()
        // nginx would buffer the events.
        .insert_header(("X-Accel-Buffering", "no"))
        .respond_to(request)
        .map_into_boxed_body();
    Ok(response)
}
