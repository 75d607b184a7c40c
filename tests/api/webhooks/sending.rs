//! Attempts, retries, and how responses are recorded.

use std::time::Duration;

use chrono::Utc;
use reqwest::Method;
use serde_json::json;
use shared::webhook::{AttemptError, DeliveryDetail, DeliveryStatus, NewWebhook, WebhookEvent};
use tests::{
    TestApp,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

/// A short deadline, for receivers that do not respond in time.
const SHORT: (&str, &str) = ("WEBHOOK_DEADLINE_MS", "1000");

async fn test(app: &TestApp, webhook: &NewWebhook) -> DeliveryDetail {
    app.done(Method::POST, &format!("/api/v1/webhooks/{}/test", webhook.webhook.id), &json!({})).await
}

#[tokio::test]
async fn a_failed_delivery_is_retried_by_the_schedule_with_the_same_id_and_body() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Full(500, "", "no\0 way".into())).await;
    app.webhook(&receiver).await;
    app.create_product("a").await;
    let first = app.newest(DeliveryStatus::Pending, 1).await;
    let (attempt, delivery) = (&first.log[0], &first.delivery);
    assert_eq!((attempt.code, attempt.error), (Some(500), None));
    assert_eq!(attempt.response_body.as_deref(), Some("no\u{fffd} way"));
    let pause = delivery.next_attempt_at.unwrap() - attempt.at;
    assert!((4_000..=7_500).contains(&pause.num_milliseconds()), "{pause}");

    app.let_time_pass().await;
    let second = app.attempted(delivery.id, 2).await;
    let pause = second.delivery.next_attempt_at.unwrap() - second.log[1].at;
    assert!((240_000..=362_000).contains(&pause.num_milliseconds()), "{pause}");

    receiver.behave(|_| Answer::Status(201));
    app.let_time_pass().await;
    let third = app.attempted(delivery.id, 3).await;
    assert_eq!((third.delivery.status, third.delivery.last_code), (DeliveryStatus::Delivered, Some(201)));
    let requests = receiver.wait_for(3).await;
    assert!(requests.iter().all(|request| (request.id(), &request.body) == (requests[0].id(), &requests[0].body)));
    assert_eq!(third.payload, requests[0].body);
    let sent = &third.log[2].request_headers;
    let signature = &sent.iter().find(|header| header.name == "webhook-signature").unwrap().value;
    assert_eq!(*signature, requests[2].headers["webhook-signature"]);
}

#[tokio::test]
async fn a_delivery_fails_after_ten_attempts() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Status(400)).await;
    app.webhook(&receiver).await;
    app.create_product("a").await;
    let id = app.newest(DeliveryStatus::Pending, 1).await.delivery.id;
    for attempt in 2..=10 {
        app.let_time_pass().await;
        app.attempted(id, attempt).await;
    }
    let detail = app.delivery(id).await;
    assert_eq!((detail.delivery.status, detail.delivery.next_attempt_at), (DeliveryStatus::Failed, None));
    let numbers: Vec<_> = detail.log.iter().map(|attempt| attempt.no).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn retry_after_is_respected() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Full(429, "retry-after: 600\r\n", String::new())).await;
    app.webhook(&receiver).await;
    app.create_product("a").await;
    let detail = app.newest(DeliveryStatus::Pending, 1).await;
    let pause = detail.delivery.next_attempt_at.unwrap() - Utc::now();
    assert!((590..=600).contains(&pause.num_seconds()), "{pause}");
}

#[tokio::test]
async fn a_dead_receiver_delays_neither_other_receivers_nor_the_user() {
    // One slot for imports in the embedded queue: deliveries have their own.
    let app = TestApp::start_with(&[LOCAL, ("WEBHOOK_CONCURRENCY", "8"), ("IMPORT_CONCURRENCY", "1")]).await;
    let (dead, alive) = (Receiver::behaving(|_| Answer::Hang).await, Receiver::start().await);
    app.webhook(&dead).await;
    app.webhook(&alive).await;
    let start = std::time::Instant::now();
    for number in 0..30 {
        app.create_product(&format!("sku-{number}")).await;
    }
    alive.wait_for(30).await;
    // The deadline of the dead one is 15 s, and nothing has waited for it.
    assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());
    assert_eq!(dead.count(), 4, "it has its own slots, and no more");
}

