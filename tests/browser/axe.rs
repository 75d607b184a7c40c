//! axe-core finds no violation on any page or dialog, in light and dark.

use serde_json::{Value, json};
use shared::{
    auth::{Role, Scope},
    webhook::DeliveryStatus,
};
use tests::{
    TestApp,
    auth::ADMIN_PASSWORD,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

use crate::browser::Browser;

/// The source of axe-core, as `scripts/setup` installed it. The browser can only reach the app, so the test injects it.
pub fn axe() -> String {
    let tools = std::env::var("LOADIFY_TOOLS").unwrap_or_else(|_| {
        let cache =
            std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap()));
        format!("{cache}/loadify")
    });
    let path = format!("{tools}/npm/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; scripts/setup test installs it"))
}

/// Fails if axe-core finds a violation in the current page.
pub async fn check(browser: &Browser, axe: &str, place: &str) {
    // While something fades in, its contrast is lower.
    browser
        .until("animations to end", async || {
            let running = "return document.getAnimations().filter(a => a.effect.getTiming().iterations === 1).length";
            (browser.script(running).await == 0).then_some(())
        })
        .await;
    browser.script(&format!("if (!window.axe) {{ {axe} }}")).await;
    let run = "const done = arguments[0];
        axe.run().then(r => done({
            violations: r.violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html).join(' | ')}`),
            passes: r.passes.length,
        }), e => done({ violations: [String(e)], passes: 0 }))";
    let result = browser.script_async(run).await;
    assert_eq!(result["violations"], json!([]), "at {place}");
    assert!(result["passes"].as_u64().is_some_and(|passes| passes > 10), "axe checked {place}: {result}");
}

#[tokio::test]
async fn no_page_or_dialog_violates_accessibility_rules_in_light_and_dark() {
    let app = TestApp::start_with(&[LOCAL]).await;
    app.import("sku,name,description,price\ntea-1,Green tea,Sencha,1\ntea-2,Black tea,,2\n,Nameless,,3\n").await;
    let id = app.db.number("SELECT max(id) FROM products").await;
    let receiver = Receiver::behaving(|_| Answer::Full(500, "x-trace: 7\r\n", "the database is down".into())).await;
    let hook = app.webhook(&receiver).await.webhook.id;
    app.create_product("hooked").await;
    let delivery = app.newest(DeliveryStatus::Pending, 1).await.delivery.id;
    let (axe, browser) = (axe(), Browser::open(&app, "/").await);
    // It is checked below.
    browser.click("dismiss-open-mode-banner").await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches").await;
        assert_eq!(dark, Value::Bool(scheme == "dark"));
        for width in [1280, 390] {
            browser.resize(width, 900).await;
            let hook_path = format!("/webhooks/{hook}");
            let pages = [
                "/",
                "/imports",
                "/imports/1",
                "/products",
                "/products?q=tea",
                "/products?q=nothing",
                "/webhooks",
                &hook_path,
                "/nowhere",
            ];
            for path in pages {
                browser.go(path).await;
                browser.until("a heading", async || (browser.count("h1").await > 0).then_some(())).await;
                browser.until_loaded().await;
                check(&browser, &axe, &format!("{path}, {scheme}, {width} px")).await;
            }
            for path in ["/products/new", &format!("/products/{id}"), "/products/0"] {
                browser.go(path).await;
                browser.wait_for("panel").await;
                browser.until_loaded().await;
                check(&browser, &axe, &format!("{path}, {scheme}, {width} px")).await;
            }
            conflict(&app, &browser, id).await;
            check(&browser, &axe, &format!("a conflict, {scheme}, {width} px")).await;
            browser.click("close-panel").await;
            browser.click("discard-changes").await;
            dialogs(&browser, &axe, &format!("{scheme}, {width} px")).await;
            webhook(&browser, &axe, &format!("{hook_path}?delivery={delivery}"), &format!("{scheme}, {width} px"))
                .await;
        }
    }
}

#[tokio::test]
async fn no_auth_page_violates_accessibility_rules_in_light_and_dark() {
    let (app, open) = (TestApp::closed(&[]).await, TestApp::start().await);
    let admin = app.admin().await;
    app.user(&admin, "viewer", Role::Viewer).await;
    app.key(&admin, &[Scope::ProductsWrite, Scope::Imports]).await;
    let line = open.web.wait_for_print("/setup#").await;
    let token = line.split("/setup#").nth(1).unwrap().split_whitespace().next().unwrap();
    let axe = axe();
    let browser = Browser::open(&app, "/sign-in").await;
    let other = Browser::open(&open, &format!("/setup#{token}")).await;
    for scheme in ["light", "dark"] {
        for width in [1280, 390] {
            let how = format!("{scheme}, {width} px");
            for browser in [&browser, &other] {
                browser.prefer(scheme).await;
                browser.resize(width, 900).await;
            }
            other.go(&format!("/setup#{token}")).await;
            other.wait_for("setup-form").await;
            other.click("create-account").await;
            check(&other, &axe, &format!("the setup, {how}")).await;
            other.go("/setup").await;
            other.reload().await;
            other.wait_for("no-token").await;
            check(&other, &axe, &format!("the setup without its token, {how}")).await;
            other.go("/").await;
            other.wait_for("open-mode-banner").await;
            check(&other, &axe, &format!("the open-mode banner, {how}")).await;

            browser.go("/sign-in").await;
            browser.click("sign-in").await;
            browser.wait_for("sign-in-problem").await;
            check(&browser, &axe, &format!("the sign-in page, {how}")).await;
            browser.enter("sign-in-name", "admin").await;
            browser.enter("sign-in-password", ADMIN_PASSWORD).await;
            browser.click("sign-in").await;
            browser.wait_for("account").await;
            auth_pages(&browser, &axe, &how).await;
            app.db.execute("DELETE FROM sessions").await;
            browser.script("new BroadcastChannel('loadify-session').postMessage(true)").await;
            browser.wait_for("sign-in-dialog").await;
            check(&browser, &axe, &format!("the re-authentication dialog, {how}")).await;
            browser.click("leave-page").await;
            browser.wait_for("sign-in-form").await;
        }
    }
}

/// The pages of admins, their dialogs, and the account menu.
async fn auth_pages(browser: &Browser, axe: &str, how: &str) {
    for (path, table, opener, shown) in [
        ("/users", "users-table", "add-user", "user-form"),
        ("/users", "users-table", "set-password-of", "set-password-form"),
        ("/users", "users-table", "delete-user", "confirm-user"),
        ("/keys", "keys-table", "create-key", "key-form"),
        ("/keys", "keys-table", "revoke-key", "confirm-revoke"),
    ] {
        browser.go(path).await;
        browser.wait_for(table).await;
        check(browser, axe, &format!("{path}, {how}")).await;
        browser.click(opener).await;
        browser.wait_for(shown).await;
        check(browser, axe, &format!("{shown}, {how}")).await;
        browser.press(thirtyfour::Key::Escape).await;
    }
    browser.go("/audit").await;
    browser.wait_for("audit-table").await;
    check(browser, axe, &format!("/audit, {how}")).await;
    browser.click("account").await;
    browser.wait_for("account-panel").await;
    check(browser, axe, &format!("the account menu, {how}")).await;
    browser.click("my-sessions").await;
    browser.wait_for("session").await;
    check(browser, axe, &format!("the sessions, {how}")).await;
    browser.click("close-sessions").await;
    browser.click("account").await;
    browser.click("change-password").await;
    browser.click("save-new-password").await;
    check(browser, axe, &format!("the password dialog, {how}")).await;
    browser.press(thirtyfour::Key::Escape).await;
}

/// Changes a product while it is being edited.
async fn conflict(app: &TestApp, browser: &Browser, id: i64) {
    browser.go(&format!("/products/{id}")).await;
    browser.wait_for("field-name").await;
    browser.enter("field-name", "My tea").await;
    let version = app.product(id).await.version;
    assert!(app.patch(id, version, json!({ "name": format!("Theirs {version}") })).await.status().is_success());
    browser.click("save").await;
    browser.wait_for("conflict").await;
}

/// The menus and dialogs of the products page.
async fn dialogs(browser: &Browser, axe: &str, how: &str) {
    browser.go("/products").await;
    browser.wait_for("product-row").await;
    for (opener, shown) in [("filters", "filters-panel"), ("view", "view-panel"), ("more", "more-panel")] {
        browser.click(opener).await;
        browser.wait_for(shown).await;
        check(browser, axe, &format!("{shown}, {how}")).await;
        browser.press(thirtyfour::Key::Escape).await;
    }
    browser.click("select-row").await;
    browser.wait_for("bulk-bar").await;
    check(browser, axe, &format!("the selection bar, {how}")).await;
    browser.click("clear-selection").await;
    browser.press_in_page("?").await;
    browser.wait_for("close-help").await;
    check(browser, axe, &format!("the help, {how}")).await;
    browser.click("close-help").await;
    browser.click("more").await;
    browser.click("delete-all").await;
    browser.wait_for("delete-all-confirm").await;
    check(browser, axe, &format!("the dialog for deleting all, {how}")).await;
    browser.press(thirtyfour::Key::Escape).await;
    browser.click("new-product").await;
    browser.wait_for("field-sku").await;
    browser.enter("field-name", "Tea").await;
    browser.click("save").await;
    browser.until("the error of the field", async || (!browser.text("error-sku").await.is_empty()).then_some(())).await;
    check(browser, axe, &format!("an invalid form, {how}")).await;
    browser.click("close-panel").await;
    browser.wait_for("discard-changes").await;
    check(browser, axe, &format!("the question about unsaved changes, {how}")).await;
    browser.click("discard-changes").await;
}

/// The dialogs of the page of a webhook.
async fn webhook(browser: &Browser, axe: &str, path: &str, how: &str) {
    browser.go(path).await;
    browser.wait_for("redeliver").await;
    check(browser, axe, &format!("a delivery, {how}")).await;
    browser.click("close-delivery").await;
    browser.click("send-test").await;
    browser.wait_for("response-body").await;
    check(browser, axe, &format!("the result of a test, {how}")).await;
    for (opener, shown) in
        [("edit-webhook", "webhook-form"), ("rotate-secret", "confirm-rotate"), ("replay", "replay-since")]
    {
        browser.click(opener).await;
        browser.wait_for(shown).await;
        check(browser, axe, &format!("{shown}, {how}")).await;
        browser.press(thirtyfour::Key::Escape).await;
    }
    browser.click("enabled").await;
    browser.wait_for("disabled-notice").await;
    check(browser, axe, &format!("a disabled webhook, {how}")).await;
    browser.click("enabled").await;
}
