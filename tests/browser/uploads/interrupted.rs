//! Uploads that are interrupted: by a broken connection, a proxy with its own limits, the end of a session.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tests::{
    TestApp,
    auth::ADMIN_PASSWORD,
    faults::{FaultProxy, Faults},
    nginx::Nginx,
    proxy::Proxy,
};

use super::{SLOW_BYTES_PER_SECOND, count, offsets, products, sending, sending_by};
use crate::browser::Browser;

#[tokio::test]
async fn an_upload_waits_while_offline_and_resumes_automatically() {
    let app = TestApp::start().await;
    let (browser, _, expected) = sending(&app.base, 45).await;
    browser.network(SLOW_BYTES_PER_SECOND, true).await;
    browser.until_upload_is("interrupted").await;
    let status = browser.until_text("upload-status", "retrying").await;
    assert!(status.starts_with("You are offline"), "{status}");
    browser.network(-1, false).await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 1, "{sent:?}");
    assert_eq!(offsets(&sent).iter().filter(|offset| **offset == 0).count(), 1);
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_can_be_retried() {
    let app = TestApp::start().await;
    let proxy = Proxy::to(app.base.trim_start_matches("http://")).await;
    let (browser, _, expected) = sending(&format!("http://{}", proxy.address), 46).await;
    proxy.cut();
    browser.until_text("upload-status", "Connection lost, retrying in").await;
    proxy.restore();
    browser.network(-1, false).await;
    // It may resume before the click.
    browser
        .until("the import", async || {
            if browser.attribute("upload-progress", "data-state").await.as_deref() == Some("interrupted") {
                browser.click("upload-control").await;
            }
            browser.path().await.starts_with("/imports/").then_some(())
        })
        .await;
    browser.wait_for("products-link").await;
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_file_arrives_although_each_request_is_ended_after_three_seconds() {
    let app = TestApp::start().await;
    let faults = Faults {
        latency: Duration::from_millis(20),
        bytes_per_second: Some(200_000),
        cut_requests_after: Some(Duration::from_secs(3)),
        ..Faults::default()
    };
    let proxy = FaultProxy::to(app.base.trim_start_matches("http://"), faults).await;
    let browser = Browser::open_at(&proxy.base(), "/").await;
    browser.record_uploads().await;
    let (file, expected) = products(&browser, 51);
    let before = proxy.tally.from_client_bytes.load(Relaxed);
    browser.pick("file-input", &[&file]).await;
    browser.until("the import", async || browser.path().await.starts_with("/imports/").then_some(())).await;
    let (bytes, size) = (proxy.tally.from_client_bytes.load(Relaxed) - before, file.metadata().unwrap().len());
    // Chromium repeats a request by itself, from its first byte, if a connection that it has used before breaks. The server
    // rejects that at once, but receives what is in the browser's buffers by then.
    assert!(bytes < size + size / 10, "{bytes} bytes were sent for {size}");
    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 1, "{sent:?}");
    assert!(offsets(&sent).len() > 2 && proxy.tally.cuts.load(Relaxed) > 0, "{sent:?}");
    app.end_of(1).await;
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_proxy_that_rejects_large_requests_gets_smaller_ones() {
    let app = TestApp::start().await;
    let web = app.base.clone();
    let site = |port| {
        // Without accounts, Loadify refuses requests that are recognized as those of a proxy; these are not.
        format!(
            "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {web}; proxy_http_version 1.1; \
             proxy_set_header Host $http_host; proxy_set_header Connection ''; }} }}"
        )
    };
    let nginx = Nginx::start(site).await;
    let browser = Browser::open_at(&nginx.base, "/").await;
    browser.record_uploads().await;
    let (file, expected) = products(&browser, 52);
    browser.pick("file-input", &[&file]).await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    // nginx accepts 1 MiB unless its configuration says otherwise.
    let rejected = sent.iter().position(|request| request.bytes > 1 << 20).expect("a chunk that is too large");
    assert!(sent[rejected + 1..].iter().all(|request| request.bytes < sent[rejected].bytes), "{sent:?}");
    assert_eq!(count(&sent, "POST"), 1, "{sent:?}");
    offsets(&sent);
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_reported_with_the_limit() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "1000000")]).await;
    let browser = Browser::open(&app, "/").await;
    browser.record_uploads().await;
    let (file, _) = products(&browser, 53);
    browser.pick("file-input", &[&file]).await;
    browser.until_text("file-problem", "1000000 bytes").await;
    assert_eq!(browser.count("[data-testid=send-again]").await, 0, "it would be rejected again");
    assert!(browser.sent().await.iter().all(|request| request.method == "POST" && request.bytes == 0));
    // Another file can be chosen.
    let small = browser.file("small.csv", b"sku,name\na,b\n");
    browser.pick("file-input", &[&small]).await;
    browser.wait_for("products-link").await;
}

#[tokio::test]
async fn an_upload_stops_at_the_end_of_the_session_and_resumes_after_the_next_sign_in() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/").await;
    let (browser, _, expected) = sending_by(browser, 54).await;
    app.db.execute("DELETE FROM sessions").await;
    browser.wait_for("sign-in-dialog").await;
    browser.until_upload_is("paused").await;
    browser.network(-1, false).await;
    browser.enter("sign-in-password", ADMIN_PASSWORD).await;
    browser.click("sign-in").await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 1, "{sent:?}");
    offsets(&sent);
    app.table().await.assert_equals(&expected);
}
