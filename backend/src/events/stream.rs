//! What all streams of events have in common (Server-Sent Events, HTML Living Standard, section 9.2).

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, Responder};
use actix_web_lab::sse::{self, Sse};
use futures_util::StreamExt;
use tokio::sync::{broadcast, mpsc};

use crate::{auth, http::ApiResult, telemetry::metrics::OpenStream};

/// A comment so often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How soon a browser comes back when the stream ends.
const RETRY: Duration = Duration::from_secs(1);

/// The answer that passes on what is received, for as long as who asked may see it.
///
/// # Errors
/// Where they have too many streams open.
pub fn answer(receiver: mpsc::Receiver<sse::Event>, request: &HttpRequest) -> ApiResult<HttpResponse> {
    let open = OpenStream::new();
    // Held by the stream, which goes when the answer does.
    let events = auth::watched(receiver, request)?.inspect(move |_| {
        let _ = &open;
    });
    let answer = Sse::from_infallible_stream(events)
        .with_keep_alive(KEEP_ALIVE)
        .with_retry_duration(RETRY)
        .customize()
        // nginx would hold the events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .respond_to(request)
        .map_into_boxed_body();
    Ok(answer)
}

/// Waits until there is news of `id`.
pub async fn news_of(id: i64, wakeups: &mut broadcast::Receiver<i64>) {
    // To have missed some is news, too.
    while matches!(wakeups.recv().await, Ok(other) if other != id) {}
}
