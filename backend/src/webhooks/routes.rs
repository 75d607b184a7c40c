//! `/webhooks`.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use shared::webhook::{
    DeliveryDetail, MAX_WEBHOOKS, NewWebhook, ReplayOutcome, ReplayRequest, RotatedSecret, TestRequest, Webhook,
    WebhookChange, WebhookEvent, WebhookInput, WebhookList,
};

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    net,
    webhooks::{
        deliveries, health, log, maintenance,
        queries::{self, WebhookRow},
        signature, stream, test_delivery,
    },
};
use shared::auth::Permission::Webhooks;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(list_webhooks), Rule::requires(Webhooks))
        .add(operation!(create_webhook), Rule::requires(Webhooks).audited("webhook.create"))
        .add(operation!(stream::watch_deliveries), Rule::requires(Webhooks))
        .add(operation!(deliveries::list_deliveries), Rule::requires(Webhooks))
        .add(operation!(deliveries::get_delivery), Rule::requires(Webhooks))
        .add(operation!(deliveries::redeliver), Rule::requires(Webhooks).audited("webhook.redeliver"))
        .add(operation!(rotate_secret), Rule::requires(Webhooks).audited("webhook.rotate"))
        .add(operation!(test_webhook), Rule::requires(Webhooks).audited("webhook.test"))
        .add(operation!(replay_deliveries), Rule::requires(Webhooks).audited("webhook.replay"))
        .add(operation!(get_webhook), Rule::requires(Webhooks))
        .add(operation!(update_webhook), Rule::requires(Webhooks).audited("webhook.update"))
        .add(operation!(delete_webhook), Rule::requires(Webhooks).audited("webhook.delete"));
}

fn not_found(id: i64) -> ApiError {
    ApiError::not_found("webhook", id)
}

async fn with_health(conn: &mut AsyncPgConnection, row: WebhookRow) -> ApiResult<Webhook> {
    let health = health::load(conn, &[row.id]).await?.remove(&row.id);
    Ok(row.with(health.unwrap_or_default()))
}

/// List webhooks.
///
/// With the health of each, without secrets.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses(
    (status = 200, body = WebhookList),
))]
pub async fn list_webhooks(app: Data<App>) -> ApiResult<Json<WebhookList>> {
    let mut conn = app.db().await?;
    let rows = queries::list(&mut conn).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut health = health::load(&mut conn, &ids).await?;
    let items = rows.into_iter().map(|row| {
        let health = health.remove(&row.id).unwrap_or_default();
        row.with(health)
    });
    Ok(Json(WebhookList { items: items.collect() }))
}

/// Returns `input` as it is to be stored, if its URL may be called.
async fn validated(app: &App, mut input: WebhookInput) -> ApiResult<WebhookInput> {
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let url = net::parse_url(&input.url).map_err(|error| ApiError::invalid("url", error.0))?;
    app.dispatcher.client.check(&url).await.map_err(|reason| ApiError::invalid("url", reason))?;
    input.url = url.into();
    Ok(input)
}

/// Create a webhook.
///
/// This response is the only one with the secret. A URL whose host has an address that is not public is refused.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", responses(
    (status = 201, body = NewWebhook, headers(("Location" = String, description = "Path of the webhook"))),
))]
pub async fn create_webhook(app: Data<App>, input: Json<WebhookInput>) -> ApiResult<HttpResponse> {
    let input = validated(&app, input.into_inner()).await?;
    let mut conn = app.db().await?;
    let secret = signature::new_secret();
    let row = conn
        .transaction(async |conn| {
            if queries::count_locked(conn).await? >= MAX_WEBHOOKS {
                let message = format!("there are already {MAX_WEBHOOKS} webhooks, the maximum; delete one first");
                return Err(ApiError::Conflict(message));
            }
            Ok(queries::insert(conn, &input, &secret).await?)
        })
        .await?;
    let webhook = with_health(&mut conn, row).await?;
    tracing::info!(webhook.id = webhook.id, "Webhook {}: created", webhook.id);
    let location = format!("/api/v1/webhooks/{}", webhook.id);
    let created = NewWebhook { webhook, secret };
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(created))
}

