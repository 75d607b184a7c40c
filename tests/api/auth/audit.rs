//! The audit log.

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use shared::auth::{AuditPage, Role};
use tests::TestApp;

#[tokio::test]
async fn every_change_has_an_entry_that_cannot_be_forged() {
    let app = TestApp::closed(&[]).await;
    let begun = Utc::now() - TimeDelta::seconds(1);
    let admin = app.admin().await;
    let (_, editor) = app.user(&admin, "Ada", Role::Editor).await;
    let created =
        editor.client.post(app.url("/api/v1/products")).json(&json!({ "sku": "A", "name": "A" })).send().await.unwrap();
    let id = created.json::<shared::product::Product>().await.unwrap().id;
    let file =
        editor.client.post(app.url("/api/v1/imports")).header("content-type", "text/csv").body("sku,name\nB,B\n");
    assert_eq!(file.send().await.unwrap().status(), StatusCode::CREATED);
    // Refused requests have an entry, too.
    let refused = editor.client.delete(app.url("/api/v1/products?confirm=2")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    app.try_sign_in("=cmd()\nadmin\u{1b}[31m", "whatever it may be").await;

    let audit = async |query: &str| {
        let page = app.json_for(&admin.client, &format!("/api/v1/audit?{query}")).await;
        serde_json::from_value::<AuditPage>(page).unwrap().items
    };
    let found = audit("actor=Ada&action=product.create").await;
    assert_eq!((found.len(), found[0].target.clone(), found[0].status), (1, format!("/products/{id}"), Some(201)));
    assert_eq!(found[0].address, "127.0.0.1");
    assert_eq!(audit("action=import.").await[0].target, "/imports/1");
    let several = audit("action=import.,product.create").await;
    for action in ["import.create", "product.create"] {
        assert!(several.iter().any(|entry| entry.action == action), "{action}: {several:?}");
    }
    assert!(several.iter().all(|entry| entry.action.starts_with("import.") || entry.action == "product.create"));
    assert_eq!(audit("action=product.delete_all").await[0].status, Some(403));
    let forged = &audit("action=session.sign_in").await[0];
    assert_eq!((forged.actor.as_str(), forged.status), ("=cmd()\u{FFFD}admin\u{FFFD}[31m", Some(401)));
    let since = begun.to_rfc3339().replace('+', "%2B");
    assert!(audit(&format!("until={since}")).await.is_empty());
    let all = audit(&format!("since={since}&limit=200")).await;
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert_eq!(audit(&format!("before={}&limit=1", all[0].id)).await, [all[1].clone()]);

    let csv = admin
        .client
        .get(app.url("/api/v1/audit.csv?action=session.sign_in"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(csv.contains(",'=cmd()"), "{csv}");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(!app.web.log().contains("=cmd()"), "text of an anonymous request is not in the log");
}

#[tokio::test]
async fn nothing_changes_while_the_audit_log_cannot_be_written() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    app.db.execute("ALTER TABLE audit_log ADD CONSTRAINT full_up CHECK (action <> 'product.create')").await;
    let product = json!({ "sku": "A", "name": "A" });
    let response = admin.client.post(app.url("/api/v1/products")).json(&product).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
}
