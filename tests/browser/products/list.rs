//! The list: searching, filtering, sorting, columns and keys.

use serde_json::json;
use tests::TestApp;
use thirtyfour::Key;

use super::{at_list, with_products};

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
                     head: cells[0].getBoundingClientRect().top - frame.getBoundingClientRect().top,
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
