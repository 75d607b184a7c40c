//! Sign-in, what the page offers to each role, and pages whose session ends.

use shared::auth::{Role, check_password};
use tests::{TestApp, auth::ADMIN_PASSWORD};
use thirtyfour::Key;

use crate::browser::Browser;

impl Browser {
    /// Returns a browser in which a user has signed in, at `path`.
    pub async fn signed_in(app: &TestApp, name: &str, password: &str, path: &str) -> Self {
        let browser = Self::open(app, path).await;
        browser.type_sign_in(name, password).await;
        browser.wait_for("account").await;
        browser
    }

    async fn type_sign_in(&self, name: &str, password: &str) {
        self.enter("sign-in-name", name).await;
        self.enter("sign-in-password", password).await;
        self.click("sign-in").await;
    }

    async fn until_hidden(&self, testid: &str) {
        let shown = format!(
            "const it = document.querySelector(`[data-testid='{testid}']`); return !!it && it.getClientRects().length > 0"
        );
        self.until(&format!("{testid} to go"), async || (self.script(&shown).await == false).then_some(())).await;
    }

    async fn until_at(&self, path: &str) {
        self.until(path, async || (self.path().await == path).then_some(())).await;
    }

    /// Returns the elements that are on the page.
    async fn offered(&self, testids: &[&'static str]) -> Vec<&'static str> {
        let mut offered = Vec::new();
        for testid in testids {
            if self.count(&format!("[data-testid='{testid}']")).await > 0 {
                offered.push(*testid);
            }
        }
        offered
    }

    /// Returns the labels of the navigation.
    async fn nav(&self) -> String {
        let read = "return [...document.querySelectorAll('.nav > a')].map(a => a.innerText).join(' ')";
        self.script(read).await.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks in the row of a user.
    async fn click_of(&self, name: &str, testid: &str) {
        let element = format!("document.querySelector(`[data-name='{name}'] [data-testid='{testid}']`)");
        let there = format!("return !!{element}");
        self.until(testid, async || (self.script(&there).await == true).then_some(())).await;
        self.script(&format!("{element}.click()")).await;
    }

    async fn choose_role_of(&self, name: &str, role: &str) {
        let choose = format!(
            "const select = document.querySelector(`[data-name='{name}'] [data-testid='user-role']`);
            select.value = '{role}';
            select.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        );
        self.script(&choose).await;
    }
}

const OPEN_SESSIONS: &str = "SELECT count(*) FROM sessions WHERE expires_at > now()";

fn password_of(name: &str) -> String {
    format!("password of the test's {name}")
}

/// Starts Loadify with a product and a user of each role. Returns the id of the product.
async fn app_with_users() -> (TestApp, i64) {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    app.user(&admin, "viewer", Role::Viewer).await;
    app.user(&admin, "editor", Role::Editor).await;
    let tea = serde_json::json!({ "sku": "TEA-01", "name": "Green tea" });
    let answer = admin.client.post(app.url("/api/v1/products")).json(&tea).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let id = app.db.number("SELECT max(id) FROM products").await;
    (app, id)
}

#[tokio::test]
async fn sign_in_redirects_to_the_requested_page_and_sign_out_ends_the_session() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::open(&app, "/products?q=tea").await;
    browser.wait_for("sign-in-form").await;
    assert_eq!((browser.path().await, browser.query().await), ("/sign-in".into(), "next=%2Fproducts%3Fq%3Dtea".into()));
    assert_eq!(browser.attribute("sign-in-name", "autocomplete").await.unwrap(), "username");
    assert_eq!(browser.attribute("sign-in-password", "autocomplete").await.unwrap(), "current-password");
    browser.until("the focus", async || (browser.focused_testid().await == "sign-in-name").then_some(())).await;

    browser.click("sign-in").await;
    browser.until_text("sign-in-problem", "Enter your name").await;
    browser.type_sign_in("admin", "a password that is wrong").await;
    browser.until_text("sign-in-problem", "is wrong").await;
    assert_eq!(browser.attribute("sign-in-password", "type").await.unwrap(), "password");
    browser.click("show-sign-in-password").await;
    assert_eq!(browser.attribute("sign-in-password", "type").await.unwrap(), "text");
    browser.enter("sign-in-password", ADMIN_PASSWORD).await;
    browser.press(Key::Enter).await;
    browser.wait_for("no-match").await;
    assert_eq!((browser.path().await, browser.query().await), ("/products".into(), "q=tea".into()));

    browser.click("account").await;
    browser.until_text("account-user", "Admin").await;
    browser.click("sign-out").await;
    browser.wait_for("sign-in-form").await;
    // The session has ended, not only the cookie.
    assert_eq!(app.db.number(OPEN_SESSIONS).await, 0);
    // The sign-in page does not redirect to another site.
    browser.go("/sign-in?next=//evil.example/").await;
    browser.type_sign_in("ADMIN", ADMIN_PASSWORD).await;
    browser.until_at("/").await;
    browser.wait_for("drop-zone").await;
}

#[tokio::test]
async fn failed_sign_ins_show_how_long_to_wait() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::open(&app, "/sign-in").await;
    browser.enter("sign-in-name", "admin").await;
    browser.enter("sign-in-password", "a password that is wrong").await;
    browser
        .until("the wait", async || {
            browser.click("sign-in").await;
            browser.text("sign-in-problem").await.contains("Too many attempts").then_some(())
        })
        .await;
    assert!(browser.text("sign-in").await.starts_with("Wait "), "{}", browser.text("sign-in").await);
    assert_eq!(browser.attribute("sign-in", "aria-disabled").await.as_deref(), Some("true"));
    // It counts down, and then allows another attempt.
    app.db.execute("DELETE FROM sign_in_failures").await;
    browser.until_text("sign-in", "Sign in").await;
    browser.enter("sign-in-password", ADMIN_PASSWORD).await;
    browser.click("sign-in").await;
    browser.wait_for("account").await;
}

#[tokio::test]
async fn a_viewer_is_offered_no_changes() {
    let (app, id) = app_with_users().await;
    let browser = Browser::signed_in(&app, "viewer", &password_of("viewer"), "/").await;
    // The start page of a viewer is the list of products.
    browser.until_at("/products").await;
    browser.wait_for("product-row").await;
    assert_eq!(browser.nav().await, "Imports Products");
    let controls = ["new-product", "toggle-active", "active-badge", "manage"];
    assert_eq!(browser.offered(&controls).await, ["active-badge"]);
    browser.press_in_page("n").await;
    browser.click("select-row").await;
    browser.wait_for("bulk-bar").await;
    let actions = ["bulk-activate", "bulk-deactivate", "bulk-delete", "bulk-export"];
    assert_eq!(browser.offered(&actions).await, ["bulk-export"]);
    browser.click("clear-selection").await;
    browser.click("more").await;
    browser.wait_for("more-panel").await;
    assert_eq!(browser.offered(&["export", "delete-all"]).await, ["export"]);
    assert_eq!(browser.path().await, "/products", "the shortcut n is disabled");

    browser.go(&format!("/products/{id}")).await;
    browser.until_text("product-details", "Green tea").await;
    assert!(browser.offered(&["save", "delete-product", "duplicate", "field-name"]).await.is_empty());
    browser.go("/products/new").await;
    browser.wait_for("read-only").await;
    browser.go("/imports").await;
    browser.wait_for("account").await;
    browser.until_loaded().await;
    assert_eq!(browser.count(".page-head a[href='/']").await, 0);
    for path in ["/webhooks", "/users", "/keys", "/audit"] {
        browser.go(path).await;
        browser.until_text("not-permitted", "viewer").await;
    }
}

#[tokio::test]
async fn an_editor_can_change_products_and_an_admin_everything() {
    let (app, id) = app_with_users().await;
    let browser = Browser::signed_in(&app, "editor", &password_of("editor"), "/").await;
    browser.wait_for("drop-zone").await;
    assert_eq!(browser.nav().await, "Import Imports Products");
    browser.go(&format!("/products/{id}")).await;
    browser.wait_for("save").await;
    browser.wait_for("toggle-active").await;
    browser.go("/products").await;
    browser.click("more").await;
    browser.wait_for("more-panel").await;
    assert_eq!(browser.offered(&["new-product", "export", "delete-all"]).await, ["new-product", "export"]);
    browser.go("/users").await;
    browser.until_text("not-permitted", "editor").await;

    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/products").await;
    browser.click("more").await;
    browser.wait_for("delete-all").await;
    assert_eq!(browser.nav().await, "Import Imports Products Webhooks");
    browser.click("manage").await;
    browser.click("nav-users").await;
    browser.until_at("/users").await;
    browser.wait_for("users-table").await;
    // On a phone the pages for admins are in the account menu.
    browser.resize(390, 800).await;
    browser.until_hidden("manage").await;
    browser.click("account").await;
    browser.click("nav-webhooks").await;
    browser.until_at("/webhooks").await;
    browser.until_hidden("account-panel").await;
    let overflow = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.script(overflow).await, false);
}

