//! The pages of webhooks, with a receiver that works, fails and works again.

use serde_json::json;
use shared::webhook::DeliveryStatus;
use tests::{
    TestApp,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

use crate::browser::Browser;

#[tokio::test]
async fn a_webhook_is_created_with_errors_by_field_and_its_secret_shown_once() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    let browser = Browser::open(&app, "/webhooks").await;
    browser.wait_for("no-webhooks").await;
    browser.click("new-webhook").await;
    browser.click("save-webhook").await;
    browser.until_text("error-url", "URL is missing").await;
    // Errors of the server are shown in the same place.
    browser.enter("webhook-url", "http://10.0.0.1/hook").await;
    browser.click("save-webhook").await;
    browser.until_text("error-url", "URL").await;
    assert_eq!(browser.focused_testid().await, "webhook-url");
    for event in ["product.created", "product.updated", "product.deleted"] {
        browser.click(&format!("event-{event}")).await;
    }
    browser.until_text("error-events", "choose at least one").await;
    browser.click("event-product.updated").await;
    browser.enter("webhook-url", &receiver.url()).await;
    browser.enter("webhook-description", "The shop").await;
    browser.click("save-webhook").await;

    browser.wait_for("secret").await;
    let secret = browser.value("secret").await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    browser.click("secret-done").await;
    browser.until_gone("secret").await;
    browser.until_text("webhooks", &receiver.url()).await;
    let card = browser.text("webhooks").await;
    assert!(card.contains("The shop") && card.contains("product.updated"), "{card}");
    assert!(!card.contains("product.created"), "{card}");
    browser.reload().await;
    browser.until_text("webhooks", &receiver.url()).await;
    let page = browser.script("return document.documentElement.outerHTML").await;
    assert!(!page.as_str().unwrap().contains(&secret), "the secret is shown once");

    browser.click("webhook-link").await;
    browser.click("edit-webhook").await;
    browser.enter("webhook-description", "The other shop").await;
    browser.click("save-webhook").await;
    browser
        .until("the change", async || {
            let said = browser.script("return document.querySelector('.page-lead').innerText").await;
            (said == "The other shop").then_some(())
        })
        .await;
    browser.click("rotate-secret").await;
    browser.click("confirm-rotate").await;
    browser.wait_for("secret").await;
    let rotated = browser.value("secret").await;
    assert!(rotated.starts_with("whsec_") && rotated != secret);
    browser.click("secret-done").await;
    browser.wait_for("old-secret").await;
    browser.click("delete-webhook").await;
    browser.click("confirm-delete").await;
    browser.wait_for("no-webhooks").await;
    assert_eq!(app.db.number("SELECT count(*) FROM webhooks").await, 0);
}

#[tokio::test]
async fn a_failure_is_shown_with_its_reason_and_sent_again_when_the_receiver_works() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Full(500, "x-trace: 7\r\n", "the database is down".into())).await;
    let id = app.webhook(&receiver).await.webhook.id;
    let browser = Browser::open(&app, &format!("/webhooks/{id}")).await;
    browser.wait_for("no-deliveries").await;

    // The test shows its result and why it failed.
    browser.click("send-test").await;
    browser.wait_for("attempt").await;
    assert_eq!(browser.text("attempt-outcome").await, "500");
    assert!(browser.text("attempt-why").await.contains("returned a server error"));
    assert_eq!(browser.text("response-body").await, "the database is down");
    let result = browser.text("test-result").await;
    assert!(result.contains("x-trace") && result.contains("First byte") && result.contains("Connect"), "{result}");
    assert_eq!(receiver.received()[0].kind(), "webhook.test");

    // A change of a product appears without a reload.
    app.create_product("TEA-01").await;
    let delivery = app.newest(DeliveryStatus::Pending, 1).await.delivery;
    browser.until_text("log-table", "product.created").await;
    browser.until_text("log-table", "Retrying").await;
    browser.choose("log-kind", "product.created").await;
    browser.until("one row", async || (browser.count("[data-testid=delivery-row]").await == 1).then_some(())).await;
    assert_eq!(browser.query().await, "kind=product.created");
    browser.click("open-delivery").await;
    browser.wait_for("delivery-panel").await;
    browser.until_text("delivery-panel", &delivery.event_id).await;
    browser.until_text("delivery-panel", "the database is down").await;
    assert_eq!(browser.query().await, format!("kind=product.created&delivery={}", delivery.id));

    // The receiver works: the failed delivery is sent again, and the page is updated.
    receiver.behave(|_| Answer::Status(204));
    browser.click("redeliver").await;
    browser.until_text("delivery-status", "Delivered").await;
    browser.until_text("log-table", "Delivered").await;
    let taken = receiver.received().last().unwrap().clone();
    assert_eq!((taken.id(), taken.kind().as_str()), (delivery.event_id.as_str(), "product.created"));
    assert_eq!(browser.count("[data-testid=delivery-panel] [data-testid=attempt]").await, 2);
    browser.click("close-delivery").await;
    browser.until_gone("delivery-panel").await;
    assert_eq!(browser.query().await, "kind=product.created");
    browser.choose("log-status", "failed").await;
    browser.wait_for("no-deliveries").await;
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_webhook_is_disabled_and_enabled_and_its_log_is_paged() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::behaving(|_| Answer::Status(410)).await;
    let id = app.webhook(&receiver).await.webhook.id;
    app.create_product("TEA-01").await;
    let browser = Browser::open(&app, "/webhooks").await;
    // The receiver answered 410: the notice says so, and its delivery waits until the webhook is enabled.
    browser.until_text("disabled-notice", "410 Gone").await;
    receiver.behave(|_| Answer::Status(204));
    browser.click("webhook-link").await;
    browser.until_text("log-table", "until the webhook is enabled").await;
    browser.go("/webhooks").await;
    browser.wait_for("enable-again").await;
    browser.click("enable-again").await;
    browser.until_gone("disabled-notice").await;
    assert!(app.webhook_now(id).await.enabled);
    browser.click("enabled").await;
    browser.until_text("disabled-notice", "manually").await;
    assert_eq!(browser.attribute("enabled", "aria-checked").await.unwrap(), "false");
    assert!(!app.webhook_now(id).await.enabled);
    browser.click("enabled").await;
    browser.until_gone("disabled-notice").await;

    browser.click("webhook-link").await;
    for number in 2..=40 {
        app.create(json!({ "sku": format!("TEA-{number:02}"), "name": "Tea" })).await;
    }
    let rows = "[data-testid=delivery-row]";
    // They appear as they are attempted; the next page begins where this one ends.
    let newest = format!("={}", app.db.number("SELECT max(id) FROM webhook_deliveries").await);
    let first = async || browser.attribute("open-delivery", "href").await.filter(|href| href.ends_with(&newest));
    browser.until("the newest delivery", first).await;
    browser.until("a full page", async || (browser.count(rows).await == 25).then_some(())).await;
    browser.click("log-older").await;
    browser.until("the rest", async || (browser.count(rows).await == 15).then_some(())).await;
    assert!(browser.query().await.starts_with("before="), "{}", browser.query().await);
    browser.click("log-newest").await;
    browser.until("a full page", async || (browser.count(rows).await == 25).then_some(())).await;
    browser.click("snippet-Rust").await;
    browser.until_text("snippet", "standardwebhooks::Webhook").await;
    browser.go("/webhooks/999").await;
    browser.wait_for("no-such-webhook").await;
}
