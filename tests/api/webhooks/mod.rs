//! Managing webhooks, and the events that they send.

mod limits;
mod order;
mod receivers;
mod safety;
mod sending;

use chrono::Utc;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::webhook::{DeliveryStatus, DisabledReason, ReplayOutcome, RotatedSecret, WebhookEvent};
use tests::{
    TestApp,
    app::problem,
    eventually,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

#[tokio::test]
async fn each_change_is_sent_only_to_the_webhooks_that_subscribe_to_it() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let (all, deletions) = (Receiver::start().await, Receiver::start().await);
    app.webhook(&all).await;
    app.webhook_to(&deletions.url(), &[WebhookEvent::ProductDeleted]).await;
    let product = app.create_product("TEA-01").await;
    app.change_product(product.id, &json!({ "name": "Green tea", "attributes": { "size": "XL" } })).await;
    // Nothing changes, so nothing is sent.
    app.change_product(product.id, &json!({ "name": "Green tea" })).await;
    app.delete_product(product.id).await;

    let mut sent = all.wait_for(3).await;
    sent.sort_by_key(|request| request.json()["timestamp"].to_string());
    let kinds: Vec<_> = sent.iter().map(tests::receiver::Received::kind).collect();
    assert_eq!(kinds, ["product.created", "product.updated", "product.deleted"]);
    let update = sent[1].json();
    assert_eq!(
        update["data"]["changed"],
        json!({ "name": { "from": "Tea", "to": "Green tea" }, "attributes.size": { "from": null, "to": "XL" } })
    );
    assert_eq!(update["data"]["product"]["sku"], "TEA-01");
    assert_eq!(sent[0].headers["content-type"], "application/json");
    assert!(sent[0].headers["user-agent"].starts_with("Loadify/"));

    let deleted = deletions.wait_for(1).await;
    assert_eq!((deleted[0].kind(), deleted[0].body.as_str()), ("product.deleted".into(), sent[2].body.as_str()));
    assert_eq!(deleted[0].id(), sent[2].id(), "one event, one id, however many receivers");
    eventually("the log", || async { (app.deliveries("status=delivered").await.len() == 4).then_some(()) }).await;
    assert_eq!((all.count(), deletions.count()), (3, 1));
}

#[tokio::test]
async fn a_mass_change_is_one_event_for_each_product() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    app.webhook(&receiver).await;
    app.import("sku,name\na,A\nb,B\nc,C\n").await;
    let ids: Vec<i64> = app.json("/api/v1/products").await["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|product| product["id"].as_i64().unwrap())
        .collect();
    let _: Value =
        app.done(Method::POST, "/api/v1/products/bulk", &json!({ "action": "deactivate", "ids": ids })).await;
    let sent = receiver.wait_for(3).await;
    assert!(
        sent.iter().all(|request| request.json()["data"]["changed"]["active"] == json!({ "from": true, "to": false }))
    );
    let _: Value = app.done(Method::DELETE, "/api/v1/products?confirm=3", &json!({})).await;
    let sent = receiver.wait_for(6).await;
    let deleted = sent.iter().filter(|request| request.kind() == "product.deleted").count();
    assert_eq!(deleted, 3, "the whole catalogue at once is no exception");
}

#[tokio::test]
async fn the_end_of_an_import_is_sent_with_its_counts_to_subscribers_and_its_products_to_no_webhook() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    app.webhook_to(&receiver.url(), &WebhookEvent::SUBSCRIBABLE).await;
    let products = Receiver::start().await;
    app.webhook(&products).await;
    let import = app.import("sku,name\na,A\na,B\nc,\n").await;
    let sent = receiver.wait_for(1).await;
    assert_eq!(sent[0].kind(), "import.completed");
    let counts = &sent[0].json()["data"]["import"]["counts"];
    assert_eq!(
        *counts,
        json!({ "read": 3, "created": 1, "updated": 0, "unchanged": 0, "duplicates": 1, "rejected": 1 })
    );
    assert_eq!(sent[0].json()["data"]["import"]["id"], import.id);
    let deliveries = app.db.number("SELECT count(*) FROM webhook_deliveries").await;
    assert_eq!((deliveries, products.count()), (1, 0));
}

#[tokio::test]
async fn a_secret_is_shown_once_and_both_secrets_sign_after_a_rotation() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let new = app.webhook(&receiver).await;
    assert!(new.secret.starts_with("whsec_"));
    let rotated: RotatedSecret =
        app.done(Method::POST, &format!("/api/v1/webhooks/{}/rotate", new.webhook.id), &json!({})).await;
    assert_ne!(rotated.secret, new.secret);
    let shown = app.get("/api/v1/webhooks").await.text().await.unwrap();
    assert!(!shown.contains("whsec_"), "{shown}");
    app.create_product("a").await;
    let sent = receiver.wait_for(1).await;
    assert_eq!(sent[0].headers["webhook-signature"].split(' ').count(), 2);
    // The day is over.
    app.db.execute("UPDATE webhooks SET old_secret_until = now()").await;
    app.create_product("b").await;
    let sent = receiver.wait_for(2).await;
    assert_eq!(sent[1].headers["webhook-signature"].split(' ').count(), 1);
}

