//! The stream of a job's progress.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use actix_web_lab::sse::Data as EventData;
use shared::bulk::BulkJob;
use tokio::{sync::broadcast, time::timeout};

use super::{job, routes::not_found};
use tracing::Instrument;

use crate::{
    app::App,
    events,
    http::{
        ApiResult,
        sse::{self, EventSender},
    },
};

/// Time between two queries without a notification. Notifications are lost while the listener has no connection.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The id of the last event of this stream; the others have none.
const LAST_EVENT_ID: &str = "last";

/// Watch a job.
///
/// An event `state` with the job, immediately and after each change. The stream ends when the job has ended. A client that
/// reconnects after the last event gets 204, at which an `EventSource` stops.
#[utoipa::path(get, path = "/products/jobs/{id}/events", tag = "products", params(
    ("id" = i64, Path, description = "Job id"),
    ("Last-Event-ID" = Option<String>, Header, description = "`last` if the last event was received"),
), responses(
    (status = 200, body = BulkJob, content_type = "text/event-stream"),
    (status = 204, description = "The job has ended, and its last event has been received"),
))]
pub async fn watch_job(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    // Subscribed before the first query, so that no change in between is missed.
    let notifications = app.notifications.jobs();
    let job: BulkJob = job::get(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?.into();
    let has_last = request.headers().get("Last-Event-ID").is_some_and(|seen| seen == LAST_EVENT_ID);
    if job.status.is_final() && has_last {
        return Ok(HttpResponse::NoContent().finish());
    }
    let (sender, receiver) = sse::channel();
    actix_web::rt::spawn(send_states(app.into_inner(), job, notifications, sender).in_current_span());
    sse::respond(receiver, &request)
}

/// Ends with the job, with the process, or when the client disconnects.
async fn send_states(
    app: Arc<App>,
    mut job: BulkJob,
    mut notifications: broadcast::Receiver<i64>,
    sender: EventSender,
) {
    let mut sent = None;
    loop {
        if sent.as_ref() != Some(&job) {
            let Ok(mut data) = EventData::new_json(&job) else { return };
            if job.status.is_final() {
                data = data.id(LAST_EVENT_ID);
            }
            if sender.send(data.event("state")).await.is_err() || job.status.is_final() {
                return;
            }
            sent = Some(job.clone());
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sender.closed() => return,
            _ = timeout(POLL_INTERVAL, events::wait_for(job.id, &mut notifications)) => {}
        }
        let found = async { anyhow::Ok(job::get(&mut *app.pool.get().await?, job.id).await?) }.await;
        match found {
            Ok(Some(row)) => job = row.into(),
            Ok(None) => return,
            // The stream stays open until the database is available again.
            Err(error) => tracing::debug!(job.id, "The stream of job {} waits for the database: {error:#}", job.id),
        }
    }
}
