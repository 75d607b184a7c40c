//! The products page: searching, editing, deleting and restoring, with mouse and keyboard.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tests::{TestApp, eventually};
use thirtyfour::Key;

use crate::browser::Browser;

/// Starts an app with this number of products: `tea-0001`, `tea-0002` and so on, every tenth of them green.
async fn with_products(rows: usize) -> TestApp {
    let app = TestApp::start().await;
    let line = |row: usize| {
        let kind = if row.is_multiple_of(10) { "Green" } else { "Black" };
        format!("tea-{row:04},{kind} tea {row},\"Harvest, number {row}\",{row}.50\n")
    };
    let lines: String = (1..=rows).map(line).collect();
    app.import(format!("sku,name,description,price\n{lines}")).await;
    app
}

/// A browser in which the list is loaded.
async fn at_list(app: &TestApp, path: &str) -> Browser {
    let browser = Browser::open(app, path).await;
    browser.wait_for("product-row").await;
    browser
}

impl Browser {
    /// SKUs of the page from top to bottom.
    async fn skus(&self) -> Vec<String> {
        let read = "return [...document.querySelectorAll('[data-testid=product-row] .cell-sku')].map(c => c.innerText)";
        serde_json::from_value(self.script(read).await).unwrap()
    }

    async fn until_skus(&self, what: &str, expected: &[&str]) {
        self.until(what, async || (self.skus().await == expected).then_some(())).await;
    }

    async fn until_total(&self, total: i64) {
        self.until("the count", async || (self.number("products-total").await == Some(total)).then_some(())).await;
    }
}