#[tokio::test]
async fn a_disabled_webhook_gets_no_new_messages_and_its_pending_ones_wait_until_it_is_enabled() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Status(500)).await;
    let id = app.webhook(&receiver).await.webhook.id;
    app.create_product("before").await;
    let pending = app.newest(DeliveryStatus::Pending, 1).await.delivery;
    let off = app.change_webhook(id, &json!({ "enabled": false })).await;
    assert_eq!((off.enabled, off.disabled_reason, off.health.pending), (false, Some(DisabledReason::Manual), 1));
    app.create_product("while it is disabled").await;
    app.let_time_pass().await;
    let waiting = app.deliveries("").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].paused, waiting[0].next_attempt_at), (true, None), "no time is known");
    receiver.behave(|_| Answer::Status(200));
    let on = app.change_webhook(id, &json!({ "enabled": true })).await;
    assert_eq!((on.enabled, on.disabled_reason, on.disabled_at), (true, None, None));
    let detail = app.attempted(pending.id, 2).await;
    assert_eq!(detail.delivery.status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn a_receiver_that_answers_410_is_not_called_again() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Status(410)).await;
    let id = app.webhook(&receiver).await.webhook.id;
    app.create_product("a").await;
    let detail = app.newest(DeliveryStatus::Pending, 1).await;
    assert_eq!(detail.log[0].code, Some(410));
    let webhook = app.webhook_now(id).await;
    assert_eq!((webhook.enabled, webhook.disabled_reason), (false, Some(DisabledReason::Gone)));
}

#[tokio::test]
async fn five_days_of_failures_disable_a_webhook_and_lose_nothing() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Status(503)).await;
    let (failing, fine) = (app.webhook(&receiver).await.webhook.id, Receiver::start().await);
    let fine = app.webhook(&fine).await.webhook.id;
    app.create_product("a").await;
    eventually("attempts", || async {
        (app.db.number("SELECT count(*) FROM webhook_attempts").await == 2).then_some(())
    })
    .await;
    app.db
        .execute(
            "UPDATE webhooks SET enabled_at = now() - interval '6 days'; \
             UPDATE webhook_attempts SET at = now() - interval '5 days 1 minute'",
        )
        .await;
    let webhook = app.webhook_now(failing).await;
    assert!(webhook.enabled, "the last failure was the first one, too");
    app.let_time_pass().await;
    let webhook = eventually("the webhook to be disabled", || async {
        Some(app.webhook_now(failing).await).filter(|webhook| !webhook.enabled)
    })
    .await;
    assert_eq!(webhook.disabled_reason, Some(DisabledReason::Failing));
    assert_eq!(webhook.health.pending, 1, "what is pending waits");
    assert!(app.webhook_now(fine).await.enabled);
}

#[tokio::test]
async fn failed_deliveries_are_sent_again_one_by_one_or_all_since_a_time() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let id = app.webhook(&receiver).await.webhook.id;
    for sku in ["a", "b", "c"] {
        app.create_product(sku).await;
    }
    receiver.wait_for(3).await;
    eventually("three", || async { (app.deliveries("status=delivered").await.len() == 3).then_some(()) }).await;
    app.db
        .execute(
            "UPDATE webhook_deliveries SET status = 'failed', failures = 10; UPDATE webhook_deliveries \
             SET created_at = now() - interval '2 days' WHERE id = (SELECT min(id) FROM webhook_deliveries)",
        )
        .await;
    let since = Utc::now() - chrono::TimeDelta::days(1);
    let outcome: ReplayOutcome =
        app.done(Method::POST, &format!("/api/v1/webhooks/{id}/replay"), &json!({ "since": since })).await;
    assert_eq!(outcome.deliveries, 2);
    let sent = receiver.wait_for(5).await;
    let first = app.deliveries("status=failed").await;
    assert_eq!(first.len(), 1);
    let _: Value =
        app.done(Method::POST, &format!("/api/v1/webhooks/deliveries/{}/redeliver", first[0].id), &json!({})).await;
    let again = receiver.wait_for(6).await;
    assert_eq!(again[5].id(), first[0].event_id, "with the same id");
    let original = sent.iter().find(|request| request.id() == first[0].event_id).unwrap();
    assert_eq!(again[5].body, original.body, "and the same body");
    assert_eq!(app.attempted(first[0].id, 2).await.delivery.status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn the_log_is_filtered_and_paged_and_summarized_as_health() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver =
        Receiver::behaving(|request| Answer::Status(if request.kind() == "product.deleted" { 500 } else { 200 })).await;
    let id = app.webhook(&receiver).await.webhook.id;
    let product = app.create_product("a").await;
    app.change_product(product.id, &json!({ "active": false })).await;
    app.delete_product(product.id).await;
    eventually("three", || async { (app.db.number("SELECT count(*) FROM webhook_attempts").await == 3).then_some(()) })
        .await;
    assert_eq!(app.deliveries("status=pending").await.len(), 1);
    assert_eq!(app.deliveries("kind=product.updated&status=delivered").await.len(), 1);
    assert_eq!(app.deliveries(&format!("webhook={id}")).await.len(), 3);
    assert_eq!(app.deliveries(&format!("webhook={}", id + 1)).await.len(), 0);
    assert_eq!(app.deliveries("since=2099-01-01T00:00:00Z").await.len(), 0);
    let page = app.json("/api/v1/webhooks/deliveries?limit=2").await;
    let rest = app.json(&format!("/api/v1/webhooks/deliveries?limit=2&before={}", page["next"])).await;
    assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 1));
    assert!(rest["next"].is_null());
    let health = app.webhook_now(id).await.health;
    assert_eq!((health.attempts, health.succeeded, health.pending), (3, 2, 1));
    assert!(health.p95_ms.is_some() && health.failing_since.is_some());
    let statuses: Vec<_> = health.recent.iter().map(|delivery| delivery.status).collect();
    assert_eq!(statuses, [DeliveryStatus::Delivered, DeliveryStatus::Delivered, DeliveryStatus::Pending]);
}

