//! *Send test*: one attempt while the client waits, logged like any other.

use std::num::NonZeroU32;

use chrono::Utc;
use diesel_async::AsyncConnection;
use governor::{DefaultDirectRateLimiter, Quota, clock::Clock, clock::DefaultClock};
use shared::webhook::{DeliveryDetail, WebhookEvent};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    webhooks::{
        dispatcher, log,
        message::{self, Message},
        outbox, queries,
        queue::{self, Attempted, Claim},
    },
};

/// Tests per minute of one process. Each may last for the whole deadline, and is stored.
const MAX_TESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// Limits test deliveries; one per process.
#[derive(Debug)]
pub struct TestLimiter(DefaultDirectRateLimiter);

impl Default for TestLimiter {
    fn default() -> Self {
        Self(DefaultDirectRateLimiter::direct(Quota::per_minute(MAX_TESTS_PER_MINUTE)))
    }
}

impl TestLimiter {
    /// # Errors
    /// [`ApiError::TooManyRequests`] where the limit is reached.
    fn check(&self) -> ApiResult<()> {
        self.0.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            ApiError::TooManyRequests { what: "test deliveries", wait_seconds: wait.as_secs() + 1 }
        })
    }
}

/// Sends a sample message and returns the result. The webhook may be disabled; nothing is retried, and the response does not
/// disable it. No database connection is held during the request.
pub async fn send(app: &App, webhook_id: i64, event: WebhookEvent) -> ApiResult<DeliveryDetail> {
    app.dispatcher.tests.check()?;
    let at = Utc::now();
    let event_id = outbox::new_event_id();
    let Message { data, .. } = message::sample(event, at);
    let payload = message::body(event, at, &data);
    let claim = {
        let mut conn = app.db().await?;
        let found = queries::get(&mut conn, webhook_id).await?;
        let webhook = found.ok_or_else(|| ApiError::not_found("webhook", webhook_id))?;
        let lease = i32::try_from(dispatcher::lease(&app.config).as_secs()).unwrap_or(i32::MAX);
        let id = log::insert_test(&mut conn, webhook_id, event, &event_id, &payload, lease).await?;
        let old_secret = webhook.old_secret.filter(|_| webhook.old_secret_until.is_some_and(|until| until > at));
        let (url, secret) = (webhook.url, webhook.secret);
        let (epoch, failures, test, bulk) = (1, 0, true, false);
        Claim { id, epoch, failures, test, bulk, webhook_id, event_id, payload, url, secret, old_secret }
    };
    let outcome = dispatcher::send(app, &claim).await;
    let id = claim.id;
    let attempted = [Attempted { claim, outcome }];
    let mut conn = app.db().await?;
    conn.transaction(async |conn| queue::record(conn, &attempted).await).await?;
    let detail = log::detail(&mut conn, id).await?;
    detail.ok_or_else(|| ApiError::not_found("webhook", webhook_id))
}
