//! API keys.

use reqwest::StatusCode;
use shared::{auth::Scope, problem::ErrorCode};
use tests::{TestApp, app::problem, auth::client};

#[tokio::test]
async fn a_key_is_shown_once_and_can_be_created_in_the_shell() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let (key, program) = app.key(&admin, &[Scope::ProductsRead]).await;
    assert!(key.secret.starts_with("ldf_") && key.key.prefix == key.secret[..12]);
    app.json_for(&program, "/api/v1/products").await;
    let list = app.json_for(&admin.client, "/api/v1/keys").await;
    assert!(!list.to_string().contains(&key.secret) && list["items"][0]["last_used_at"].is_string(), "{list}");
    assert_eq!(program.get(app.url("/api/v1/session/")).send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let created = tokio::process::Command::new(tests::process::program())
        .args(["key", "create", "nightly", "--scope", "imports", "--scope", "products:read", "--days", "7"])
        .env_clear()
        .env("DATABASE_URL", &app.db.url)
        .output()
        .await
        .unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let secret = String::from_utf8(created.stdout).unwrap();
    let nightly = client(&[("authorization", &format!("Bearer {}", secret.trim()))]);
    let response = nightly.post(app.url("/api/v1/imports")).header("content-type", "text/csv").body("sku,name\nA,B\n");
    assert_eq!(response.send().await.unwrap().status(), StatusCode::CREATED);
    for wrong in [&secret[..40], "Basic YWRtaW46cGFzc3dvcmQ=", "Bearer "] {
        let response =
            client(&[("authorization", wrong.trim())]).get(app.url("/api/v1/products")).send().await.unwrap();
        assert_eq!(problem(response).await.code, ErrorCode::Unauthenticated);
    }
}