#[tokio::test]
async fn input_survives_the_end_of_the_session_and_is_saved_after_the_next_sign_in() {
    let (app, _) = app_with_users().await;
    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/products/new").await;
    browser.enter("field-sku", "MUG-07").await;
    browser.enter("field-name", "Mug").await;
    app.db.execute("DELETE FROM sessions").await;
    browser.click("save").await;
    browser.wait_for("sign-in-dialog").await;
    assert_eq!(browser.value("sign-in-name").await, "admin");
    assert_eq!(browser.value("field-sku").await, "MUG-07");
    browser.press(Key::Escape).await;
    browser.press(Key::Escape).await;
    browser.wait_for("sign-in-dialog").await;
    browser.enter("sign-in-password", "a password that is wrong").await;
    browser.click("sign-in").await;
    browser.until_text("sign-in-problem", "is wrong").await;
    browser.enter("sign-in-password", ADMIN_PASSWORD).await;
    browser.click("sign-in").await;
    browser.until_hidden("sign-in-dialog").await;
    browser.until_hidden("panel").await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE sku = 'MUG-07'").await, 1);

    // The input of one user is not shown to another.
    browser.go("/products/new").await;
    browser.enter("field-sku", "CUP-01").await;
    browser.enter("field-name", "Cup").await;
    app.db.execute("DELETE FROM sessions").await;
    browser.click("save").await;
    browser.wait_for("sign-in-dialog").await;
    browser.type_sign_in("editor", &password_of("editor")).await;
    browser
        .until("an empty form", async || {
            let empty =
                browser.value("field-sku").await.is_empty() && browser.count("[data-testid=field-sku]").await == 1;
            empty.then_some(())
        })
        .await;
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE sku = 'CUP-01'").await, 0);
}

