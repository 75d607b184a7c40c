//! Limits on the resources of webhooks.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::{
    problem::ErrorCode,
    webhook::{DeliveryDetail, MAX_LOGGED_ATTEMPTS, MAX_WEBHOOKS},
};
use tests::{
    TestApp,
    app::problem,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

#[tokio::test]
async fn there_are_at_most_100_webhooks_although_many_are_created_at_once() {
    let app = TestApp::start_with(&[LOCAL]).await;
    app.db
        .execute(
            "INSERT INTO webhooks (url, events, secret) \
             SELECT 'http://127.0.0.1/', '{product.created}', 'whsec_AAAA' FROM generate_series(1, 95)",
        )
        .await;
    let body = json!({ "url": "http://127.0.0.1/", "events": ["product.created"] });
    let created = join_all((0..12).map(|_| app.send_json(Method::POST, "/api/v1/webhooks", &body))).await;
    let count = |status| created.iter().filter(|response| response.status() == status).count();
    assert_eq!((count(StatusCode::CREATED), count(StatusCode::CONFLICT)), (5, 7));
    assert_eq!(app.db.number("SELECT count(*) FROM webhooks").await, MAX_WEBHOOKS);
}

#[tokio::test]
async fn test_deliveries_are_limited_per_minute() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let path = format!("/api/v1/webhooks/{}/test", app.webhook(&receiver).await.webhook.id);
    let sent = join_all((0..70).map(|_| async {
        let response = app.send_json(Method::POST, &path, &json!({})).await;
        if response.status() == StatusCode::OK {
            return false;
        }
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(problem(response).await.code, ErrorCode::TooManyRequests);
        true
    }))
    .await;
    let refused = sent.into_iter().filter(|refused| *refused).count();
    // The limit grows by one per second.
    assert!((1..=10).contains(&refused), "{refused} of 70 were refused");
    assert_eq!(receiver.count(), 70 - refused);
}

#[tokio::test]
async fn what_a_receiver_sends_is_stored_up_to_a_limit() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let headers: String = (0..80).map(|number| format!("x-{number}: {}\r\n", "v".repeat(4_000))).collect();
    let headers: &'static str = headers.leak();
    let receiver = Receiver::behaving(move |_| Answer::Full(200, headers, "b".repeat(100_000))).await;
    let id = app.webhook(&receiver).await.webhook.id;
    let detail: DeliveryDetail = app.done(Method::POST, &format!("/api/v1/webhooks/{id}/test"), &json!({})).await;
    let attempt = &detail.log[0];
    let bytes: usize = attempt.response_headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    assert!((10_000..=16 << 10).contains(&bytes), "{bytes} bytes of headers");
    assert_eq!(attempt.response_body.as_ref().map(String::len), Some(16 << 10));
    let stored = app.db.number("SELECT octet_length(exchange::text)::bigint FROM webhook_attempts").await;
    assert!(stored < 64 << 10, "{stored} bytes");
}

#[tokio::test]
async fn a_delivery_that_was_sent_often_shows_its_newest_attempts() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let id = app.webhook(&receiver).await.webhook.id;
    app.create_product("TEA-01").await;
    let delivery = app.newest(shared::webhook::DeliveryStatus::Delivered, 1).await.delivery.id;
    app.db
        .execute(&format!(
            "INSERT INTO webhook_attempts (delivery_id, no, webhook_id, at, code, duration_us, exchange) \
             SELECT {delivery}, no, {id}, now(), 204, 1, '{{}}' FROM generate_series(2, 300) AS no"
        ))
        .await;
    let detail = app.delivery(delivery).await;
    let numbers: Vec<_> = detail.log.iter().map(|attempt| attempt.no).collect();
    assert_eq!(numbers, (301 - MAX_LOGGED_ATTEMPTS..=300).collect::<Vec<_>>());
    assert_eq!(detail.delivery.attempts, 300);
}
