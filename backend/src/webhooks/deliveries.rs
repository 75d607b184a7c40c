//! `/webhooks/deliveries`.

use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::webhook::{Delivery, DeliveryDetail, DeliveryPage, DeliveryStatus, WebhookEvent};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    webhooks::log::{self, Filter},
};

#[derive(Deserialize, IntoParams)]
pub struct ListDeliveries {
    /// Webhook id
    webhook: Option<i64>,
    status: Option<DeliveryStatus>,
    kind: Option<WebhookEvent>,
    /// Created at this time or later
    since: Option<DateTime<Utc>>,
    /// `next` of the previous page
    before: Option<i64>,
    /// Deliveries on the page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: i64,
}

fn default_limit() -> i64 {
    50
}

fn not_found(id: i64) -> ApiError {
    ApiError::not_found("delivery", id)
}

/// List deliveries, newest first.
#[utoipa::path(get, path = "/webhooks/deliveries", tag = "webhooks", params(ListDeliveries), responses(
    (status = 200, body = DeliveryPage),
))]
pub async fn list_deliveries(app: Data<App>, query: Query<ListDeliveries>) -> ApiResult<Json<DeliveryPage>> {
    let ListDeliveries { webhook, status, kind, since, before, limit } = query.into_inner();
    if !(1..=200).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be 1 to 200"));
    }
    for (field, unknown) in
        [("status", status == Some(DeliveryStatus::Unknown)), ("kind", kind == Some(WebhookEvent::Unknown))]
    {
        if unknown {
            return Err(ApiError::invalid(field, "is not known; see /api/docs"));
        }
    }
    let filter = Filter { webhook, status, kind, since, before };
    let mut items = log::list(&mut *app.db_for_read().await?, &filter, limit + 1).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > page;
    items.truncate(page);
    let next = items.last().filter(|_| more).map(|delivery| delivery.id);
    Ok(Json(DeliveryPage { items, next }))
}

/// Show a delivery with its message and its attempts.
#[utoipa::path(get, path = "/webhooks/deliveries/{id}", tag = "webhooks", responses(
    (status = 200, body = DeliveryDetail),
))]
pub async fn get_delivery(app: Data<App>, id: Path<i64>) -> ApiResult<Json<DeliveryDetail>> {
    log::detail(&mut *app.db().await?, *id).await?.map(Json).ok_or_else(|| not_found(*id))
}

/// Send a delivery again.
///
/// Works for any status. The message has the same `webhook-id` and the same body, so that the receiver can recognize it. A
/// delivery whose attempt is in flight is not changed.
#[utoipa::path(post, path = "/webhooks/deliveries/{id}/redeliver", tag = "webhooks", responses(
    (status = 200, body = Delivery),
))]
pub async fn redeliver(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Delivery>> {
    let delivery = log::redeliver(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?;
    app.queue.enqueue_deliveries(&[delivery.id]);
    Ok(Json(delivery))
}