/// Show a webhook.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 200, body = Webhook),
))]
pub async fn get_webhook(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Webhook>> {
    let mut conn = app.db().await?;
    let row = queries::get(&mut conn, *id).await?.ok_or_else(|| not_found(*id))?;
    Ok(Json(with_health(&mut conn, row).await?))
}

/// Change, enable or disable a webhook.
///
/// While disabled, it gets no new messages, and pending deliveries wait; they are attempted once it is enabled.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 200, body = Webhook),
))]
pub async fn update_webhook(app: Data<App>, id: Path<i64>, change: Json<WebhookChange>) -> ApiResult<Json<Webhook>> {
    let mut change = change.into_inner();
    let before = queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?.input();
    // Before the row is locked, since DNS may be slow. A URL that stays is checked when it is called.
    if change.url.as_ref().is_some_and(|url| *url != before.url) {
        change.url = Some(validated(&app, change.clone().apply(before)).await?.url);
    }
    let mut conn = app.db().await?;
    let row = conn
        .transaction(async |conn| {
            let before = queries::lock(conn, *id).await?.ok_or_else(|| not_found(*id))?;
            let input = change.apply(before.input());
            let errors = input.check();
            if !errors.is_empty() {
                return Err(ApiError::Invalid(errors));
            }
            Ok(queries::update(conn, &before, &input).await?)
        })
        .await?;
    Ok(Json(with_health(&mut conn, row).await?))
}

/// Delete a webhook.
///
/// Pending deliveries are not sent, and its log is deleted.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 204, description = "Deleted"),
))]
pub async fn delete_webhook(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    if queries::delete(&mut *app.db().await?, *id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(not_found(*id))
}

/// Rotate the secret of a webhook.
///
/// This response is the only one with the new secret. For 24 hours messages are signed with both secrets.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", tag = "webhooks", responses(
    (status = 200, body = RotatedSecret),
))]
pub async fn rotate_secret(app: Data<App>, id: Path<i64>) -> ApiResult<Json<RotatedSecret>> {
    let secret = signature::new_secret();
    let rotated = queries::rotate(&mut *app.db().await?, *id, &secret).await?;
    let old_secret_until = rotated.ok_or_else(|| not_found(*id))?;
    Ok(Json(RotatedSecret { secret, old_secret_until }))
}

/// Send a test.
///
/// Sends a signed sample message now, without retries, and returns the attempt with the response. Works for a disabled webhook,
/// too. At most 60 per minute.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", responses(
    (status = 200, body = DeliveryDetail),
))]
pub async fn test_webhook(app: Data<App>, id: Path<i64>, test: Json<TestRequest>) -> ApiResult<Json<DeliveryDetail>> {
    Ok(Json(test_delivery::send(&app, *id, test.kind.unwrap_or(WebhookEvent::Test)).await?))
}

/// Send failed deliveries again.
///
/// Those of a webhook that were created at or after `since` and have failed, without tests.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", responses(
    (status = 200, body = ReplayOutcome),
))]
pub async fn replay_deliveries(
    app: Data<App>,
    id: Path<i64>,
    request: Json<ReplayRequest>,
) -> ApiResult<Json<ReplayOutcome>> {
    let mut conn = app.db().await?;
    queries::get(&mut conn, *id).await?.ok_or_else(|| not_found(*id))?;
    let deliveries = i64::try_from(log::replay(&mut conn, *id, request.since).await?).unwrap_or(i64::MAX);
    if let Some(due) = maintenance::due(&mut conn).await? {
        app.queue.enqueue_deliveries(&[due]);
    }
    Ok(Json(ReplayOutcome { deliveries }))
}
