//! Many tabs of one browser, and notices on all pages: running imports, and a server that cannot be reached.

use serde_json::json;
use tests::{TestApp, csv::Csv, proxy::Proxy};

use crate::{browser::Browser, watchable};

/// More tabs than the six connections that a browser opens to a host over HTTP/1.1.
const TABS: usize = 10;

#[tokio::test]
async fn ten_tabs_of_one_browser_load_and_all_show_live_changes() {
    let app = TestApp::start().await;
    app.import("sku,name\ntea-1,Green tea\ntea-2,Black tea\n").await;
    let id = app.db.number("SELECT min(id) FROM products").await;
    let browser = Browser::open(&app, "/products").await;
    browser.wait_for("product-row").await;
    let mut tabs = Vec::new();
    for _ in 1..TABS {
        tabs.push(browser.open_tab("/products").await);
        browser.wait_for("product-row").await;
    }
    tabs.push(browser.tab().await);

    let announced = async |what: &str| {
        let version = app.product(id).await.version;
        assert!(app.patch(id, version, json!({ "name": what })).await.status().is_success());
        for tab in &tabs {
            browser.switch_to(tab.clone()).await;
            browser.until_text("changes", "changed").await;
            browser.click("refresh-list").await;
            browser.until_gone("changes").await;
            browser.until_text("products-table", what).await;
        }
    };
    announced("White tea").await;

    // The tab that opened the stream closes, and the others continue.
    browser.close_tab(tabs.remove(0)).await;
    let announced = async |what: &str| {
        let version = app.product(id).await.version;
        assert!(app.patch(id, version, json!({ "name": what })).await.status().is_success());
        for tab in &tabs {
            browser.switch_to(tab.clone()).await;
            browser.until_text("changes", "changed").await;
        }
    };
    announced("Yellow tea").await;
    browser.assert_silent().await;
}

#[tokio::test]
async fn tabs_with_different_streams_all_load() {
    let app = TestApp::serve(&[]).await;
    // Without a worker they stay queued, and their pages wait for events.
    let mut paths = vec!["/products".to_owned(), "/webhooks".to_owned()];
    for _ in 0..6 {
        paths.push(format!("/imports/{}", app.upload("sku,name\na,A\n").await.id));
    }
    let browser = Browser::open(&app, "/").await;
    for path in &paths {
        browser.open_tab(path).await;
        browser.until("a heading", async || (browser.count("h1").await > 0).then_some(())).await;
        browser.until_loaded().await;
    }
    browser.open_tab("/imports").await;
    browser.wait_for("imports-table").await;
}

#[tokio::test]
async fn a_running_import_is_visible_on_other_pages() {
    let app = watchable().await;
    app.upload(Csv::random(40_000, 36).bytes()).await;
    let browser = Browser::open(&app, "/products").await;
    browser.until_text("running-imports", "%").await;
    assert!(browser.title().await.starts_with("Importing"), "{}", browser.title().await);
    browser.until_gone("running-imports").await;
    assert_eq!(browser.title().await, "Products · Loadify");
}

#[tokio::test]
async fn every_page_reports_an_unreachable_server_and_loads_once_it_is_back() {
    let app = TestApp::start().await;
    app.import("sku,name\ntea-1,Green tea\n").await;
    let proxy = Proxy::to(app.base.trim_start_matches("http://")).await;
    let browser = Browser::open_at(&format!("http://{}", proxy.address), "/webhooks").await;
    browser.wait_for("no-webhooks").await;
    proxy.cut();
    browser.wait_for("unreachable").await;
    browser.click_link("/products").await;
    browser.wait_for("load-problem").await;
    proxy.restore();
    browser.wait_for("product-row").await;
    browser.until_gone("unreachable").await;
    browser.until_gone("load-problem").await;

    // The open list also recovers, and shows what it missed.
    proxy.cut();
    browser.wait_for("unreachable").await;
    let id = app.db.number("SELECT id FROM products").await;
    let version = app.product(id).await.version;
    assert!(app.patch(id, version, json!({ "name": "White tea" })).await.status().is_success());
    proxy.restore();
    browser.until_gone("unreachable").await;
    browser.until_text("changes", "Products changed").await;
}