#[tokio::test]
async fn a_test_returns_the_whole_exchange() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Full(200, "x-shop: tea\r\n", "thanks".into())).await;
    let webhook = app.webhook(&receiver).await;
    let id = webhook.webhook.id;
    app.change_webhook(id, &json!({ "enabled": false })).await;
    let detail = test(&app, &webhook).await;
    let attempt = &detail.log[0];
    assert_eq!(
        (detail.delivery.status, detail.delivery.test, attempt.code),
        (DeliveryStatus::Delivered, true, Some(200))
    );
    assert_eq!(attempt.response_body.as_deref(), Some("thanks"));
    assert!(attempt.response_headers.iter().any(|header| header.name == "x-shop" && header.value == "tea"));
    assert_eq!(attempt.address.as_deref(), Some(receiver.address.to_string().as_str()));
    assert_eq!(attempt.timings.dns_us, None, "there was no name to look up");
    assert!(attempt.timings.connect_us.is_some() && attempt.timings.first_byte_us.is_some());
    let sample: DeliveryDetail =
        app.done(Method::POST, &format!("/api/v1/webhooks/{id}/test"), &json!({ "kind": "import.failed" })).await;
    assert_eq!(sample.delivery.kind, WebhookEvent::ImportFailed);
    assert_eq!(sample.log[0].timings.connect_us, None, "the connection was still open");

    receiver.behave(|_| Answer::Status(410));
    let failed = test(&app, &webhook).await;
    assert_eq!((failed.delivery.status, failed.delivery.next_attempt_at), (DeliveryStatus::Failed, None));
    assert!(failed.log[0].message.as_deref().unwrap().contains("410"));
    let webhook = app.webhook_now(id).await;
    assert_eq!((webhook.health.attempts, webhook.health.recent.len()), (0, 0), "tests do not count");
}

#[tokio::test]
async fn each_kind_of_failure_has_a_code_and_a_message() {
    let app = TestApp::start_with(&[LOCAL, SHORT]).await;
    let receiver = Receiver::start().await;
    let webhook = app.webhook(&receiver).await;
    for (answer, error, text) in [
        (Answer::Hang, AttemptError::Timeout, "within 1 s"),
        (Answer::Reset, AttemptError::Http, "did not respond"),
        (Answer::TakeAndReset, AttemptError::Http, "ended early"),
        (Answer::Garbage, AttemptError::Http, "did not respond"),
    ] {
        let repeated = answer.clone();
        receiver.behave(move |_| repeated.clone());
        let attempt = test(&app, &webhook).await.log.remove(0);
        let message = attempt.message.unwrap();
        assert_eq!((attempt.code, attempt.error), (None, Some(error)), "{answer:?}: {message}");
        assert!(message.contains(text), "{answer:?}: {message}");
    }
    // No server listens on port 1, and this one does not speak TLS.
    for url in ["http://127.0.0.1:1/".to_owned(), format!("https://{}/", receiver.address)] {
        let webhook = app.webhook_to(&url, &[WebhookEvent::ProductCreated]).await;
        let attempt = test(&app, &webhook).await.log.remove(0);
        assert_eq!(attempt.error, Some(AttemptError::Connect), "{url}: {:?}", attempt.message);
    }
}

#[tokio::test]
async fn a_connection_is_reused_and_replaced_when_it_was_closed() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let webhook = app.webhook(&receiver).await;
    for _ in 0..3 {
        assert_eq!(test(&app, &webhook).await.delivery.status, DeliveryStatus::Delivered);
    }
    let connections: Vec<_> = receiver.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
    let mut first = true;
    receiver.behave(move |_| if std::mem::take(&mut first) { Answer::Reset } else { Answer::Status(200) });
    let detail = test(&app, &webhook).await;
    assert_eq!((detail.delivery.status, detail.log.len()), (DeliveryStatus::Delivered, 1));
}
