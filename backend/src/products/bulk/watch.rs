//! The stream of a job's progress.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use actix_web_lab::sse;
use shared::{bulk::BulkJob, problem::Problem};
use tokio::{
    sync::{broadcast, mpsc},
    time::timeout,
};

use super::{job, routes::missing};
use tracing::Instrument;

use crate::{app::App, events, http::ApiResult};

/// How often to look without being told: notifications do not come while the listener is without a connection.
const POLL: Duration = Duration::from_secs(1);
/// The only number that an event of this stream has: that of the last one.
const LAST: &str = "last";

/// Watch a job.
///
/// An event `state` with the job, at once and after each change. Behind that of its end the stream ends, and who comes back
/// for more gets 204, at which an `EventSource` stops.
#[utoipa::path(get, path = "/products/jobs/{id}/events", tag = "products", params(
    ("id" = i64, Path, description = "Number of the job"),
    ("Last-Event-ID" = Option<String>, Header, description = "`last`, where the last event was received"),
), responses(
    (status = 200, body = BulkJob, content_type = "text/event-stream"),
    (status = 204, description = "The job has ended, and its last event has been received"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn watch_job(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    // Before the first look, so that nothing can happen between the two.
    let wakeups = app.wakeups.jobs();
    let job: BulkJob = job::get(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?.into();
    let has_last = request.headers().get("Last-Event-ID").is_some_and(|seen| seen == LAST);
    if job.status.is_final() && has_last {
        return Ok(HttpResponse::NoContent().finish());
    }
    let (sender, receiver) = mpsc::channel(16);
    actix_web::rt::spawn(tell(app.into_inner(), job, wakeups, sender).in_current_span());
    events::answer(receiver, &request)
}

/// Ends with the job, with the process, or when nobody reads any more.
async fn tell(
    app: Arc<App>,
    mut job: BulkJob,
    mut wakeups: broadcast::Receiver<i64>,
    sender: mpsc::Sender<sse::Event>,
) {
    let mut told = None;
    loop {
        if told.as_ref() != Some(&job) {
            let Ok(mut data) = sse::Data::new_json(&job) else { return };
            if job.status.is_final() {
                data = data.id(LAST);
            }
            if sender.send(data.event("state").into()).await.is_err() || job.status.is_final() {
                return;
            }
            told = Some(job.clone());
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sender.closed() => return,
            _ = timeout(POLL, events::news_of(job.id, &mut wakeups)) => {}
        }
        let found = async { anyhow::Ok(job::get(&mut *app.pool.get().await?, job.id).await?) }.await;
        match found {
            Ok(Some(row)) => job = row.into(),
            Ok(None) => return,
            // The stream stays: the database comes back.
            Err(error) => tracing::debug!(job.id, "A stream waits for the database: {error:#}"),
        }
    }
}
