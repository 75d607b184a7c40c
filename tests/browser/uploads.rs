//! Uploads of files, in a tab that is reloaded and next to other tabs.

mod interrupted;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{TestApp, csv::Csv, oracle::Table};

use crate::{
    axe::{self, axe},
    browser::Browser,
};

/// Bytes per second of a slow connection: a file of [`ROWS`] rows takes some seconds.
const SLOW_BYTES_PER_SECOND: i64 = 700_000;
/// About three megabytes.
const ROWS: usize = 60_000;

/// A request that the page made for an upload.
#[derive(Debug)]
struct Sent {
    method: String,
    /// `Upload-Offset` of a PATCH.
    offset: Option<i64>,
    /// Size of its body.
    bytes: i64,
}

impl Browser {
    /// Records each request of an upload from now on, across reloads.
    async fn record_uploads(&self) {
        let source = "
            const { open, setRequestHeader, send } = XMLHttpRequest.prototype;
            XMLHttpRequest.prototype.open = function (method, url) {
                this.sent = url.includes('/uploads') ? { method } : null;
                return open.apply(this, arguments);
            };
            XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
                if (this.sent && name === 'Upload-Offset') this.sent.offset = Number(value);
                return setRequestHeader.apply(this, arguments);
            };
            XMLHttpRequest.prototype.send = function (body) {
                if (this.sent) {
                    this.sent.bytes = body?.size ?? 0;
                    const all = JSON.parse(sessionStorage.getItem('sent') ?? '[]');
                    sessionStorage.setItem('sent', JSON.stringify([...all, this.sent]));
                }
                return send.apply(this, arguments);
            };";
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
        self.reload().await;
    }

    async fn sent(&self) -> Vec<Sent> {
        let sent = self.script("return JSON.parse(sessionStorage.getItem('sent') ?? '[]')").await;
        let read = |request: &Value| Sent {
            method: request["method"].as_str().unwrap().to_owned(),
            offset: request["offset"].as_i64(),
            bytes: request["bytes"].as_i64().unwrap(),
        };
        sent.as_array().unwrap().iter().map(read).collect()
    }

    /// Sets the bytes per second that the browser can send (-1: no limit), or disconnects it.
    async fn network(&self, bytes_per_second: i64, offline: bool) {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second,
        });
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.emulateNetworkConditions", conditions).await;
    }

    /// Chooses files in the field with this test id.
    async fn pick(&self, testid: &str, files: &[&Path]) {
        let paths: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
        self.type_into(testid, &paths.join("\n")).await;
    }

    async fn until_upload_is(&self, state: &str) {
        let asked = async || self.attribute("upload-progress", "data-state").await.filter(|now| now == state);
        self.until(&format!("the upload to be {state}"), asked).await;
    }

    /// Waits until the server has confirmed at least `percent` of the file. Returns the offset.
    async fn until_stored(&self, percent: i64) -> i64 {
        let read = "return JSON.parse(localStorage.getItem('loadify.uploads') ?? '[]')
            .map(stored => [stored.offset, stored.size])[0] ?? [0, 1]";
        self.until("some bytes to be stored", async || {
            let (offset, size): (i64, i64) = serde_json::from_value(self.script(read).await).unwrap();
            (offset * 100 >= size * percent).then_some(offset)
        })
        .await
    }

    /// Pauses the upload.
    async fn pause(&self) {
        self.click("upload-control").await;
        self.until_upload_is("paused").await;
    }

    async fn row_states(&self) -> Vec<String> {
        let read = "return [...document.querySelectorAll('[data-testid=upload-row]')].map(row => row.dataset.state)";
        serde_json::from_value(self.script(read).await).unwrap()
    }
}

/// Returns the offsets of the chunks; checks that none begins before the end of a stored one.
fn offsets(sent: &[Sent]) -> Vec<i64> {
    let offsets: Vec<_> = sent.iter().filter_map(|request| request.offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[0] <= pair[1]), "{offsets:?}");
    offsets
}

fn count(sent: &[Sent], method: &str) -> usize {
    sent.iter().filter(|request| request.method == method).count()
}

/// Returns a file, and the products after its import.
fn products(browser: &Browser, seed: u64) -> (PathBuf, Table) {
    let csv = Csv::random(ROWS, seed);
    let mut expected = Table::default();
    expected.apply(&csv);
    (browser.file("products.csv", csv.as_slice()), expected)
}