#[tokio::test]
async fn an_idle_page_notices_that_its_session_has_ended() {
    let (app, _) = app_with_users().await;
    let browser = Browser::signed_in(&app, "viewer", &password_of("viewer"), "/products").await;
    browser.wait_for("product-row").await;
    app.db.execute("DELETE FROM sessions").await;
    // The server ends the event stream, and the page checks its session.
    browser.wait_for("sign-in-dialog").await;
    browser.enter("sign-in-password", &password_of("viewer")).await;
    browser.click("sign-in").await;
    browser.until_hidden("sign-in-dialog").await;
    // Another tab of the browser signs out.
    app.db.execute("DELETE FROM sessions").await;
    browser.script("new BroadcastChannel('loadify-session').postMessage(true)").await;
    browser.wait_for("sign-in-dialog").await;
    browser.click("leave-page").await;
    browser.until_at("/sign-in").await;
    browser.wait_for("sign-in-form").await;
}

#[tokio::test]
async fn an_admin_adds_users_changes_roles_and_cannot_remove_the_last_admin() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/users").await;
    browser.click("add-user").await;
    browser.click("save-user").await;
    browser.until_text("user-name-error", "Enter a name").await;
    assert_eq!(browser.focused_testid().await, "user-name");
    browser.enter("user-name", "Grace").await;
    browser.enter("user-password", "short").await;
    browser.until_text("user-password-error", "at least 12").await;
    browser.click("generate-user-password").await;
    browser.until_text("user-password-rule", "Good").await;
    let password = browser.value("user-password").await;
    assert!(check_password("password", &password, "Grace").is_none(), "{password}");
    browser.click("role-editor").await;
    browser.click("save-user").await;
    browser.until_text("users-table", "Grace").await;
    assert_eq!(app.sign_in("grace", &password).await.info.user.unwrap().role, Role::Editor);

    browser.choose_role_of("Grace", "viewer").await;
    browser.until_toast("Grace is now viewer").await;
    assert_eq!(app.sign_in("grace", &password).await.info.user.unwrap().role, Role::Viewer);
    browser.click_of("Grace", "user-enabled").await;
    let disabled = async || (app.db.number("SELECT count(*) FROM users WHERE NOT enabled").await == 1).then_some(());
    browser.until("the account to be disabled", disabled).await;
    assert_eq!(app.try_sign_in("grace", &password).await.status(), 401);
    browser.click_of("Grace", "user-enabled").await;
    let enabled = async || (app.db.number("SELECT count(*) FROM users WHERE NOT enabled").await == 0).then_some(());
    browser.until("the account to be enabled", enabled).await;
    browser.click_of("Grace", "set-password-of").await;
    browser.enter("set-password", "another long password").await;
    browser.click("save-password").await;
    browser.until_hidden("set-password-form").await;
    app.sign_in("grace", "another long password").await;

    // The last admin stays an admin.
    browser.choose_role_of("admin", "viewer").await;
    browser.click("confirm-user").await;
    browser.until_toast("Couldn't change admin").await;
    assert_eq!(app.db.number("SELECT count(*) FROM users WHERE role = 'admin'").await, 1);
    browser.click_of("Grace", "delete-user").await;
    browser.click("confirm-user").await;
    let gone = async || (browser.count("[data-testid=user-row]").await == 1).then_some(());
    browser.until("Grace to be gone", gone).await;
    assert_eq!(app.try_sign_in("grace", "another long password").await.status(), 401);
}

