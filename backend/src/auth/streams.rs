//! Event streams last for hours: they end when the session or key that opened them does.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpMessage, HttpRequest, web::Data};
use actix_web_lab::sse;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    app::App,
    auth::{
        keys,
        principal::{Principal, RequestContext, missing_context},
        sessions, users,
    },
    http::{ApiError, ApiResult},
};

/// How often the session or key of a stream is checked: a stream ends within 10 s, including the time of the check.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Returns the events of `receiver` until the principal of the request loses access.
///
/// # Errors
/// [`ApiError::TooManyRequests`] if the principal has too many open streams.
pub fn until_access_ends(
    receiver: mpsc::Receiver<sse::Event>,
    request: &HttpRequest,
) -> ApiResult<impl Stream<Item = sse::Event> + use<>> {
    let app = request.app_data::<Data<App>>().map(|app| Arc::clone(app)).ok_or_else(missing_context)?;
    let context = request.extensions().get::<RequestContext>().cloned().ok_or_else(missing_context)?;
    let permit = app.auth.limits.open_stream(context.principal.stream_quota_key(&context.network));
    let permit = permit.ok_or(ApiError::TooManyRequests { what: "open streams", wait_seconds: 10 })?;
    let ended = access_ended(app, context.principal);
    Ok(ReceiverStream::new(receiver).take_until(Box::pin(ended)).map(move |event| {
        // Held as long as the stream is open.
        let _ = &permit;
        event
    }))
}

async fn access_ended(app: Arc<App>, principal: Principal) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        match has_access(&app, &principal).await {
            Ok(true) => {}
            Ok(false) => return,
            // While the database is unavailable, sessions and keys cannot be ended either.
            Err(error) => tracing::debug!("A stream cannot be checked: {error:#}"),
        }
    }
}

async fn has_access(app: &App, principal: &Principal) -> anyhow::Result<bool> {
    let mut conn = app.pool.get().await?;
    Ok(match principal {
        Principal::User(user) => {
            sessions::is_active(&mut conn, user.session_id, app.config.auth.session_idle()).await?
        }
        Principal::Key(key) => keys::is_active(&mut conn, key.id).await?,
        // Until the first user is created.
        Principal::LocalTrusted => !users::exist(&mut conn).await?,
        Principal::Anonymous => false,
    })
}
