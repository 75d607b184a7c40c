//! Files on their way to the server, in a tab that is reloaded and beside others.

mod hindered;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{TestApp, csv::Csv, oracle::Table};

use crate::{
    axe::{self, axe},
    browser::Browser,
};

/// Bytes per second on a line so slow that a test can look on: a file of [`ROWS`] rows takes some seconds.
const SLOW: i64 = 700_000;
/// About three megabytes.
const ROWS: usize = 60_000;

/// A request that the page made for an upload.
#[derive(Debug)]
struct Sent {
    method: String,
    /// `Upload-Offset` of a PATCH.
    offset: Option<i64>,
    /// Of its body.
    bytes: i64,
}

impl Browser {
    /// Writes down each request of an upload from now on, across reloads.
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

    /// How fast bytes leave the browser, per second; -1 as fast as they can. Nothing comes or goes where it is offline.
    async fn line(&self, bytes_per_second: i64, offline: bool) {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second,
        });
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.emulateNetworkConditions", conditions).await;
    }

    /// Picks files by the field with this name.
    async fn pick(&self, testid: &str, files: &[&Path]) {
        let paths: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
        self.type_into(testid, &paths.join("\n")).await;
    }

    async fn until_upload_is(&self, state: &str) {
        let asked = async || self.attribute("upload-progress", "data-state").await.filter(|now| now == state);
        self.until(&format!("the upload to be {state}"), asked).await;
    }

    /// Waits until the page has heard from the server that so much of the file is there, in percent.
    async fn until_kept(&self, percent: i64) -> i64 {
        let read = "return JSON.parse(localStorage.getItem('loadify.uploads') ?? '[]')
            .map(kept => [kept.offset, kept.size])[0] ?? [0, 1]";
        self.until("a part to be there", async || {
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

/// The offsets of the blocks: they begin at 0 once, and no block goes back behind one that was taken.
fn offsets(sent: &[Sent]) -> Vec<i64> {
    let offsets: Vec<_> = sent.iter().filter_map(|request| request.offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[0] <= pair[1]), "{offsets:?}");
    offsets
}

fn count(sent: &[Sent], method: &str) -> usize {
    sent.iter().filter(|request| request.method == method).count()
}

/// A file, and what the catalogue must be after it.
fn products(browser: &Browser, seed: u64) -> (PathBuf, Table) {
    let csv = Csv::random(ROWS, seed);
    let mut expected = Table::default();
    expected.apply(&csv);
    (browser.file("products.csv", csv.as_slice()), expected)
}

/// A page, at an app or what stands before it, that sends a file over a slow line and writes down its requests. A tenth of
/// the file is there.
async fn sending(base: &str, seed: u64) -> (Browser, PathBuf, Table) {
    sending_by(Browser::open_at(base, "/").await, seed).await
}

async fn sending_by(browser: Browser, seed: u64) -> (Browser, PathBuf, Table) {
    browser.record_uploads().await;
    let (file, expected) = products(&browser, seed);
    browser.wait_for("drop-zone").await;
    browser.line(SLOW, false).await;
    browser.pick("file-input", &[&file]).await;
    browser.until_kept(10).await;
    (browser, file, expected)
}

/// Waits until the server counts no upload of which this is true.
async fn until_none(app: &TestApp, browser: &Browser, condition: &str) {
    let sql = format!("SELECT count(*) FROM uploads WHERE {condition}");
    let asked = async || (app.db.number(&sql).await == 0).then_some(());
    browser.until(&format!("no upload where {condition}"), asked).await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_reload_with_the_same_file() {
    let app = TestApp::start().await;
    let (browser, file, expected) = sending(&app.base, 41).await;
    let kept = browser.until_kept(20).await;

    browser.reload().await;
    let notice = browser.until_text("unfinished", "is already here").await;
    assert!(notice.starts_with("products.csv: ") && notice.contains("Choose the same file again"), "{notice}");
    let before = browser.sent().await.len();
    browser.line(-1, false).await;
    browser.pick("unfinished-input", &[&file]).await;
    browser.wait_for("products-link").await;

    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 1, "the upload is the same: {sent:?}");
    let after = offsets(&sent[before..]);
    assert!(after[0] >= kept, "it went on at {} and the server had {kept}", after[0]);
    offsets(&sent);
    app.table().await.assert_equals(&expected);
    browser.go("/").await;
    browser.settled().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0, "nothing is left to be done");
}

#[tokio::test]
async fn what_was_begun_can_be_discarded_after_a_reload() {
    let app = TestApp::start().await;
    let (browser, ..) = sending(&app.base, 42).await;
    browser.reload().await;
    browser.click("unfinished-dismiss").await;
    until_none(&app, &browser, "true").await;
    browser.reload().await;
    browser.wait_for("drop-zone").await;
    browser.settled().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0);
    browser.assert_silent().await;
}