#[tokio::test]
async fn results_highlights_and_address_follow_the_typed_words() {
    let app = with_products(300).await;
    let browser = at_list(&app, "/products").await;
    browser.until_total(300).await;
    assert_eq!(browser.skus().await.len(), 50);

    browser.enter("search", "GREEN 0").await;
    browser.until_total(30).await;
    let marked = browser.script("return [...document.querySelectorAll('mark')].map(m => m.innerText)").await;
    let marked: Vec<String> = serde_json::from_value(marked).unwrap();
    assert!(marked.iter().any(|word| word == "Green") && marked.iter().any(|word| word == "0"), "{marked:?}");
    assert_eq!(browser.query().await, "q=GREEN%200");

    // Typing adds no entry to the history; a filter adds one.
    browser.click("status-inactive").await;
    browser.wait_for("no-match").await;
    browser.back().await;
    browser.until_total(30).await;
    browser.reload().await;
    browser.until_total(30).await;
    assert_eq!(browser.attribute("search", "value").await, None, "the value is a property, not an attribute");
    assert_eq!(browser.value("search").await, "GREEN 0");

    browser.enter("search", "tea-0042").await;
    browser.until_skus("the one product", &["tea-0042"]).await;
    browser.enter("search", "coffee").await;
    browser.wait_for("no-match").await;
    browser.click("clear-all").await;
    browser.until_total(300).await;
    assert_eq!(browser.value("search").await, "");
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_late_response_never_overwrites_a_newer_one() {
    let app = with_products(60).await;
    let browser = at_list(&app, "/products").await;
    // The first responses are held back until the last one has arrived.
    browser
        .script(
            "const fetch = window.fetch; window.held = [];
             window.fetch = (url, options) => String(url).includes('q=tea-00&') || String(url).endsWith('q=tea-00')
                 ? new Promise(go => window.held.push(() => go(fetch(url, { ...options, signal: undefined }))))
                 : fetch(url, options);",
        )
        .await;
    browser.enter("search", "tea-00").await;
    browser
        .until("the slow request", async || (browser.script("return held.length").await.as_i64()? > 0).then_some(()))
        .await;
    assert_eq!(browser.skus().await.len(), 50, "the old rows stay");
    browser.enter("search", "tea-0007").await;
    browser.until_skus("the newer response", &["tea-0007"]).await;
    browser.script_async("held.forEach(go => go()); setTimeout(arguments[0], 500)").await;
    assert_eq!(browser.skus().await, ["tea-0007"]);
}

#[tokio::test]
async fn filters_order_and_page_are_in_the_address_and_each_can_be_removed() {
    let app = with_products(120).await;
    app.create(json!({ "sku": "coffee-1", "name": "Coffee" })).await;
    let browser = at_list(&app, "/products").await;
    browser.until_total(121).await;

    browser.click("filters").await;
    browser.choose("filter-description", "false").await;
    browser.until_skus("the one without a description", &["coffee-1"]).await;
    assert_eq!(browser.count("[data-testid=chip]").await, 1);
    browser.press(Key::Escape).await;
    browser.until_gone("filters-panel").await;
    browser.click("chip").await;
    browser.until_total(121).await;

    browser.click("sort-sku").await;
    browser.until("SKUs in order", async || (browser.skus().await.first()? == "coffee-1").then_some(())).await;
    assert_eq!(browser.sort_of("sort-sku").await, "ascending");
    browser.click("sort-sku").await;
    browser.until("SKUs in reverse order", async || (browser.skus().await.first()? == "tea-0120").then_some(())).await;
    assert_eq!(browser.sort_of("sort-sku").await, "descending");

    let first = browser.skus().await;
    browser.click("next-page").await;
    browser.until("the second page", async || (browser.skus().await.first()? == "tea-0070").then_some(())).await;
    browser.click("previous-page").await;
    browser.until("the first page", async || (browser.skus().await == first).then_some(())).await;
    browser.choose("page-size", "100").await;
    browser.until("a longer page", async || (browser.skus().await.len() == 100).then_some(())).await;
    assert!(browser.query().await.contains("limit=100"), "{}", browser.query().await);
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_product_is_added_edited_duplicated_deleted_and_restored() {
    let app = with_products(3).await;
    let browser = at_list(&app, "/products").await;

    browser.click("new-product").await;
    browser.wait_for("field-sku").await;
    browser.click("save").await;
    browser.until_text("error-sku", "SKU is missing").await;
    browser.enter("field-sku", "TEA-0002").await;
    browser.enter("field-name", "Oolong").await;
    browser.click("save").await;
    browser.wait_for("other-product").await;
    browser.enter("field-sku", "oolong-1").await;
    browser.click("add-attribute").await;
    browser.enter("attribute-name", "origin").await;
    browser.enter("attribute-value", "Taiwan").await;
    browser.click("save").await;
    browser.until_gone("panel").await;
    browser.until_total(4).await;
    browser.until("the new one first", async || (browser.skus().await.first()? == "oolong-1").then_some(())).await;

    browser.click("product-row").await;
    browser.wait_for("field-name").await;
    assert_eq!(browser.value("attribute-value").await, "Taiwan");
    browser.enter("field-name", "Fine oolong").await;
    // A key does not discard unsaved changes.
    browser.press(Key::Escape).await;
    browser.wait_for("discard-changes").await;
    browser.press(Key::Escape).await;
    browser.click("save").await;
    browser.until_gone("panel").await;
    browser.until_text("product-row", "Fine oolong").await;

    browser.click("product-row").await;
    browser.click("duplicate").await;
    browser.until("the copy", async || (browser.path().await == "/products/new").then_some(())).await;
    browser.until("its name", async || (browser.value("field-name").await == "Fine oolong").then_some(())).await;
    browser.until("its SKU", async || browser.value("field-sku").await.is_empty().then_some(())).await;
    browser.enter("field-sku", "oolong-2").await;
    browser.click("save").await;
    browser.until_total(5).await;

    browser.until_gone("panel").await;
    browser.click("product-row").await;
    browser.wait_for("delete-product").await;
    browser.click("delete-product").await;
    browser.until_toast("oolong-2 deleted").await;
    browser.until_total(4).await;
    browser.click("toast-action").await;
    browser.until_toast("1 product restored").await;
    browser.until_total(5).await;
    assert_eq!(browser.skus().await[0], "oolong-2");
    let row =
        app.db.number("SELECT count(*) FROM products WHERE sku = 'oolong-2' AND attributes->>'origin' = 'Taiwan'");
    assert_eq!(row.await, 1);
}

#[tokio::test]
async fn a_product_is_deactivated_in_its_row_and_a_stale_row_is_reported() {
    let app = with_products(2).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("toggle-active").await;
    eventually("the product to be inactive", || async {
        (app.db.number("SELECT count(*) FROM products WHERE NOT active").await == 1).then_some(())
    })
    .await;
    assert_eq!(browser.attribute("toggle-active", "aria-checked").await.as_deref(), Some("false"));

    // Someone else renames it, so the row is out of date.
    let id = app.db.number("SELECT id FROM products WHERE sku = 'tea-0001'").await;
    let version = app.product(id).await.version;
    assert_eq!(app.patch(id, version, json!({ "name": "White tea" })).await.status(), StatusCode::OK);
    browser.click("toggle-active").await;
    browser.until_toast("Someone else changed tea-0001").await;
    browser.until_text("product-row", "White tea").await;
    assert_eq!(browser.attribute("toggle-active", "aria-checked").await.as_deref(), Some("false"));
    browser.click("toggle-active").await;
    eventually("the product to be active", || async {
        (app.db.number("SELECT count(*) FROM products WHERE NOT active").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_users_edit_one_product_and_the_second_chooses() {
    let app = with_products(1).await;
    let id = app.db.number("SELECT id FROM products").await;
    let path = format!("/products/{id}");
    let (one, two) = tokio::join!(at_list(&app, &path), at_list(&app, &path));
    for browser in [&one, &two] {
        browser.wait_for("field-name").await;
    }
    one.enter("field-name", "Sencha").await;
    one.enter("attribute-value", "9.99").await;
    one.click("save").await;
    one.until_gone("panel").await;

    two.enter("field-name", "Gyokuro").await;
    two.enter("field-description", "From Uji").await;
    two.click("save").await;
    two.wait_for("conflict").await;
    let shown = two.text("conflict").await;
    for text in ["Sencha", "Gyokuro"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    // Only the name was changed by both. Their price and my description are kept, whichever name is chosen.
    assert_eq!(two.count("[data-testid=difference]").await, 1);
    two.until_text("taken-over", "price").await;
    two.click("all-theirs").await;
    two.click("save-merged").await;
    two.until_gone("panel").await;
    let merged = app.json(&format!("/api/v1/products/{id}")).await;
    assert_eq!(
        (&merged["name"], &merged["description"], &merged["attributes"]["price"]),
        (&json!("Sencha"), &json!("From Uji"), &json!("9.99"))
    );
    two.until_text("product-row", "Sencha").await;
}

#[tokio::test]
async fn changes_of_two_users_to_different_fields_are_both_saved() {
    let app = with_products(1).await;
    let id = app.db.number("SELECT id FROM products").await;
    let browser = at_list(&app, &format!("/products/{id}")).await;
    browser.wait_for("field-name").await;
    let version = app.product(id).await.version;
    assert_eq!(app.patch(id, version, json!({ "name": "Sencha" })).await.status(), StatusCode::OK);
    browser.enter("field-description", "From Uji").await;
    browser.click("save").await;
    browser.until_toast("tea-0001 saved, and someone else's changes to it were kept").await;
    browser.until_gone("panel").await;
    let product = app.product(id).await;
    assert_eq!((product.name.as_str(), product.description.as_str()), ("Sencha", "From Uji"));
}

#[tokio::test]
async fn changes_of_others_are_announced_and_shown_only_when_asked_for() {
    let app = with_products(3).await;
    let (reader, writer) = tokio::join!(at_list(&app, "/products"), at_list(&app, "/products"));
    writer.click("toggle-active").await;
    reader.until_text("changes", "1 product changed").await;
    assert_eq!(reader.attribute("toggle-active", "aria-checked").await.as_deref(), Some("true"));
    assert_eq!(writer.count("[data-testid=changes]").await, 0, "a tab ignores its own changes");
    reader.click("refresh-list").await;
    reader.until_gone("changes").await;
    reader
        .until("the change", async || {
            (reader.attribute("toggle-active", "aria-checked").await? == "false").then_some(())
        })
        .await;
}

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
async fn the_list_never_waits_for_the_count() {
    let app = with_products(60).await;
    let browser = at_list(&app, "/products").await;
    browser.until_total(60).await;
    browser
        .script(
            "const fetch = window.fetch; window.held = [];
             window.fetch = (url, options) => String(url).includes('/products/count')
                 ? new Promise((go, stop) => {
                     window.held.push(() => go(fetch(url, options)));
                     options.signal?.addEventListener('abort', () => stop(options.signal.reason));
                 })
                 : fetch(url, options);",
        )
        .await;
    browser.enter("search", "tea-0007").await;
    browser.until_skus("the rows", &["tea-0007"]).await;
    browser.until_text("products-total", "Counting").await;
    browser.enter("search", "tea-0008").await;
    browser.until_skus("the rows", &["tea-0008"]).await;
    browser.script("held.forEach(go => go())").await;
    browser.until_text("products-total", "1 product matches").await;
}

#[tokio::test]
async fn the_products_of_an_import_note_that_a_later_import_changed_some() {
    let app = with_products(3).await;
    let first = app.db.number("SELECT max(id) FROM imports").await;
    app.import("sku,name\ntea-0001,White tea\n").await;
    let browser = at_list(&app, &format!("/products?import={first}")).await;
    browser.until_text("import-note", "This import wrote 3 products. Of these, 1 is no longer listed").await;
    browser.click("clear-filters").await;
    browser.until_gone("import-note").await;
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

#[tokio::test]
async fn everything_works_with_the_keyboard() {
    let app = with_products(5).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    let focused = async || {
        browser.script("return document.activeElement.closest('tr')?.querySelector('.cell-sku').innerText").await
    };

    browser.press_in_page("/").await;
    browser.type_keys("tea-000").await;
    browser.until("the search", async || browser.query().await.contains("q=tea-000").then_some(())).await;
    browser.until_loaded().await;
    browser.press(Key::Down).await;
    assert_eq!(focused().await, "tea-0001");
    browser.type_keys("jj").await;
    browser.press(Key::Up).await;
    assert_eq!(focused().await, "tea-0002");
    browser.type_keys("x").await;
    browser.until_text("bulk-count", "1 selected").await;
    browser.press(Key::Escape).await;
    browser.until_gone("bulk-bar").await;

    browser.press(Key::Enter).await;
    browser.wait_for("field-name").await;
    browser.press(Key::Escape).await;
    browser.until_gone("panel").await;
    browser.until("the focus to return", async || (focused().await == "tea-0002").then_some(())).await;

    browser.type_keys("?").await;
    browser.wait_for("help").await;
    browser.press(Key::Escape).await;
    browser.until("the help to close", async || (browser.count("dialog[open]").await == 0).then_some(())).await;
    browser.type_keys("n").await;
    browser.wait_for("field-sku").await;
    browser.until("the field", async || (browser.focused_testid().await == "field-sku").then_some(())).await;
    browser.type_keys("tea-0006").await;
    browser.press(Key::Tab).await;
    browser.type_keys("Typed").await;
    browser.type_data(Key::Control + Key::Enter).await;
    browser.until_toast("tea-0006 added").await;
    browser.until_total(6).await;
}

#[tokio::test]
async fn keys_stay_in_an_open_menu_and_do_nothing_behind_an_open_panel() {
    let app = with_products(5).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("more").await;
    browser.wait_for("more-panel").await;
    browser.press(Key::Down).await;
    assert_eq!(browser.focused_testid().await, "export");
    browser.press(Key::Down).await;
    assert_eq!(browser.focused_testid().await, "show-help");
    browser.press(Key::Up).await;
    browser.press(Key::Up).await;
    assert_eq!(browser.focused_testid().await, "delete-all", "the focus wraps around");
    browser.type_keys("nj").await;
    assert_eq!((browser.path().await.as_str(), browser.count(".popover-panel").await), ("/products", 1));
    browser.press(Key::Escape).await;
    assert_eq!(browser.focused_testid().await, "more");

    browser.click("product-row").await;
    browser.wait_for("panel").await;
    let path = browser.path().await;
    browser.click("close-panel").await;
    browser.until_gone("panel").await;
    browser.press(Key::Enter).await;
    browser.wait_for("field-name").await;
    browser.script("document.querySelector('[data-testid=panel]').focus()").await;
    browser.type_keys("njx").await;
    assert_eq!(browser.path().await, path);
    assert_eq!(browser.focused_testid().await, "panel");
    assert_eq!(browser.count("[data-testid=bulk-bar]").await, 0);
}

#[tokio::test]
async fn columns_have_fixed_widths_and_the_table_scrolls_under_its_header() {
    let app = TestApp::start().await;
    let lines: String = (1..=60)
        .map(|row| format!("tea-{row:04},Tea {row},\"{}\",9.99,{},Japan\n", "long ".repeat(200), "x".repeat(300)))
        .collect();
    app.import(format!("sku,name,description,price,colour,origin\n{lines}")).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("view").await;
    for column in ["price", "colour", "origin", "Created"] {
        browser.click(&format!("column-{column}")).await;
    }
    browser.press(Key::Escape).await;
    for width in [768, 1280, 1920] {
        browser.resize(width, 800).await;
        let found = browser
            .script(
                "const frame = document.querySelector('.products-frame'), cells = [...frame.querySelectorAll('th')];
                 frame.scrollTop = 400;
                 const row = frame.querySelector('tbody tr');
                 return {
                     narrow: cells.slice(1).filter(c => c.offsetWidth < 90).map(c => c.innerText),
                     description: frame.querySelector('th.cell-description').offsetWidth,
                     head: frame.querySelector('thead').getBoundingClientRect().top - frame.getBoundingClientRect().top,
                     moved: frame.scrollTop,
                     page: document.documentElement.scrollWidth - innerWidth,
                     height: Math.max(...[...frame.querySelectorAll('tbody tr')].map(r => r.offsetHeight)),
                 };",
            )
            .await;
        assert_eq!(found["narrow"], json!([]), "{width} px: {found}");
        assert!(found["description"].as_i64().unwrap() >= 300, "{width} px: {found}");
        assert!(
            found["head"].as_f64().unwrap().abs() < 3.0 && found["moved"].as_i64().unwrap() > 0,
            "{width} px: {found}"
        );
        assert!(found["page"].as_i64().unwrap() <= 0 && found["height"].as_i64().unwrap() < 90, "{width} px: {found}");
    }
}

#[tokio::test]
async fn columns_and_density_are_kept_in_the_browser() {
    let app = with_products(3).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("view").await;
    browser.click("compact").await;
    browser.click("column-price").await;
    browser.click("column-Description").await;
    browser.until_text("product-row", "1.50").await;
    assert!(!browser.text("product-row").await.contains("Harvest"));
    browser.reload().await;
    browser.wait_for("product-row").await;
    browser.until_text("product-row", "1.50").await;
    assert!(!browser.text("product-row").await.contains("Harvest"));
    assert_eq!(browser.count(".products-compact").await, 1);
}

#[tokio::test]
async fn going_back_does_not_lose_unsaved_changes() {
    let app = with_products(2).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("product-row").await;
    browser.wait_for("field-name").await;
    browser.enter("field-name", "Half a thought").await;
    browser.back().await;
    browser.wait_for("discard-changes").await;
    browser.press(Key::Escape).await;
    assert_eq!(browser.value("field-name").await, "Half a thought");
    browser.until("the address", async || browser.path().await.starts_with("/products/").then_some(())).await;
    browser.back().await;
    browser.click("discard-changes").await;
    browser.until_gone("panel").await;
    tokio::time::timeout(Duration::from_secs(10), browser.until_text("product-row", "tea-0001")).await.unwrap();
}
