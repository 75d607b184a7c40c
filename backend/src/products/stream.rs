//! The stream of changes of the catalogue. Events are not stored: a client that reconnects reads the list again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use actix_web_lab::sse::Data as EventData;
use shared::{bulk::CatalogueChange, event::ImportEvent};
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tracing::Instrument;

use crate::{
    app::App,
    events::{self, StoredEvent},
    http::{
        ApiResult,
        sse::{self, EventSender},
    },
};

/// Minimum time between two events about changes by imports.
const IMPORT_EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// Watch the catalogue.
///
/// An event `changed` follows each change by a client. While an import writes, there is at most one event per second, without
/// a count. Events are not replayed: read the list again after each connection.
#[utoipa::path(get, path = "/products/events", tag = "products", responses(
    (status = 200, body = CatalogueChange, content_type = "text/event-stream"),
))]
pub async fn watch_products(app: Data<App>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let (sender, receiver) = sse::channel();
    actix_web::rt::spawn(send_changes(app.into_inner(), sender).in_current_span());
    sse::respond(receiver, &request)
}

/// Ends with the process, or when the client disconnects.
async fn send_changes(app: Arc<App>, sender: EventSender) {
    let (mut catalogue, mut imports) = (app.notifications.catalogue(), app.notifications.imports());
    let uncounted = || CatalogueChange::uncounted(None);
    // Imports with an event that has not been looked at, and the rows that each import is known to have written.
    let (mut progressed, mut written) = (HashSet::new(), HashMap::new());
    let mut next = Instant::now();
    loop {
        let change = tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sender.closed() => return,
            change = catalogue.recv() => match change {
                Ok(change) => Some(change),
                Err(RecvError::Lagged(_)) => Some(uncounted()),
                Err(RecvError::Closed) => return,
            },
            id = imports.recv() => match id {
                Ok(id) => {
                    progressed.insert(id);
                    None
                }
                Err(RecvError::Lagged(_)) => Some(uncounted()),
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep_until(next), if !progressed.is_empty() => {
                next = Instant::now() + IMPORT_EVENT_INTERVAL;
                have_written(&app, &mut progressed, &mut written).await.then(uncounted)
            }
        };
        if let Some(change) = change {
            let Ok(data) = EventData::new_json(change) else { return };
            if sender.send(data.event("changed")).await.is_err() {
                return;
            }
        }
    }
}

/// Whether one of the imports that `progressed` has changed more products than are known to be `written`.
async fn have_written(app: &App, progressed: &mut HashSet<i64>, written: &mut HashMap<i64, i64>) -> bool {
    let mut changed = false;
    for id in progressed.drain() {
        let event = async { anyhow::Ok(events::latest(&mut *app.pool.get().await?, id).await?) }.await;
        let Ok(Some(StoredEvent { data, .. })) = event else {
            // An event too many is better than a missing one.
            changed = true;
            continue;
        };
        let Ok(event) = serde_json::from_value::<ImportEvent>(data) else { continue };
        let now = event.counts.created + event.counts.updated;
        changed |= now != written.insert(id, now).unwrap_or(0);
        if event.status.is_final() {
            written.remove(&id);
        }
    }
    changed
}