/// Opens a page, at an app or a proxy in front of it, that sends a file over a slow connection and records its requests.
/// Returns when a tenth of the file is stored.
async fn sending(base: &str, seed: u64) -> (Browser, PathBuf, Table) {
    sending_by(Browser::open_at(base, "/").await, seed).await
}

async fn sending_by(browser: Browser, seed: u64) -> (Browser, PathBuf, Table) {
    browser.record_uploads().await;
    let (file, expected) = products(&browser, seed);
    browser.wait_for("drop-zone").await;
    browser.network(SLOW_BYTES_PER_SECOND, false).await;
    browser.pick("file-input", &[&file]).await;
    browser.until_stored(10).await;
    (browser, file, expected)
}

/// Waits until no upload meets the condition.
async fn until_none(app: &TestApp, browser: &Browser, condition: &str) {
    let sql = format!("SELECT count(*) FROM uploads WHERE {condition}");
    let asked = async || (app.db.number(&sql).await == 0).then_some(());
    browser.until(&format!("no upload where {condition}"), asked).await;
}

#[tokio::test]
async fn an_upload_resumes_after_a_reload_with_the_same_file() {
    let app = TestApp::start().await;
    let (browser, file, expected) = sending(&app.base, 41).await;
    let stored = browser.until_stored(20).await;

    browser.reload().await;
    let notice = browser.until_text("unfinished", "uploaded").await;
    assert!(notice.starts_with("products.csv: ") && notice.contains("Choose the same file again"), "{notice}");
    let before = browser.sent().await.len();
    browser.network(-1, false).await;
    browser.pick("unfinished-input", &[&file]).await;
    browser.wait_for("products-link").await;

    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 1, "the upload is the same: {sent:?}");
    let after = offsets(&sent[before..]);
    assert!(after[0] >= stored, "it resumed at {} and the server had {stored}", after[0]);
    offsets(&sent);
    app.table().await.assert_equals(&expected);
    browser.go("/").await;
    browser.until_loaded().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0, "nothing is left to resume");
}

#[tokio::test]
async fn an_unfinished_upload_can_be_discarded_after_a_reload() {
    let app = TestApp::start().await;
    let (browser, ..) = sending(&app.base, 42).await;
    browser.reload().await;
    browser.click("unfinished-dismiss").await;
    until_none(&app, &browser, "true").await;
    browser.reload().await;
    browser.wait_for("drop-zone").await;
    browser.until_loaded().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0);
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_paused_upload_resumes_at_its_offset() {
    let app = TestApp::start().await;
    let (browser, _, expected) = sending(&app.base, 43).await;
    browser.pause().await;
    assert_eq!(browser.text("upload-status").await, "Paused");
    let sent = browser.sent().await.len();

    // It stays paused on other pages, which show that.
    browser.script("document.querySelector('nav a[href=\"/products\"]').click()").await;
    browser.until_text("upload-pill", "paused").await;
    browser.click("upload-pill").await;
    browser.until_upload_is("paused").await;
    assert_eq!(browser.sent().await.len(), sent, "no request was sent in the meantime");

    browser.network(-1, false).await;
    browser.click("upload-control").await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    assert_eq!((count(&sent, "POST"), count(&sent, "HEAD")), (1, 1), "{sent:?}");
    offsets(&sent);
    app.table().await.assert_equals(&expected);
    browser.assert_silent().await;
}

