//! The page in a real browser, against the real program and RabbitMQ, as `scripts/run` starts them.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod auth;
mod axe;
mod browser;
mod from_url;
mod products;
mod security;
mod tabs;
mod uploads;
mod webhooks;

use std::time::Duration;

use browser::Browser;
use nix::sys::signal::Signal;
use shared::webhook::{DeliveryStatus, WebhookEvent};
use tests::{TestApp, csv::Csv, oracle::Table, setting, webhooks::LOCAL};

/// `loadify all` with RabbitMQ, and batches small enough for a browser to watch.
async fn watchable() -> TestApp {
    let queue = format!("browser-{:016x}", rand::random::<u64>());
    let broker = setting("TEST_BROKER_URL");
    let settings = [("BROKER_URL", broker.as_str()), ("BROKER_QUEUE", &queue), ("IMPORT_BATCH_ROWS", "10"), LOCAL];
    let app = TestApp::start_with(&settings).await;
    app.web.wait_for_line("Waiting for tasks").await;
    app
}

#[tokio::test]
async fn a_file_is_dropped_watched_and_found_among_the_products() {
    let app = watchable().await;
    let browser = Browser::open(&app, "/").await;
    let csv = Csv::random(20_000, 31);
    let mut expected = Table::default();
    let counts = expected.apply(&csv);
    browser.choose_file(csv.as_slice()).await;

    // Before the end, the total is known and correct, and the counts change and add up.
    let mut seen = Vec::new();
    browser
        .until("counts before the end", async || {
            let figures = browser.figures().await?;
            if figures.read > 0 && figures.read < 20_000 {
                assert_eq!(browser.number("rows-total").await, Some(20_000));
                assert!(figures.adds_up(), "{figures:?}");
                // Counts change four times a second, and are read more often.
                if seen.last() != Some(&figures.read) {
                    seen.push(figures.read);
                }
            }
            (seen.len() >= 3).then_some(())
        })
        .await;
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]) && seen[0] < seen[2], "{seen:?}");
    assert!(browser.title().await.contains('%'), "the title shows the progress: {}", browser.title().await);
    let bar = browser.attribute("progress-bar", "aria-valuenow").await.unwrap();
    assert!((1.0..100.0).contains(&bar.parse::<f64>().unwrap()), "{bar}");
    assert!(browser.number("rows-per-second").await.is_some_and(|rate| rate > 0));

    browser.wait_for("products-link").await;
    assert_eq!(browser.figures().await, Some(counts));
    assert!(browser.text("result").await.contains("Every row is accounted for"));
    assert!(browser.text("event-log").await.contains("Completed"), "{}", browser.text("event-log").await);
    let rejected = browser.text("rejected-table").await;
    assert!(rejected.to_lowercase().contains("missing"), "{rejected}");
    app.table().await.assert_equals(&expected);

    browser.click("products-link").await;
    browser.wait_for("products-table").await;
    let products = i64::try_from(expected.lines.len()).unwrap();
    let counted = async || (browser.number("products-total").await == Some(products)).then_some(());
    browser.until("the exact count", counted).await;
    let first = first_sku(&browser).await;
    browser.click("next-page").await;
    browser.until("another page", async || (first_sku(&browser).await != first).then_some(())).await;
    browser.back().await;
    browser.until("the first page", async || (first_sku(&browser).await == first).then_some(())).await;
    browser.assert_silent().await;
}