#[tokio::test]
async fn an_upload_is_paused_and_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let (browser, _, expected) = sending(&app.base, 43).await;
    browser.pause().await;
    assert_eq!(browser.text("upload-course").await, "Paused");
    let sent = browser.sent().await.len();

    // It stays so while one looks around, and every page tells.
    browser.script("document.querySelector('nav a[href=\"/products\"]').click()").await;
    browser.until_text("upload-pill", "paused").await;
    browser.click("upload-pill").await;
    browser.until_upload_is("paused").await;
    assert_eq!(browser.sent().await.len(), sent, "nothing was asked meanwhile");

    browser.line(-1, false).await;
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
    browser.line(SLOW, false).await;
    browser.pick("file-input", &[&first, &wrong, &second]).await;
    browser
        .until("the states", async || (browser.row_states().await == ["sending", "failed", "waiting"]).then_some(()))
        .await;
    // Another joins them while they are sent, the first one once more is no file more, and one is taken back.
    browser.pick("file-input", &[&removed, &first]).await;
    browser.until_toast("products.csv is in the list already").await;
    browser.until("the fourth", async || (browser.row_states().await.len() == 4).then_some(())).await;
    browser.click_nth("upload-remove", 3, false).await;
    browser.until("three", async || (browser.row_states().await.len() == 3).then_some(())).await;
    browser.line(-1, false).await;
    browser.until_text("upload-summary", "2 of 3 arrived, 1 failed").await;
    assert_eq!(browser.row_states().await, ["arrived", "failed", "arrived"]);
    assert_eq!(browser.path().await, "/", "with several, one stays");
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
async fn an_upload_that_has_expired_begins_anew() {
    let app = TestApp::start().await;
    let (browser, _, expected) = sending(&app.base, 47).await;
    browser.pause().await;
    // The request that was ended may still write down what came of it.
    until_none(&app, &browser, "holder IS NOT NULL").await;
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '1 hour'").await;
    browser.line(-1, false).await;
    browser.click("upload-control").await;
    browser.until_toast("has expired at the server; it begins anew").await;
    browser.wait_for("products-link").await;
    let sent = browser.sent().await;
    assert_eq!(count(&sent, "POST"), 2, "{sent:?}");
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn who_is_elsewhere_when_a_file_arrives_stays_there_and_is_told() {
    let app = TestApp::start().await;
    let (browser, ..) = sending(&app.base, 49).await;
    browser.script("document.querySelector('nav a[href=\"/products\"]').click()").await;
    browser.wait_for("upload-pill").await;
    browser.line(-1, false).await;
    browser.until_toast("products.csv has arrived").await;
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
    browser.settled().await;
    assert_eq!(browser.count("[data-testid=unfinished]").await, 0, "it is in good hands");
    browser.pick("file-input", &[&file]).await;
    browser.until_text("file-problem", "products.csv is being sent in another tab").await;

    browser.close_tab(first).await;
    browser.click("send-again").await;
    browser.wait_for("products-link").await;
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1);
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn what_is_shown_of_uploads_is_accessible_and_fits_in_light_and_dark() {
    let app = TestApp::start().await;
    let (axe, browser) = (axe(), Browser::open(&app, "/").await);
    let (file, _) = products(&browser, 48);
    let wrong = browser.file("wrong.csv", b"id,title\n1,x\n");
    let waiting = browser.file(&format!("{}.csv", "a-long-name-".repeat(9)), b"sku,name\na,b\n");
    browser.line(SLOW, false).await;
    browser.pick("file-input", &[&file, &wrong, &waiting]).await;
    browser.until_kept(10).await;
    browser.pause().await;
    everywhere(&browser, &axe, "a queue that is paused").await;
    // The list would be lost; the browser asks, and the answer is yes.
    browser.script("window.addEventListener('beforeunload', event => event.stopImmediatePropagation(), true)").await;
    browser.reload().await;
    browser.wait_for("unfinished").await;
    browser.settled().await;
    everywhere(&browser, &axe, "what can go on").await;
    browser.pick("file-input", &[&wrong]).await;
    browser.wait_for("file-problem").await;
    everywhere(&browser, &axe, "a file that is refused").await;
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
