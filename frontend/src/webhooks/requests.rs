//! Requests to the API of webhooks.

use chrono::{DateTime, Utc};
use shared::{
    problem::Problem,
    webhook::{
        Delivery, DeliveryDetail, DeliveryPage, NewWebhook, ReplayOutcome, ReplayRequest, RotatedSecret, TestRequest,
        Webhook, WebhookChange, WebhookEvent, WebhookInput, WebhookList,
    },
};

use super::query::LogView;
use crate::api::{BASE, Request, get, send, send_with};

pub async fn list() -> Result<WebhookList, Problem> {
    get(&format!("{BASE}/webhooks")).await
}

pub async fn webhook(id: i64) -> Result<Webhook, Problem> {
    get(&format!("{BASE}/webhooks/{id}")).await
}

pub async fn create(input: &WebhookInput) -> Result<NewWebhook, Problem> {
    send_with("POST", &format!("{BASE}/webhooks"), Request::json(input)).await
}

pub async fn change(id: i64, change: &WebhookChange) -> Result<Webhook, Problem> {
    send_with("PATCH", &format!("{BASE}/webhooks/{id}"), Request::json(change)).await
}

pub async fn delete(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/webhooks/{id}")).await
}

pub async fn rotate(id: i64) -> Result<RotatedSecret, Problem> {
    send("POST", &format!("{BASE}/webhooks/{id}/rotate")).await
}

/// Sends a sample message and returns the result.
pub async fn test(id: i64, kind: Option<WebhookEvent>) -> Result<DeliveryDetail, Problem> {
    send_with("POST", &format!("{BASE}/webhooks/{id}/test"), Request::json(&TestRequest { kind })).await
}

/// Sends failed deliveries since `since` again.
pub async fn replay(id: i64, since: DateTime<Utc>) -> Result<ReplayOutcome, Problem> {
    send_with("POST", &format!("{BASE}/webhooks/{id}/replay"), Request::json(&ReplayRequest { since })).await
}

pub async fn deliveries(webhook: i64, view: &LogView) -> Result<DeliveryPage, Problem> {
    get(&format!("{BASE}/webhooks/deliveries?webhook={webhook}{}", view.conditions())).await
}

pub async fn delivery(id: i64) -> Result<DeliveryDetail, Problem> {
    get(&format!("{BASE}/webhooks/deliveries/{id}")).await
}

pub async fn redeliver(id: i64) -> Result<Delivery, Problem> {
    send("POST", &format!("{BASE}/webhooks/deliveries/{id}/redeliver")).await
}

/// Returns the URL of the stream of deliveries of all webhooks.
pub fn events_url() -> String {
    format!("{BASE}/webhooks/events")
}
