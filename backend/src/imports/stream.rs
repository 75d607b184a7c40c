//! The stream of events of one import (Server-Sent Events, HTML Living Standard, section 9.2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use actix_web_lab::sse::Data as EventData;
use chrono::{DateTime, TimeDelta, Utc};
use shared::{event::ImportState, import::Import};
use tokio::{sync::broadcast, time::timeout};
use tracing::Instrument;

use crate::{
    app::App,
    events,
    http::{
        ApiError, ApiResult,
        sse::{self, EventSender},
    },
    imports::queries,
    telemetry::metrics,
};

/// Interval of checks without a notification: none arrive while the listener has no connection.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Events per query.
const PAGE_SIZE: i64 = 500;

/// Watch an import.
///
/// Starts with one event `state`, without a number: the import as it is now. Its numbered events follow, from the one after
/// `Last-Event-ID`, or from the first. The stream ends after the last event of an import that has ended; a client that
/// reconnects with its number receives 204, at which an `EventSource` stops.
#[utoipa::path(get, path = "/imports/{id}/events", tag = "imports", params(
    ("id" = i64, Path, description = "Import id"),
    ("Last-Event-ID" = Option<i64>, Header, description = "Number of the last event received"),
), responses(
    (status = 200, body = shared::event::ImportEvent, content_type = "text/event-stream"),
    (status = 204, description = "The import has ended, and all of its events have been received"),
))]
pub async fn watch_import(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let seen = last_event_id(&request)?;
    // Before the first query, so that no event between the two is missed.
    let notifications = app.notifications.imports();
    let mut conn = app.db().await?;
    let found = queries::get(&mut conn, *id).await?;
    let import: Import = found.ok_or_else(|| ApiError::not_found("import", *id))?.into();
    if import.status.is_final() && seen.is_some_and(|seen| seen >= import.last_seq) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let state = ImportState { now: events::now(&mut conn).await?, import };
    drop(conn);
    let (sender, receiver) = sse::channel();
    let stream = Stream {
        app: app.into_inner(),
        import_id: *id,
        seen: seen.unwrap_or(0),
        opened: (state.now, Instant::now()),
        sender,
    };
    actix_web::rt::spawn(stream.run(state, notifications).in_current_span());
    sse::respond(receiver, &request)
}

fn last_event_id(request: &HttpRequest) -> ApiResult<Option<i64>> {
    let Some(value) = request.headers().get("Last-Event-ID") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| ApiError::BadRequest("Last-Event-ID must be a number".into()))
}

struct Stream {
    app: Arc<App>,
    import_id: i64,
    /// Number of the last event sent.
    seen: i64,
    /// When the stream was opened, by the clock of the database, which events are based on, and by that of this process.
    opened: (DateTime<Utc>, Instant),
    sender: EventSender,
}

impl Stream {
    /// Runs until the import or the process ends, or the client disconnects.
    async fn run(mut self, state: ImportState, mut notifications: broadcast::Receiver<i64>) {
        let Ok(state) = EventData::new_json(state) else { return };
        if self.sender.send(state.event("state")).await.is_err() {
            return;
        }
        loop {
            match self.catch_up().await {
                Ok(true) => return,
                Ok(false) => {}
                // The stream stays: the database comes back, and nothing is missed.
                Err(error) => tracing::debug!(import.id = self.import_id, "A stream waits for the database: {error:#}"),
            }
            tokio::select! {
                () = self.app.shutdown.cancelled() => return,
                () = self.sender.closed() => return,
                _ = timeout(POLL_INTERVAL, events::wait_for(self.import_id, &mut notifications)) => {}
            }
        }
    }

    /// Records the lag of an event, unless it is replayed for a client that connected after it.
    fn measure(&self, at: DateTime<Utc>) {
        let (opened, here) = self.opened;
        if at > opened {
            let now = opened + TimeDelta::from_std(here.elapsed()).unwrap_or_default();
            metrics::event_sent((now - at).to_std().unwrap_or_default());
        }
    }

    /// Sends the events since the last one that was sent. Returns whether that was the end.
    async fn catch_up(&mut self) -> anyhow::Result<bool> {
        loop {
            // The connection is returned before anything is sent: the client may not read.
            let page = events::after(&mut *self.app.pool.get().await?, self.import_id, self.seen, PAGE_SIZE).await?;
            let more = i64::try_from(page.len())? == PAGE_SIZE;
            let newest = page.last().map(|event| event.seq);
            for event in page {
                self.seen = event.seq;
                // A failed import may have been retried: only its newest event can be its end.
                let ends = matches!(event.kind.as_str(), "completed" | "failed" | "cancelled");
                let last = ends && !more && newest == Some(event.seq);
                let data = EventData::new_json(event.data)?.event(event.kind).id(event.seq.to_string());
                if self.sender.send(data).await.is_err() {
                    return Ok(true);
                }
                self.measure(event.at);
                if last {
                    return Ok(true);
                }
            }
            if !more {
                return Ok(false);
            }
        }
    }
}
