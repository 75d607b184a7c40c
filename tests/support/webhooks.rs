//! Requests of a user or a program to the webhooks API.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use shared::{
    product::Product,
    webhook::{Delivery, DeliveryDetail, DeliveryPage, DeliveryStatus, NewWebhook, Webhook, WebhookEvent},
};

use crate::{TestApp, eventually, receiver::Receiver};

/// Allows webhooks to call the receivers of the tests.
pub const LOCAL: (&str, &str) = ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1/32");

impl TestApp {
    pub async fn send_json(&self, method: Method, path: &str, body: &Value) -> Response {
        self.client.request(method, self.url(path)).header("If-Match", "*").json(body).send().await.unwrap()
    }

    /// Returns the JSON of the response to a request that succeeds.
    pub async fn done<T: serde::de::DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> T {
        let response = self.send_json(method, path, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Creates a webhook to `url`.
    pub async fn webhook_to(&self, url: &str, events: &[WebhookEvent]) -> NewWebhook {
        self.done(Method::POST, "/api/v1/webhooks", &json!({ "url": url, "events": events })).await
    }

    /// Creates a webhook for changes of products.
    pub async fn webhook(&self, receiver: &Receiver) -> NewWebhook {
        self.webhook_to(&receiver.url(), &WebhookEvent::DEFAULT).await
    }

    pub async fn webhook_now(&self, id: i64) -> Webhook {
        serde_json::from_value(self.json(&format!("/api/v1/webhooks/{id}")).await).unwrap()
    }

    pub async fn change_webhook(&self, id: i64, change: &Value) -> Webhook {
        self.done(Method::PATCH, &format!("/api/v1/webhooks/{id}"), change).await
    }

    pub async fn create_product(&self, sku: &str) -> Product {
        self.done(Method::POST, "/api/v1/products", &json!({ "sku": sku, "name": "Tea" })).await
    }

    pub async fn change_product(&self, id: i64, change: &Value) -> Product {
        self.done(Method::PATCH, &format!("/api/v1/products/{id}"), change).await
    }

    pub async fn delete_product(&self, id: i64) {
        let response = self.send(Method::DELETE, &format!("/api/v1/products/{id}")).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    /// Returns the newest deliveries for a query such as `status=failed`.
    pub async fn deliveries(&self, query: &str) -> Vec<Delivery> {
        let page: DeliveryPage =
            serde_json::from_value(self.json(&format!("/api/v1/webhooks/deliveries?limit=200&{query}")).await).unwrap();
        page.items
    }

    pub async fn delivery(&self, id: i64) -> DeliveryDetail {
        serde_json::from_value(self.json(&format!("/api/v1/webhooks/deliveries/{id}")).await).unwrap()
    }

    /// Returns the delivery once at least `attempts` attempts have ended.
    pub async fn attempted(&self, id: i64, attempts: i64) -> DeliveryDetail {
        eventually("an attempt", || async {
            let detail = self.delivery(id).await;
            (detail.delivery.attempts >= attempts).then_some(detail)
        })
        .await
    }

    /// Returns the newest delivery as soon as it has this status and this number of attempts.
    pub async fn newest(&self, status: DeliveryStatus, attempts: i64) -> DeliveryDetail {
        let id = eventually("a delivery", || async {
            let newest = self.deliveries("").await.into_iter().next()?;
            (newest.status == status && newest.attempts == attempts).then_some(newest.id)
        })
        .await;
        self.delivery(id).await
    }

    /// Makes deliveries that wait for a retry due now.
    pub async fn let_time_pass(&self) {
        // Not for attempts in flight, whose lease this would end.
        self.db
            .execute(
                "UPDATE webhook_deliveries AS d SET wake_at = now() WHERE status = 'pending' AND wake_at > now() AND EXISTS \
                 (SELECT FROM webhook_attempts AS a WHERE a.delivery_id = d.id AND a.no = d.epoch)",
            )
            .await;
    }
}