#[tokio::test]
async fn several_files_are_sent_one_after_another() {
    let app = TestApp::start().await;
    let browser = Browser::open(&app, "/").await;
    let (first, _) = products(&browser, 44);
    let wrong = browser.file("wrong.csv", b"id,title\n1,x\n");
    let second = browser.file("second.csv", b"sku,name\nfrom-second,b\n");
    let removed = browser.file("removed.csv", b"sku,name\nfrom-removed,c\n");
    browser.network(SLOW_BYTES_PER_SECOND, false).await;
    browser.pick("file-input", &[&first, &wrong, &second]).await;
    browser
        .until("the states", async || (browser.row_states().await == ["sending", "failed", "waiting"]).then_some(()))
        .await;
    // One is added while they are sent, the first one again is not added, and one is removed.
    browser.pick("file-input", &[&removed, &first]).await;
    browser.until_toast("products.csv is already in the list").await;
    browser.until("the fourth", async || (browser.row_states().await.len() == 4).then_some(())).await;
    browser.click_nth("upload-remove", 3, false).await;
    browser.until("three", async || (browser.row_states().await.len() == 3).then_some(())).await;
    browser.network(-1, false).await;
    browser.until_text("upload-summary", "2 of 3 uploaded, 1 failed").await;
    assert_eq!(browser.row_states().await, ["uploaded", "failed", "uploaded"]);
    assert_eq!(browser.path().await, "/", "with several files, the page stays");
    assert!(
        browser.script("return document.body.innerText").await.as_str().unwrap().contains("No column is called sku")
    );

    browser.click("upload-link").await;
    browser.wait_for("products-link").await;
    assert_eq!(browser.path().await, "/imports/1");
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 2);
    app.end_of(2).await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE sku_key LIKE 'from-%'").await, 1);
    browser.assert_silent().await;
}

#[tokio::test]
async fn an_expired_upload_is_sent_again() {
    let app = TestApp::start().await;
    let (browser, _, expected) = sending(&app.base, 47).await;
    browser.pause().await;
    // The request that was aborted may still record its outcome.
    until_none(&app, &browser, "lock_owner IS NOT NULL").await;
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '1 hour'").await;
    browser.network(-1, false).await;
    browser.click("upload-control").await;
    browser.until_toast("has expired on the server; sending it again").await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 2, "{sent:?}");
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_user_on_another_page_is_notified_when_a_file_is_uploaded() {
    let app = TestApp::start().await;
    let (browser, ..) = sending(&app.base, 49).await;
    browser.script("document.querySelector('nav a[href=\"/products\"]').click()").await;
    browser.wait_for("upload-pill").await;
    browser.network(-1, false).await;
    browser.until_toast("products.csv is uploaded").await;
    assert_eq!(browser.path().await, "/products");
    browser.click("toast-action").await;
    browser.wait_for("products-link").await;
    assert_eq!(browser.path().await, "/imports/1");
    browser.assert_silent().await;
}

#[tokio::test]
async fn two_tabs_do_not_send_the_same_upload() {
    let app = TestApp::start().await;
    let (browser, file, expected) = sending(&app.base, 50).await;
    browser.pause().await;

    let first = browser.open_tab("/").await;
    browser.wait_for("drop-zone").await;
    browser.until_loaded().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0, "the other tab is sending it");
    browser.pick("file-input", &[&file]).await;
    browser.until_text("file-problem", "products.csv is being sent in another tab").await;

    browser.close_tab(first).await;
    browser.click("send-again").await;
    browser.wait_for("products-link").await;
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1);
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn uploads_are_accessible_and_fit_in_light_and_dark() {
    let app = TestApp::start().await;
    let (axe, browser) = (axe(), Browser::open(&app, "/").await);
    let (file, _) = products(&browser, 48);
    let wrong = browser.file("wrong.csv", b"id,title\n1,x\n");
    let waiting = browser.file(&format!("{}.csv", "a-long-name-".repeat(9)), b"sku,name\na,b\n");
    browser.network(SLOW_BYTES_PER_SECOND, false).await;
    browser.pick("file-input", &[&file, &wrong, &waiting]).await;
    browser.until_stored(10).await;
    browser.pause().await;
    everywhere(&browser, &axe, "a queue that is paused").await;
    // The list would be lost, so the browser asks; the test confirms.
    browser.script("window.addEventListener('beforeunload', event => event.stopImmediatePropagation(), true)").await;
    browser.reload().await;
    browser.wait_for("unfinished").await;
    browser.until_loaded().await;
    everywhere(&browser, &axe, "an unfinished upload").await;
    browser.pick("file-input", &[&wrong]).await;
    browser.wait_for("file-problem").await;
    everywhere(&browser, &axe, "a rejected file").await;
}

async fn everywhere(browser: &Browser, axe: &str, what: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for width in [1280, 390] {
            browser.resize(width, 900).await;
            let place = format!("{what}, {scheme}, {width} px");
            axe::check(browser, axe, &place).await;
            let overflow = browser.script("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 0, "{place} is {overflow} px too wide");
        }
    }
}