/// The first SKU of the table.
async fn first_sku(browser: &Browser) -> String {
    let text = browser.text("products-table").await;
    text.split_whitespace().find(|word| word.to_lowercase().starts_with("sku-")).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_reload_and_a_second_tab_show_the_same_import() {
    let app = watchable().await;
    let browser = Browser::open(&app, "/").await;
    browser.choose_file(Csv::random(20_000, 32).as_slice()).await;
    browser.until("the import to run", async || (browser.figures().await?.read > 0).then_some(())).await;
    let before = browser.figures().await.unwrap().read;
    browser.reload().await;
    let after = browser.until("figures", async || browser.figures().await.filter(|figures| figures.read > 0)).await;
    assert!(after.read >= before, "{after:?} after {before}");
    let other = Browser::open(&app, &browser.path().await).await;
    browser.wait_for("products-link").await;
    other.wait_for("products-link").await;
    assert_eq!(browser.figures().await, other.figures().await);
    assert_eq!(browser.text("event-log").await.lines().count(), other.text("event-log").await.lines().count());
}

#[tokio::test]
async fn the_page_of_an_import_shows_the_index_lag() {
    let app = TestApp::start().await;
    // The lock of index maintenance, as another process would hold it (backend/src/products/search/index/maintenance.rs).
    let lock = 0x05EA_4C85;
    app.db.execute(&format!("SELECT pg_advisory_lock({lock})")).await;
    let import = app.import("sku,name\na,A\nb,B\nc,C\n").await;
    let browser = Browser::open(&app, &format!("/imports/{}", import.id)).await;
    let says = async |expected: &str| {
        browser.until(expected, async || (browser.text("indexing").await == expected).then_some(())).await;
    };
    says("Optimizing the list (3 left). You can use it now.").await;
    app.db.execute(&format!("SELECT pg_advisory_unlock({lock})")).await;
    says("").await;
    browser.assert_silent().await;
}

#[tokio::test]
async fn an_invalid_file_is_rejected_before_it_is_sent_and_another_can_be_chosen() {
    let app = watchable().await;
    let browser = Browser::open(&app, "/").await;
    browser.choose_file(b"id,title\n1,x\n").await;
    browser.wait_for("file-problem").await;
    let problem = browser.text("file-problem").await;
    assert!(problem.contains("No column is called sku") && problem.contains("id, title"), "{problem}");
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    browser.choose_file(b"sku,name\na,b\n").await;
    browser.wait_for("products-link").await;
    assert_eq!(browser.number("count-created").await, Some(1));
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_running_import_is_cancelled_after_a_question() {
    let app = watchable().await;
    let browser = Browser::open(&app, "/").await;
    browser.choose_file(Csv::random(60_000, 33).as_slice()).await;
    browser.until("the import to run", async || (browser.figures().await?.read > 0).then_some(())).await;
    browser.click("cancel-import").await;
    browser.wait_for("confirm-cancel").await;
    browser.click("confirm-cancel").await;
    browser.until("the end", async || browser.text("import-status").await.contains("Cancelled").then_some(())).await;
    let figures = browser.figures().await.unwrap();
    assert!(figures.adds_up() && figures.read < 60_000, "{figures:?}");
    browser.go("/imports").await;
    browser.wait_for("imports-table").await;
    let history = browser.text("imports-table").await;
    assert!(history.contains("Cancelled"), "{history}");
}

#[tokio::test]
async fn a_worker_without_response_is_reported() {
    let app = TestApp::serve(&[("IMPORT_BATCH_ROWS", "10")]).await;
    let worker = app.worker(&[]).await;
    let browser = Browser::open(&app, "/").await;
    browser.choose_file(Csv::random(40_000, 34).as_slice()).await;
    browser.until("the import to run", async || (browser.figures().await?.read > 0).then_some(())).await;
    worker.signal(Signal::SIGSTOP);
    let notice = browser
        .until("the notice", async || Some(browser.text("silent-worker").await).filter(|text| !text.is_empty()))
        .await;
    assert!(notice.contains("No response from the worker"), "{notice}");
    worker.signal(Signal::SIGCONT);
    browser
        .until("the notice to disappear", async || browser.text("silent-worker").await.is_empty().then_some(()))
        .await;
    browser.wait_for("products-link").await;
}

#[tokio::test]
async fn nothing_is_cut_and_nothing_scrolls_sideways_at_any_width() {
    let app = watchable().await;
    app.import(Csv::random(300, 35).bytes()).await;
    // No server listens at this address, so the page shows errors everywhere.
    let hook = format!("http://127.0.0.1:9/{}", "a-long-path".repeat(12));
    let hook = app.webhook_to(&hook, &WebhookEvent::SUBSCRIBABLE).await.webhook.id;
    app.create_product("TEA-01").await;
    app.newest(DeliveryStatus::Pending, 1).await;
    let browser = Browser::open(&app, "/").await;
    for width in [320, 390, 640, 679, 768, 1280, 1920] {
        browser.resize(width, 900).await;
        let webhook = format!("/webhooks/{hook}");
        for path in ["/", "/imports", "/imports/1", "/products", "/webhooks", &webhook, "/nowhere"] {
            browser.go(path).await;
            browser.until("a heading", async || (browser.count("h1").await > 0).then_some(())).await;
            tokio::time::timeout(Duration::from_secs(10), browser.until_loaded()).await.unwrap();
            let overflow = browser.script("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 0, "{path} at {width} px is {overflow} px too wide");
            let right = "return document.querySelector('[data-testid=account]').getBoundingClientRect().right";
            let right = browser.script(right).await.as_f64().unwrap();
            assert!(right <= f64::from(width), "{path} at {width} px: the account button ends at {right}");
        }
    }
    browser.assert_silent().await;
}
