//! Deliveries as they are attempted (Server-Sent Events). Best effort: a client that was not connected reads the log.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use actix_web_lab::sse::{Data as EventData, Event};
use shared::webhook::Delivery;
use tokio::sync::broadcast;
use tracing::Instrument;

use crate::{
    app::App,
    events::DeliveryIds,
    http::{
        ApiResult,
        sse::{self, EventSender},
    },
    webhooks::log,
};

/// Deliveries that a stream reads in one query.
const BATCH_SIZE: usize = 200;

/// Watch deliveries.
///
/// One event `delivery` after each attempt, from now on; `data` is the delivery as in the log. There is no replay: a client
/// that reconnects reads the log first.
#[utoipa::path(get, path = "/webhooks/events", tag = "webhooks", responses(
    (status = 200, body = Delivery, content_type = "text/event-stream"),
))]
pub async fn watch_deliveries(app: Data<App>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let (sender, receiver) = sse::channel();
    let attempted = app.notifications.deliveries();
    actix_web::rt::spawn(stream(app.into_inner(), attempted, sender).in_current_span());
    sse::respond(receiver, &request)
}

/// Ends with the process, or when the client disconnects.
async fn stream(app: Arc<App>, mut attempted: broadcast::Receiver<DeliveryIds>, sender: EventSender) {
    // Sends the head of the response before the first delivery.
    if sender.send(Event::Comment("watching".into())).await.is_err() {
        return;
    }
    loop {
        let next = tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sender.closed() => return,
            next = attempted.recv() => next,
        };
        let mut ids = match next {
            Ok(ids) => ids.to_vec(),
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        while ids.len() < BATCH_SIZE
            && let Ok(more) = attempted.try_recv()
        {
            ids.extend_from_slice(&more);
        }
        let read = async { anyhow::Ok(log::by_ids(&mut *app.pool.get().await?, &ids).await?) };
        let deliveries = read.await.unwrap_or_else(|error| {
            tracing::debug!("A stream of deliveries skips {} of them: {error:#}", ids.len());
            Vec::new()
        });
        for delivery in deliveries {
            let Ok(data) = EventData::new_json(delivery) else { return };
            if sender.send(data.event("delivery")).await.is_err() {
                return;
            }
        }
    }
}