#[tokio::test]
async fn deliveries_are_streamed_as_they_are_attempted() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    app.webhook(&receiver).await;
    let mut stream = app.get("/api/v1/webhooks/events").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    app.web.wait_for_line("Listening for events").await;
    app.create_product("a").await;
    while !text.contains("event: delivery") || !text.ends_with("\n\n") {
        let chunk =
            tokio::time::timeout(tests::WAIT_TIMEOUT, stream.chunk()).await.expect("the stream is silent").unwrap();
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let delivery: shared::webhook::Delivery = serde_json::from_str(data).unwrap();
    assert_eq!((delivery.status, delivery.last_code), (DeliveryStatus::Delivered, Some(204)));
}

#[tokio::test]
async fn old_messages_are_deleted_except_those_that_still_wait() {
    let app = TestApp::start_with(&[LOCAL, ("WEBHOOK_RETENTION_DAYS", "7")]).await;
    let receiver = Receiver::start().await;
    app.webhook(&receiver).await;
    app.create_product("old").await;
    app.newest(DeliveryStatus::Delivered, 1).await;
    receiver.behave(|_| Answer::Status(500));
    app.create_product("waits").await;
    let waits = app.newest(DeliveryStatus::Pending, 1).await.delivery.id;
    receiver.behave(|_| Answer::Status(200));
    app.create_product("young").await;
    let young = app.newest(DeliveryStatus::Delivered, 1).await.delivery.id;
    app.db
        .execute(&format!(
            "UPDATE webhook_events SET created_at = now() - interval '8 days' \
             WHERE id <> (SELECT event FROM webhook_deliveries WHERE id = {young})"
        ))
        .await;
    eventually("old messages to be deleted", || async { (app.deliveries("").await.len() == 2).then_some(()) }).await;
    let left: Vec<_> = app.deliveries("").await.into_iter().map(|delivery| delivery.id).collect();
    assert_eq!(left, [young, waits]);
    assert_eq!(app.db.number("SELECT count(*) FROM webhook_attempts").await, 2);
}

#[tokio::test]
async fn invalid_webhooks_are_refused_by_field() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let mut seen = Vec::new();
    for body in [
        json!({ "url": "", "events": ["product.created"] }),
        json!({ "url": "ftp://example.com", "events": [], "description": "x".repeat(201) }),
        json!({ "url": "http://127.0.0.1/", "events": ["webhook.test"] }),
        json!({ "url": "http://user:secret@127.0.0.1/", "events": ["product.created"] }),
        json!({ "url": "http://10.0.0.1/", "events": ["product.created"] }),
        json!({ "url": "http://127.0.0.1/", "events": ["product.painted"] }),
        json!({ "url": "http://127.0.0.1/", "events": ["product.created"], "secret": "x" }),
    ] {
        let problem = problem(app.send_json(Method::POST, "/api/v1/webhooks", &body).await).await;
        let errors: Vec<_> = problem.errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        seen.push(format!("{} {:?} {}", problem.status, problem.code, errors.join("; ")));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "422 Invalid url is missing",
        "422 Invalid url must begin with https:// or http://; description has 201 characters; at most 200 are allowed; events choose at least one",
        "422 Invalid events webhook.test cannot be chosen; it is sent by a test",
        "422 Invalid url must not contain a user name or a password",
        "422 Invalid url leads to 10.0.0.1, which is private",
        "422 Invalid events contains an unknown event; known are product.created, product.updated, product.deleted, import.completed, import.failed",
        "400 BadRequest ",
    ]
    "#);
    for (method, path) in [
        (Method::GET, "/api/v1/webhooks/7"),
        (Method::DELETE, "/api/v1/webhooks/7"),
        (Method::GET, "/api/v1/webhooks/deliveries/7"),
    ] {
        assert_eq!(problem(app.send(method, path).await).await.status, 404);
    }
    let receiver = Receiver::start().await;
    let id = app.webhook(&receiver).await.webhook.id;
    assert_eq!(app.send(Method::DELETE, &format!("/api/v1/webhooks/{id}")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(app.json("/api/v1/webhooks").await, json!({ "items": [] }));
}
