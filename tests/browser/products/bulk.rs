//! Selections, changes of many products, and jobs.

use tests::TestApp;
use thirtyfour::Key;

use super::{at_list, with_products};

#[tokio::test]
async fn selected_products_are_changed_deleted_and_restored() {
    let app = with_products(60).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    let inactive = || app.db.number("SELECT count(*) FROM products WHERE NOT active");

    // The second to the fifth, by a range.
    browser.click_nth("select-row", 1, false).await;
    browser.click_nth("select-row", 4, true).await;
    browser.until_text("bulk-count", "4 selected").await;
    browser.click("bulk-deactivate").await;
    browser.until_toast("4 products deactivated").await;
    assert_eq!(inactive().await, 4);
    browser.click("bulk-activate").await;
    browser.until_toast("4 products activated").await;
    assert_eq!(inactive().await, 0);
    let export = browser.attribute("bulk-export", "href").await.unwrap();
    let csv = app.get(&export).await.text().await.unwrap();
    assert_eq!(csv.trim_end().lines().count(), 5, "{csv}");

    browser.click("bulk-delete").await;
    browser.until_toast("4 products deleted").await;
    browser.until_total(56).await;
    browser.until_gone("bulk-bar").await;
    browser.press_in_page("z").await;
    browser.until_toast("4 products restored").await;
    browser.until_total(60).await;
    assert_eq!(browser.skus().await[..2], ["tea-0001", "tea-0002"]);
}

#[tokio::test]
async fn a_selection_belongs_to_its_search_and_filters() {
    let app = with_products(120).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click_nth("select-row", 0, false).await;
    browser.click_nth("select-row", 1, false).await;
    browser.click("next-page").await;
    browser.until("the second page", async || (browser.skus().await.first()? == "tea-0051").then_some(())).await;
    browser.click_nth("select-row", 2, false).await;
    browser.until_text("bulk-count", "3 selected, 2 on other pages").await;

    browser.enter("search", "tea-011").await;
    browser.until_gone("bulk-bar").await;
    browser.until_total(10).await;
    browser.click("select-page").await;
    browser.until_text("bulk-count", "10 selected").await;
    browser.click("status-active").await;
    browser.until_gone("bulk-bar").await;

    // All that match are not all products once the search is cleared.
    browser.enter("search", "tea-00").await;
    browser.until_total(99).await;
    browser.click("select-page").await;
    browser.click("select-all").await;
    browser.until_text("bulk-count", "All 99 matching products selected").await;
    browser.enter("search", "tea-011").await;
    browser.until_gone("bulk-bar").await;
    browser.until_total(10).await;
    assert_eq!(browser.count(".row-ticked").await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active").await, 120);
}

#[tokio::test]
async fn a_change_of_more_than_a_page_is_asked_about_first() {
    let app = with_products(60).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("select-page").await;
    browser.click("next-page").await;
    browser.until("the second page", async || (browser.skus().await.first()? == "tea-0051").then_some(())).await;
    browser.click("select-page").await;
    browser.until_text("bulk-count", "60 selected, 50 on other pages").await;
    browser.click("bulk-deactivate").await;
    browser.until_text("dialog-confirm-bulk", "Deactivate 60 products?").await;
    browser.press(Key::Escape).await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active").await, 60);
    browser.click("bulk-deactivate").await;
    browser.click("confirm-bulk").await;
    browser.until_toast("60 products deactivated").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active").await, 0);
}

#[tokio::test]
async fn all_matches_are_changed_by_a_job_that_shows_its_progress() {
    let app = with_products(9_000).await;
    let browser = at_list(&app, "/products?q=tea").await;
    browser.until_total(9_000).await;
    browser.click("select-page").await;
    browser.until_text("bulk-count", "50 selected").await;
    browser.click("select-all").await;
    browser.until_text("bulk-count", "All 9,000 matching products selected").await;
    browser.click("bulk-deactivate").await;
    browser.click("confirm-bulk").await;
    browser.wait_for("job-bar").await;
    browser.until_text("job-text", "of 9,000 products").await;
    browser.until_toast("9,000 products deactivated").await;
    browser.until_gone("job-bar").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active").await, 0);
    let shown = async |active: &str| {
        browser
            .until("the rows", async || {
                (browser.attribute("toggle-active", "aria-checked").await? == active).then_some(())
            })
            .await;
    };
    shown("false").await;
    browser.click("toast-action").await;
    browser.until_toast("9,000 products activated").await;
    shown("true").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active").await, 9_000);

    browser.click("select-page").await;
    browser.click("select-all").await;
    browser.click("bulk-delete").await;
    browser.until_text("dialog-confirm-bulk", "Delete 9,000 products?").await;
    browser.click("confirm-bulk").await;
    browser.until_toast("9,000 products deleted").await;
    browser.wait_for("no-match").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
}

#[tokio::test]
async fn a_job_that_waits_for_a_worker_shows_it_and_can_be_cancelled() {
    let app = TestApp::serve(&[]).await;
    let worker = app.worker(&[]).await;
    let rows: String = (1..=60).map(|row| format!("tea-{row},Tea\n")).collect();
    app.import(format!("sku,name\n{rows}")).await;
    drop(worker);
    let browser = at_list(&app, "/products").await;
    browser.until_total(60).await;
    browser.click("select-page").await;
    browser.click("select-all").await;
    browser.click("bulk-deactivate").await;
    browser.click("confirm-bulk").await;
    browser.until_text("job-text", "Deactivating 0 of").await;
    browser.reload().await;
    browser.wait_for("job-bar").await;
    browser.until_text("job-text", "Deactivating 0 of").await;
    browser.click("cancel-job").await;
    let _worker = app.worker(&[]).await;
    browser.until_toast("Stopped after deactivating 0 products").await;
    browser.until_gone("job-bar").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active").await, 0);
}

#[tokio::test]
async fn deleting_everything_requires_the_count_to_be_typed() {
    let app = with_products(1_200).await;
    let browser = at_list(&app, "/products").await;
    browser.click("more").await;
    browser.click("delete-all").await;
    browser.until("the count", async || (browser.number("delete-all-count").await == Some(1_200)).then_some(())).await;
    browser.enter("delete-all-confirm", "120").await;
    assert_eq!(browser.count("[data-testid=delete-all-now]:disabled").await, 1);
    browser.enter("delete-all-confirm", "1,200").await;
    browser.click("delete-all-now").await;
    browser.until_toast("1,200 products deleted").await;
    browser.wait_for("no-products").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 1);
}