#[tokio::test]
async fn a_key_is_shown_once_has_its_scopes_and_no_access_after_revocation() {
    let app = TestApp::closed(&[]).await;
    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/keys").await;
    browser.wait_for("no-keys").await;
    browser.click("create-key").await;
    browser.click("scope-products:read").await;
    browser.click("save-key").await;
    browser.until_text("key-name-error", "Enter a name").await;
    browser.until_text("scopes-error", "Choose at least one").await;
    browser.enter("key-name", "Shop front").await;
    browser.click("scope-products:read").await;
    browser.click("lifetime-30").await;
    browser.click("save-key").await;
    browser.wait_for("key-secret").await;
    let secret = browser.value("key-secret").await;
    assert!(secret.starts_with("ldf_"), "{secret}");
    let example = browser.text("key-example").await;
    assert!(example.contains("curl") && example.contains(&app.base) && !example.contains(&secret), "{example}");
    browser.click("key-done").await;
    browser.until_hidden("key-secret").await;
    browser.until_text("keys-table", "Shop front").await;
    browser.until_text("keys-table", &secret[..12]).await;
    let page = browser.script("return document.documentElement.outerHTML").await;
    assert!(!page.as_str().unwrap().contains(&secret), "the key is shown once");

    let ask = async |path: &str| {
        let asked = app.client.get(app.url(path)).bearer_auth(&secret).send().await.unwrap();
        asked.status().as_u16()
    };
    assert_eq!((ask("/api/v1/products").await, ask("/api/v1/users").await), (200, 403));
    app.db.execute("UPDATE api_keys SET expires_at = now() - interval '1 day'").await;
    browser.reload().await;
    browser.until_text("key-expired", "Expired").await;
    browser.click("revoke-key").await;
    browser.click("confirm-revoke").await;
    browser.wait_for("no-keys").await;
    assert_eq!(ask("/api/v1/products").await, 401);
}

