//! Streams of events last for hours: they end when the session or key that opened them does.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpMessage, HttpRequest, web::Data};
use actix_web_lab::sse;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    app::App,
    auth::{
        caller::{Caller, Visit, unguarded},
        keys, queries, sessions,
    },
    http::{ApiError, ApiResult},
};

/// How often it is looked whether the session or the key still opens something.
const LOOK: Duration = Duration::from_secs(10);

/// What is received, for as long as who asked may see it.
///
/// # Errors
/// [`ApiError::TooManyRequests`] where they have too many streams open.
pub fn watched(
    receiver: mpsc::Receiver<sse::Event>,
    request: &HttpRequest,
) -> ApiResult<impl Stream<Item = sse::Event> + use<>> {
    let app = request.app_data::<Data<App>>().map(|app| Arc::clone(app)).ok_or_else(unguarded)?;
    let visit = request.extensions().get::<Visit>().cloned().ok_or_else(unguarded)?;
    let place = app.access.limits.open_stream(visit.caller.account(&visit.network));
    let place = place.ok_or(ApiError::TooManyRequests { what: "streams are open", wait_seconds: 10 })?;
    let ended = ended(app, visit.caller);
    Ok(ReceiverStream::new(receiver).take_until(Box::pin(ended)).map(move |event| {
        // Held for as long as the stream is.
        let _ = &place;
        event
    }))
}

async fn ended(app: Arc<App>, caller: Caller) {
    loop {
        tokio::time::sleep(LOOK).await;
        match lives(&app, &caller).await {
            Ok(true) => {}
            Ok(false) => return,
            // Nobody can end a session while the database is away, either.
            Err(error) => tracing::debug!("A stream cannot be checked: {error:#}"),
        }
    }
}

async fn lives(app: &App, caller: &Caller) -> anyhow::Result<bool> {
    let mut conn = app.pool.get().await?;
    Ok(match caller {
        Caller::Person(person) => sessions::lives(&mut conn, person.session_id).await?,
        Caller::Key { id, .. } => keys::lives(&mut conn, *id).await?,
        // Until the first account is made.
        Caller::Anyone => !queries::has_people(&mut conn).await?,
        Caller::Stranger => false,
    })
}
