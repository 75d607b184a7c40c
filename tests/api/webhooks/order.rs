//! The order of deliveries: single changes before mass changes, and the messages of one product one after another.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use shared::webhook::WebhookEvent;
use tests::{
    TestApp, eventually,
    receiver::{Answer, Received, Receiver},
    webhooks::LOCAL,
};

async fn import_products(app: &TestApp, count: usize) -> Vec<i64> {
    let rows: String = (0..count).map(|number| format!("sku-{number},Tea\n")).collect();
    app.import(format!("sku,name\n{rows}")).await;
    let rows = app.db.client.query("SELECT id FROM products ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn bulk(app: &TestApp, action: &str, ids: &[i64]) {
    let _: Value = app.done(Method::POST, "/api/v1/products/bulk", &json!({ "action": action, "ids": ids })).await;
}

async fn pending(app: &TestApp) -> i64 {
    app.db.number("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'").await
}

fn product(request: &Received) -> (i64, i64) {
    let product = &request.json()["data"]["product"];
    (product["id"].as_i64().unwrap(), product["version"].as_i64().unwrap())
}

#[tokio::test]
async fn a_single_change_does_not_wait_for_a_mass_change() {
    let app = TestApp::start_with(&[LOCAL]).await;
    // At best 200 a second: 30,000 take minutes.
    let receiver = Receiver::behaving(|_| Answer::After(Duration::from_millis(20), 204)).await;
    app.webhook(&receiver).await;
    import_products(&app, 30_000).await;
    let _: Value = app.done(Method::DELETE, "/api/v1/products?confirm=30000", &json!({})).await;
    receiver.wait_for(10).await;
    let start = Instant::now();
    let tea = app.create_product("TEA-01").await;
    app.change_product(tea.id, &json!({ "name": "Green tea" })).await;
    eventually("both messages", || async {
        (receiver.received().iter().filter(|request| request.kind() != "product.deleted").count() == 2).then_some(())
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(pending(&app).await > 20_000, "the mass change is still being sent");
}

#[tokio::test]
async fn a_backlog_of_one_webhook_does_not_hold_up_another() {
    for slots in ["1", "4"] {
        // The backlog alone could take all slots of the process.
        let limits = [("WEBHOOK_CONCURRENCY", slots), ("WEBHOOK_ENDPOINT_CONCURRENCY", slots)];
        let app = TestApp::start_with(&[LOCAL, limits[0], limits[1]]).await;
        let slow = Receiver::behaving(|_| Answer::After(Duration::from_millis(20), 204)).await;
        app.webhook_to(&slow.url(), &[WebhookEvent::ProductUpdated]).await;
        let other = Receiver::start().await;
        app.webhook_to(&other.url(), &[WebhookEvent::ProductCreated]).await;
        let ids = import_products(&app, 1_000).await;
        bulk(&app, "deactivate", &ids).await;
        slow.wait_for(10).await;
        let start = Instant::now();
        for number in 1..=5 {
            app.create_product(&format!("new-{number}")).await;
            other.wait_for(number).await;
        }
        assert!(start.elapsed() < Duration::from_secs(3), "{slots} slots: {:?}", start.elapsed());
        assert!(pending(&app).await > 200, "{slots} slots: the backlog is still being sent");
    }
}

#[tokio::test]
async fn steady_single_changes_leave_a_slot_to_mass_changes() {
    let app = TestApp::start_with(&[LOCAL]).await;
    // Single changes get no response and occupy their slots until the deadline.
    let receiver = Receiver::behaving(|request| match request.kind().as_str() {
        "product.created" => Answer::Hang,
        _ => Answer::Status(204),
    })
    .await;
    let id = app.webhook(&receiver).await.webhook.id;
    let ids = import_products(&app, 20).await;
    // Both queues become due at the same time.
    app.db.execute("ALTER TABLE webhook_deliveries ALTER wake_at SET DEFAULT now() + interval '1 hour'").await;
    bulk(&app, "deactivate", &ids).await;
    for number in 0..10 {
        app.create_product(&format!("new-{number}")).await;
    }
    app.db.execute("UPDATE webhook_deliveries SET wake_at = now()").await;
    eventually("the mass change", || async {
        (receiver.received().iter().filter(|request| request.kind() == "product.updated").count() == 20).then_some(())
    })
    .await;
    // After the last message of the mass change, its slot is free for single changes.
    let kinds: Vec<_> = receiver.received().iter().map(Received::kind).collect();
    let last = kinds.iter().rposition(|kind| kind == "product.updated").unwrap();
    let created = kinds[..last].iter().filter(|kind| *kind == "product.created").count();
    assert_eq!(created, 3, "the other slots, of webhook {id}, belong to single changes");
}

#[tokio::test]
async fn the_messages_of_one_product_arrive_in_the_order_of_its_changes() {
    let app = TestApp::start_with(&[LOCAL]).await;
    // The first message takes longest: sent at the same time, the others would overtake it.
    let receiver = Receiver::behaving(|request| {
        Answer::After(Duration::from_millis(if product(request).1 % 3 == 1 { 60 } else { 0 }), 204)
    })
    .await;
    app.webhook(&receiver).await;
    let ids = import_products(&app, 40).await;
    let (one, other) = (ids[0], ids[39]);
    // Of `other`, the mass change waits behind 39 products, and the single ones must wait for it.
    bulk(&app, "deactivate", &ids).await;
    for number in 0..12 {
        for id in [one, other] {
            app.change_product(id, &json!({ "name": format!("Tea {number}") })).await;
        }
    }
    bulk(&app, "activate", &ids).await;
    eventually("all messages", || async { (pending(&app).await == 0).then_some(()) }).await;
    let mut versions: HashMap<i64, Vec<i64>> = HashMap::new();
    for request in receiver.received().iter() {
        let (id, version) = product(request);
        versions.entry(id).or_default().push(version);
    }
    assert_eq!((versions[&one].len(), versions[&other].len()), (14, 14));
    for (id, versions) in versions {
        assert!(versions.is_sorted(), "product {id}: {versions:?}");
    }
}

#[tokio::test]
async fn a_failed_message_does_not_delay_later_ones_of_its_product() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver =
        Receiver::behaving(|request| Answer::Status(if request.kind() == "product.created" { 500 } else { 204 })).await;
    app.webhook_to(&receiver.url(), &WebhookEvent::SUBSCRIBABLE).await;
    let tea = app.create_product("TEA-01").await;
    app.change_product(tea.id, &json!({ "name": "Green tea" })).await;
    let sent = receiver.wait_for(2).await;
    assert_eq!([sent[0].kind(), sent[1].kind()], ["product.created", "product.updated"]);
    eventually("both results", || async { (app.deliveries("status=delivered").await.len() == 1).then_some(()) }).await;
    assert_eq!(pending(&app).await, 1, "the first one is retried later, and `version` says that it is older");
}
