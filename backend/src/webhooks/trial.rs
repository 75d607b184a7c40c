//! *Send test*: one attempt on the spot, kept in the log like any other.

use chrono::Utc;
use diesel_async::AsyncConnection;
use shared::webhook::{DeliveryDetail, WebhookEvent};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    webhooks::{
        courier, log, message,
        outbox::{self, Attempted, Claimed},
        queries,
    },
};

/// Sends a made-up message and gives what became of it. The webhook need not be enabled; nothing is tried again, and
/// nothing is switched off by the answer. No connection to the database is held meanwhile.
pub async fn send(app: &App, webhook_id: i64, kind: WebhookEvent) -> ApiResult<DeliveryDetail> {
    let at = Utc::now();
    let event_id = outbox::new_event_id();
    let payload = message::body(kind, at, &message::sample(kind, at));
    let claimed = {
        let mut conn = app.db().await?;
        let found = queries::get(&mut conn, webhook_id).await?;
        let webhook = found.ok_or_else(|| ApiError::NotFound(format!("webhook {webhook_id}")))?;
        let lease = i32::try_from(courier::lease(&app.config).as_secs()).unwrap_or(i32::MAX);
        let id = log::insert_test(&mut conn, webhook_id, kind, &event_id, &payload, lease).await?;
        let old_secret = webhook.old_secret.filter(|_| webhook.old_secret_until.is_some_and(|until| until > at));
        let (url, secret) = (webhook.url, webhook.secret);
        Claimed { id, epoch: 1, failures: 0, test: true, webhook_id, event_id, payload, url, secret, old_secret }
    };
    let outcome = courier::send(app, &claimed).await;
    let id = claimed.id;
    let attempted = [Attempted { claimed, outcome }];
    let mut conn = app.db().await?;
    conn.transaction(async |conn| outbox::record(conn, &attempted).await).await?;
    let detail = log::detail(&mut conn, id).await?;
    detail.ok_or_else(|| ApiError::NotFound(format!("webhook {webhook_id}")))
}
