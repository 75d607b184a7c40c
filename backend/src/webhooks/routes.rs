//! `/webhooks`.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use shared::{
    problem::Problem,
    webhook::{
        DeliveryDetail, MAX_WEBHOOKS, NewWebhook, ReplayOutcome, ReplayRequest, RotatedSecret, TestRequest, Webhook,
        WebhookChange, WebhookEvent, WebhookInput, WebhookList,
    },
};

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    webhooks::{
        deliveries, health, live, log,
        queries::{self, WebhookRow},
        signature, target, trial,
    },
};
use shared::auth::Permission::Webhooks;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(list_webhooks), Rule::requires(Webhooks))
        .add(operation!(create_webhook), Rule::requires(Webhooks).audited("webhook.create"))
        .add(operation!(live::watch_deliveries), Rule::requires(Webhooks))
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

fn absent(id: i64) -> ApiError {
    ApiError::NotFound(format!("webhook {id}"))
}

async fn with_health(conn: &mut AsyncPgConnection, row: WebhookRow) -> ApiResult<Webhook> {
    let health = health::of(conn, &[row.id]).await?.remove(&row.id);
    Ok(row.with(health.unwrap_or_default()))
}

/// List webhooks.
///
/// With how each has been doing; without their secrets.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses(
    (status = 200, body = WebhookList),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list_webhooks(app: Data<App>) -> ApiResult<Json<WebhookList>> {
    let mut conn = app.db().await?;
    let rows = queries::list(&mut conn).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut health = health::of(&mut conn, &ids).await?;
    let items = rows.into_iter().map(|row| {
        let health = health.remove(&row.id).unwrap_or_default();
        row.with(health)
    });
    Ok(Json(WebhookList { items: items.collect() }))
}

/// `input` as it is to be stored, if its URL may be called.
async fn validated(app: &App, mut input: WebhookInput) -> ApiResult<WebhookInput> {
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let url = target::parse(&input.url).map_err(|refused| ApiError::invalid("url", refused.0))?;
    app.courier.connector.check(&url).await.map_err(|reason| ApiError::invalid("url", reason))?;
    input.url = url.into();
    Ok(input)
}

/// Create a webhook.
///
/// The answer is the only one that shows the secret. A URL whose host has any address that is not public is refused.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", responses(
    (status = 201, body = NewWebhook, headers(("Location" = String, description = "The webhook"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create_webhook(app: Data<App>, input: Json<WebhookInput>) -> ApiResult<HttpResponse> {
    let input = validated(&app, input.into_inner()).await?;
    let mut conn = app.db().await?;
    if queries::count(&mut conn).await? >= MAX_WEBHOOKS {
        return Err(ApiError::Conflict(format!("there are {MAX_WEBHOOKS} webhooks, which is the most there can be")));
    }
    let secret = signature::new_secret();
    let row = queries::insert(&mut conn, &input, &secret).await?;
    let webhook = with_health(&mut conn, row).await?;
    tracing::info!(webhook.id = webhook.id, "Webhook {}: made", webhook.id);
    let location = format!("/api/v1/webhooks/{}", webhook.id);
    let created = NewWebhook { webhook, secret };
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(created))
}

/// Show a webhook.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 200, body = Webhook),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn get_webhook(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Webhook>> {
    let mut conn = app.db().await?;
    let row = queries::get(&mut conn, *id).await?.ok_or_else(|| absent(*id))?;
    Ok(Json(with_health(&mut conn, row).await?))
}

/// Change a webhook, switch it on or off.
///
/// Switched off, it gets nothing new, and what is pending waits; switched on, that goes on.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 200, body = Webhook),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn update_webhook(app: Data<App>, id: Path<i64>, change: Json<WebhookChange>) -> ApiResult<Json<Webhook>> {
    let mut change = change.into_inner();
    let before = queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| absent(*id))?.input();
    // Before the row is locked: the name server may take its time. A URL that stays is judged when it is called.
    if change.url.as_ref().is_some_and(|url| *url != before.url) {
        change.url = Some(validated(&app, change.clone().apply(before)).await?.url);
    }
    let mut conn = app.db().await?;
    let row = conn
        .transaction(async |conn| {
            let held = queries::hold(conn, *id).await?.ok_or_else(|| absent(*id))?;
            let input = change.apply(held.input());
            let errors = input.check();
            if !errors.is_empty() {
                return Err(ApiError::Invalid(errors));
            }
            Ok(queries::update(conn, &held, &input).await?)
        })
        .await?;
    Ok(Json(with_health(&mut conn, row).await?))
}

/// Delete a webhook.
///
/// What is pending for it is not sent, and its log goes with it.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", responses(
    (status = 204, description = "It is gone"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn delete_webhook(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    if queries::delete(&mut *app.db().await?, *id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(absent(*id))
}

/// Rotate the secret of a webhook.
///
/// The answer is the only one that shows the new secret. For 24 hours messages are signed with both.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", tag = "webhooks", responses(
    (status = 200, body = RotatedSecret),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn rotate_secret(app: Data<App>, id: Path<i64>) -> ApiResult<Json<RotatedSecret>> {
    let secret = signature::new_secret();
    let rotated = queries::rotate(&mut *app.db().await?, *id, &secret).await?;
    let old_secret_until = rotated.ok_or_else(|| absent(*id))?;
    Ok(Json(RotatedSecret { secret, old_secret_until }))
}

/// Send a test.
///
/// A made-up message is sent at once and once; the answer comes when the receiver has answered, or not, and says all about
/// it. Works for a webhook that is switched off, too.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", responses(
    (status = 200, body = DeliveryDetail),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn test_webhook(app: Data<App>, id: Path<i64>, test: Json<TestRequest>) -> ApiResult<Json<DeliveryDetail>> {
    Ok(Json(trial::send(&app, *id, test.kind.unwrap_or(WebhookEvent::Test)).await?))
}

/// Try all failed deliveries again.
///
/// Those of a webhook that were made since a moment and were given up. Tests are left out.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", responses(
    (status = 200, body = ReplayOutcome),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn replay_deliveries(
    app: Data<App>,
    id: Path<i64>,
    request: Json<ReplayRequest>,
) -> ApiResult<Json<ReplayOutcome>> {
    let mut conn = app.db().await?;
    queries::get(&mut conn, *id).await?.ok_or_else(|| absent(*id))?;
    let ids = log::replay(&mut conn, *id, request.since).await?;
    app.queue.enqueue_deliveries(&ids);
    Ok(Json(ReplayOutcome { deliveries: i64::try_from(ids.len()).unwrap_or(i64::MAX) }))
}
