//! Requests from other sites in a user's name, and scripts that are not part of the page, have no effect.

use serde_json::json;
use tests::{
    TestApp,
    auth::ADMIN_PASSWORD,
    receiver::{Answer, Receiver},
};

use crate::browser::Browser;

/// Returns a page with everything that another site can send: forms, images, `fetch` without a preflight, and `fetch`
/// whose preflight is rejected.
fn attack(target: &str) -> String {
    let product = r#"{"sku":"EVIL","name":"EVIL","description":"#;
    format!(
        r#"<!doctype html><title>attack</title>
<iframe name="hidden"></iframe>
<form id="form" method="post" target="hidden" enctype="text/plain" action="{target}/api/v1/products">
  <input name='{product}' value='"}}'></form>
<form id="file" method="post" target="hidden" enctype="text/plain" action="{target}/api/v1/imports">
  <input name="sku,name" value="x"></form>
<img src="{target}/api/v1/products/export.csv"><img src="{target}/api/v1/session">
<script>
const send = (path, options) => fetch('{target}' + path, {{ credentials: 'include', ...options }}).catch(() => {{}});
document.getElementById('form').submit();
document.getElementById('file').submit();
const body = '{{"sku":"EVIL","name":"EVIL"}}', json = {{ 'Content-Type': 'application/json' }};
const csv = {{ method: 'POST', body: 'sku,name\nEVIL,EVIL\n' }};
Promise.all([
  send('/api/v1/products', {{ method: 'POST', mode: 'no-cors', body }}),
  send('/api/v1/products', {{ method: 'POST', headers: json, body }}),
  send('/api/v1/imports', {{ ...csv, mode: 'no-cors' }}),
  send('/api/v1/imports', {{ ...csv, headers: {{ 'Content-Type': 'text/csv' }} }}),
  send('/api/v1/products/1', {{ method: 'DELETE' }}),
  send('/api/v1/products?confirm=1', {{ method: 'DELETE' }}),
  send('/api/v1/session', {{ method: 'DELETE' }}),
  new Promise(done => setTimeout(done, 500)),
]).then(() => document.title = 'done');
</script>"#
    )
}

async fn is_unharmed(app: &TestApp) {
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 1);
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    let tried = "SELECT count(*) FROM audit_log WHERE action NOT IN ('session.sign_in', 'product.create')";
    assert_eq!(app.db.number(tried).await, 0);
}

async fn attacked_from_everywhere(app: &TestApp, browser: &Browser) {
    // Under both names of this machine: to the browser one of them is the same site (cookies ignore ports, so it sends them),
    // and the other is not.
    let target = app.base.clone();
    let evil = Receiver::behaving(move |_| Answer::Full(200, "content-type: text/html\r\n", attack(&target))).await;
    for host in ["127.0.0.1", "localhost"] {
        browser.visit(&format!("http://{host}:{}/", evil.address.port())).await;
        browser.until("the attack to end", async || (browser.title().await == "done").then_some(())).await;
        is_unharmed(app).await;
    }
}

const CREATE: &str = "const done = arguments[0];
    fetch('/api/v1/products', { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ sku: 'OURS', name: 'Ours' }) }).then(r => done(r.status))";

#[tokio::test]
async fn another_site_changes_nothing_in_open_mode() {
    let app = TestApp::start().await;
    let browser = Browser::open(&app, "/products").await;
    assert_eq!(browser.script_async(CREATE).await, 201);
    attacked_from_everywhere(&app, &browser).await;
}

#[tokio::test]
async fn another_site_changes_nothing_in_the_name_of_a_signed_in_user() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::open(&app, "/sign-in").await;
    let sign_in = format!(
        "const done = arguments[0];
        fetch('/api/v1/session', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }},
            body: JSON.stringify({}) }}).then(r => done(r.status))",
        json!({ "name": "admin", "password": ADMIN_PASSWORD })
    );
    assert_eq!(browser.script_async(&sign_in).await, 200);
    assert_eq!(browser.script_async(CREATE).await, 201);
    attacked_from_everywhere(&app, &browser).await;
    // The cookie still exists, and is valid.
    browser.go("/products").await;
    let session = "const done = arguments[0]; fetch('/api/v1/session').then(r => done(r.status))";
    assert_eq!(browser.script_async(session).await, 200);
    assert_eq!(browser.script("return document.cookie").await, "", "no script can read it");
}

#[tokio::test]
async fn no_page_violates_its_policy_and_foreign_scripts_do_not_run() {
    let app = TestApp::start().await;
    let import = app.import("sku,name\nA,A\n,nameless\n").await.id;
    let product = app.db.number("SELECT max(id) FROM products").await;
    let browser = Browser::open(&app, "/").await;
    let pages = [
        "/".to_owned(),
        "/imports".into(),
        format!("/imports/{import}"),
        "/products".into(),
        format!("/products/{product}"),
        "/products/new".into(),
        "/webhooks".into(),
        "/users".into(),
        "/keys".into(),
        "/audit".into(),
        "/sign-in".into(),
        "/nowhere".into(),
        "/api/docs/".into(),
    ];
    for page in pages {
        browser.go(&page).await;
        browser.until_loaded().await;
        // The console reports violations as errors.
        browser.assert_silent().await;
    }
    browser.go("/products").await;
    let foreign = "const script = document.createElement('script');
        script.textContent = 'window.foreign = true';
        document.body.append(script);
        const button = document.createElement('button');
        button.setAttribute('onclick', 'window.foreign = true');
        document.body.append(button);
        button.click();
        return window.foreign === undefined";
    assert_eq!(browser.script(foreign).await, true);
}

#[tokio::test]
async fn the_page_needs_permission_to_run_webassembly() {
    let original = std::path::PathBuf::from(tests::setting("TEST_STATIC_DIR"));
    let page = std::fs::read_to_string(original.join("index.html")).unwrap();
    for (permission, starts) in [("'wasm-unsafe-eval'", true), ("", false)] {
        // Both policies apply: this one can only restrict.
        let policy = format!("script-src 'self' 'unsafe-inline' {permission}");
        let meta = format!("<head><meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">");
        let folder = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp").arg("-r").arg(original.join(".")).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        std::fs::write(folder.path().join("index.html"), page.replacen("<head>", &meta, 1)).unwrap();
        let app = TestApp::start_with(&[("STATIC_DIR", folder.path().to_str().unwrap())]).await;
        let browser = Browser::open(&app, "/").await;
        if starts {
            browser.wait_for("file-input").await;
            continue;
        }
        browser
            .until("the violation", async || browser.console_errors().await.contains("WebAssembly").then_some(()))
            .await;
        assert_eq!(browser.count("main").await, 0, "the page has not started");
    }
}
