//! API keys.

use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::{
    auth::{KeyList, NewKey, Role, Scope},
    problem::ErrorCode,
};
use tests::{
    TestApp,
    app::problem,
    auth::{ADMIN_PASSWORD, client},
    sse::NamedStream,
};

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

#[tokio::test]
async fn a_key_ends_with_its_owner() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let (grace, browser) = app.user(&admin, "Grace", Role::Admin).await;
    let (key, program) = app.key(&browser, &Scope::ALL).await;
    // The owner of a key also owns the keys that it creates.
    let input = json!({ "name": "of a key", "scopes": ["products:read"] });
    let created = program.post(app.url("/api/v1/keys")).json(&input).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let second: NewKey = created.json().await.unwrap();
    assert_eq!((key.key.owner.as_str(), second.key.owner.as_str()), ("Grace", "Grace"));
    let second = client(&[("authorization", &format!("Bearer {}", second.secret))]);
    let status = async |client: &reqwest::Client, path: &str| client.get(app.url(path)).send().await.unwrap().status();
    let change = async |change: serde_json::Value| {
        let url = app.url(&format!("/api/v1/users/{}", grace.id));
        assert_eq!(admin.client.patch(url).json(&change).send().await.unwrap().status(), StatusCode::OK);
    };

    let mut stream = NamedStream::open(program.get(app.url("/api/v1/products/events"))).await.ready().await;
    change(json!({ "enabled": false })).await;
    for program in [&program, &second] {
        assert_eq!(status(program, "/api/v1/products").await, StatusCode::UNAUTHORIZED);
    }
    while stream.next().await.is_some() {}
    let list: KeyList = serde_json::from_value(app.json_for(&admin.client, "/api/v1/keys").await).unwrap();
    assert!(list.items.iter().all(|key| !key.active), "{list:?}");

    // A key has no more permissions than its owner.
    change(json!({ "enabled": true, "role": "viewer" })).await;
    assert_eq!(status(&program, "/api/v1/products").await, StatusCode::OK);
    assert_eq!(status(&program, "/api/v1/users").await, StatusCode::FORBIDDEN);
    let product = json!({ "sku": "A", "name": "A" });
    let refused = program.post(app.url("/api/v1/products")).json(&product).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);

    let url = app.url(&format!("/api/v1/users/{}", grace.id));
    assert_eq!(admin.client.delete(url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    for program in [&program, &second] {
        assert_eq!(status(program, "/api/v1/products").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.db.number("SELECT count(*) FROM api_keys").await, 0);
}

#[tokio::test]
async fn a_key_of_open_mode_ends_with_it() {
    let app = TestApp::start().await;
    let input = json!({ "name": "local", "scopes": ["admin", "products:read"] });
    let created = app.ask(Method::POST, "/api/v1/keys", &[], &input).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let key: NewKey = created.json().await.unwrap();
    assert_eq!(key.key.owner, "local");
    let program = client(&[("authorization", &format!("Bearer {}", key.secret))]);
    app.json_for(&program, "/api/v1/users").await;

    let line = app.web.wait_for_print("/setup#").await;
    let token = line.split("/setup#").nth(1).unwrap().trim();
    let setup = json!({ "token": token, "name": "Ada", "password": ADMIN_PASSWORD });
    let created = app.client.post(app.url("/api/v1/setup")).json(&setup).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let refused = program.get(app.url("/api/v1/products")).send().await.unwrap();
    assert_eq!(problem(refused).await.code, ErrorCode::Unauthenticated);
    assert_eq!(app.db.number("SELECT count(*) FROM api_keys").await, 0);
}