#[tokio::test]
async fn the_setup_link_creates_the_first_user() {
    let app = TestApp::start().await;
    let line = app.web.wait_for_print("/setup#").await;
    let token = line.split("/setup#").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let browser = Browser::open(&app, "/").await;
    browser.until_text("open-mode-banner", "No accounts yet").await;
    browser.click("dismiss-open-mode-banner").await;
    browser.reload().await;
    browser.wait_for("drop-zone").await;
    assert!(browser.offered(&["open-mode-banner"]).await.is_empty(), "it is dismissed in this browser");

    browser.go("/setup").await;
    browser.wait_for("no-token").await;
    // A browser does not reload a page if only the fragment changes.
    browser.go(&format!("/setup#{token}")).await;
    browser.wait_for("setup-form").await;
    let address = browser.script("return location.href").await;
    assert!(!address.as_str().unwrap().contains(&token), "{address}");
    browser.enter("setup-name", "Ada").await;
    browser.enter("setup-password", "short").await;
    browser.until_text("setup-password-rule", "5 of at least 12 characters").await;
    browser.click("create-account").await;
    browser.until_text("setup-password-error", "at least 12").await;
    browser.enter("setup-password", "correct horse battery staple").await;
    browser.until_text("setup-password-rule", "Good").await;
    browser.click("create-account").await;
    browser.until_at("/").await;
    browser.click("account").await;
    browser.until_text("account-user", "Ada").await;
    assert_eq!(app.db.number("SELECT count(*) FROM users WHERE role = 'admin'").await, 1);
    assert_eq!(app.get("/api/v1/products").await.status(), 401, "from now on a sign-in is required");
    browser.go(&format!("/setup#{token}")).await;
    browser.wait_for("already-set-up").await;
}

#[tokio::test]
async fn the_audit_log_is_filtered_by_the_url() {
    let (app, _) = app_with_users().await;
    let browser = Browser::signed_in(&app, "admin", ADMIN_PASSWORD, "/audit").await;
    browser.until_text("audit-table", "product.create").await;
    browser.choose("audit-action", "session.").await;
    browser.until("the query", async || (browser.query().await == "action=session.").then_some(())).await;
    browser
        .until("only sign-ins", async || {
            let text = browser.text("audit-table").await;
            (text.contains("session.sign_in") && !text.contains("product.create")).then_some(())
        })
        .await;
    assert_eq!(browser.attribute("audit-csv", "href").await.unwrap(), "/api/v1/audit.csv?action=session.");
    browser.enter("audit-actor", "viewer").await;
    browser.press(Key::Enter).await;
    browser
        .until("only one actor", async || {
            let text = browser.text("audit-table").await;
            (text.contains("viewer") && !text.contains("editor")).then_some(())
        })
        .await;
    browser.enter("audit-actor", "no-such-user").await;
    browser.press(Key::Enter).await;
    browser.wait_for("no-entries").await;
    browser.click("audit-clear").await;
    browser.until_text("audit-table", "product.create").await;
}

#[tokio::test]
async fn a_user_lists_sessions_ends_one_and_changes_the_password() {
    let (app, _) = app_with_users().await;
    let browser = Browser::signed_in(&app, "editor", &password_of("editor"), "/products").await;
    browser.click("account").await;
    browser.click("my-sessions").await;
    browser.until("both sessions", async || (browser.count("[data-testid=session]").await == 2).then_some(())).await;
    browser.click("end-session").await;
    browser.until("one session", async || (browser.count("[data-testid=session]").await == 1).then_some(())).await;
    browser.until_text("sessions", "This session").await;
    browser.click("close-sessions").await;

    browser.click("account").await;
    browser.click("change-password").await;
    browser.enter("current-password", "not the one").await;
    browser.enter("new-password", "quite another password").await;
    browser.click("save-new-password").await;
    browser.until_text("current-password-error", "is wrong").await;
    browser.enter("current-password", &password_of("editor")).await;
    browser.click("save-new-password").await;
    browser.until_hidden("change-password-form").await;
    assert_eq!(app.try_sign_in("editor", &password_of("editor")).await.status(), 401);
    app.sign_in("editor", "quite another password").await;
    browser.click("account").await;
    browser.click("my-sessions").await;
    browser.click("sign-out-everywhere").await;
    browser.wait_for("sign-in-form").await;
    // The sessions of admin and viewer are left.
    assert_eq!(app.db.number(OPEN_SESSIONS).await, 2);
}
