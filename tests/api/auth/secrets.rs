//! Secrets are shown once and are not logged.

use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::auth::{Role, Scope};
use tests::{TestApp, auth::ADMIN_PASSWORD};

/// Paths whose responses to an admin are searched for secrets.
const PAGES: [&str; 9] = [
    "/api/v1/session",
    "/api/v1/sessions",
    "/api/v1/users",
    "/api/v1/keys",
    "/api/v1/webhooks",
    "/api/v1/webhooks/1",
    "/api/v1/webhooks/deliveries",
    "/api/v1/audit?limit=200",
    "/api/v1/audit.csv",
];

#[tokio::test]
async fn no_log_and_no_later_response_contains_a_secret() {
    let app =
        TestApp::closed(&[("RUST_LOG", "trace,h2=info,tokio_postgres=debug"), ("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8")])
            .await;
    let admin = app.admin().await;
    let (_, editor) = app.user(&admin, "Ada", Role::Editor).await;
    let (key, program) = app.key(&admin, &[Scope::ProductsWrite, Scope::Imports]).await;
    let webhook = json!({ "url": "http://127.0.0.1:9/x", "events": ["product.created"] });
    let created = admin.client.post(app.url("/api/v1/webhooks")).json(&webhook).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let webhook_secret = created.json::<Value>().await.unwrap()["secret"].as_str().unwrap().to_owned();
    let rotated = admin.client.post(app.url("/api/v1/webhooks/1/rotate")).send().await.unwrap();
    let new_secret = rotated.json::<Value>().await.unwrap()["secret"].as_str().unwrap().to_owned();

    // Requests that succeed, and requests with secrets that fail.
    let mistyped = "a password that Ada mistyped";
    assert_eq!(app.try_sign_in("Ada", mistyped).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.try_sign_in(mistyped, "x").await.status(), StatusCode::UNAUTHORIZED);
    let product = json!({ "sku": "A", "name": "A" });
    assert_eq!(program.post(app.url("/api/v1/products")).json(&product).send().await.unwrap().status(), 201);
    for client in [&program, &editor.client] {
        let bad = client.post(app.url("/api/v1/products")).header("content-type", "application/json").body("{");
        assert_eq!(bad.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    app.db.execute("ALTER TABLE products RENAME TO gone").await;
    assert_eq!(program.post(app.url("/api/v1/products")).json(&product).send().await.unwrap().status(), 500);
    app.db.execute("ALTER TABLE gone RENAME TO products").await;

    let mut seen = app.web.log();
    assert!(seen.lines().count() > 20, "the log was read: {seen}");
    for path in PAGES {
        let response = admin.client.get(app.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        seen.push_str(&response.text().await.unwrap());
    }
    let secrets = [
        ("the admin's password", ADMIN_PASSWORD),
        ("Ada's password", "password of the test's Ada"),
        ("a mistyped password", mistyped),
        ("a session", &admin.token),
        ("another session", &editor.token),
        ("a key", &key.secret),
        ("a webhook's secret", &webhook_secret),
        ("a webhook's new secret", &new_secret),
    ];
    for (what, secret) in secrets {
        // The audit log contains the name that was tried, which is a password here.
        let seen = if what == "a mistyped password" { app.web.log() } else { seen.clone() };
        assert!(secret.len() > 20 && !seen.contains(secret), "{what} was shown or logged");
    }
}
