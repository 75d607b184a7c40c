//! The stream of changes of the catalogue. Nothing is replayed: who comes back reads the list again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use actix_web_lab::sse;
use shared::{bulk::CatalogueNews, event::ImportEvent, problem::Problem};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::Instant,
};
use tracing::Instrument;

use crate::{
    app::App,
    events::{self, StoredEvent},
    http::ApiResult,
};

/// What imports write is told at most so often.
const BETWEEN_IMPORT_NEWS: Duration = Duration::from_secs(1);

/// Watch the catalogue.
///
/// An event `changed` follows each change by hand. While an import writes there is one at most once a second, without a
/// count. What happens while nobody listens is not told later: read the list again after each connection.
#[utoipa::path(get, path = "/products/events", tag = "products", responses(
    (status = 200, body = CatalogueNews, content_type = "text/event-stream"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn watch_products(app: Data<App>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let (sender, receiver) = mpsc::channel(16);
    actix_web::rt::spawn(tell(app.into_inner(), sender).in_current_span());
    events::answer(receiver, &request)
}

/// Ends with the process, or when nobody reads any more.
async fn tell(app: Arc<App>, sender: mpsc::Sender<sse::Event>) {
    let (mut catalogue, mut imports) = (app.wakeups.catalogue(), app.wakeups.subscribe());
    let uncounted = || CatalogueNews { count: None, ids: Vec::new(), client: None };
    let (mut moved, mut written) = (HashSet::new(), HashMap::new());
    let mut next = Instant::now();
    loop {
        let news = tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sender.closed() => return,
            news = catalogue.recv() => match news {
                Ok(news) => Some(news),
                Err(RecvError::Lagged(_)) => Some(uncounted()),
                Err(RecvError::Closed) => return,
            },
            id = imports.recv() => match id {
                Ok(id) => {
                    moved.insert(id);
                    None
                }
                Err(RecvError::Lagged(_)) => Some(uncounted()),
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep_until(next), if !moved.is_empty() => {
                next = Instant::now() + BETWEEN_IMPORT_NEWS;
                have_written(&app, &mut moved, &mut written).await.then(uncounted)
            }
        };
        if let Some(news) = news {
            let Ok(data) = sse::Data::new_json(news) else { return };
            if sender.send(data.event("changed").into()).await.is_err() {
                return;
            }
        }
    }
}

/// Whether one of the imports that have `moved` has changed more products than were known to be `written`.
async fn have_written(app: &App, moved: &mut HashSet<i64>, written: &mut HashMap<i64, i64>) -> bool {
    let mut news = false;
    for id in moved.drain() {
        let event = async { anyhow::Ok(events::latest(&mut *app.pool.get().await?, id).await?) }.await;
        let Ok(Some(StoredEvent { data, .. })) = event else {
            // Better once too often than not at all.
            news = true;
            continue;
        };
        let Ok(event) = serde_json::from_value::<ImportEvent>(data) else { continue };
        let now = event.counts.created + event.counts.updated;
        news |= now != written.insert(id, now).unwrap_or(0);
        if event.status.is_final() {
            written.remove(&id);
        }
    }
    news
}
