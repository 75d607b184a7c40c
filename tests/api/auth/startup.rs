//! Open mode, starting, and creating the first user.

use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::{
    auth::{AuthMode, Permission, Role, SessionInfo},
    problem::ErrorCode,
};
use tests::{
    TestApp,
    app::problem,
    auth::{ADMIN_PASSWORD, browser, client},
    eventually,
    process::Process,
};

#[tokio::test]
async fn open_mode_allows_only_local_requests() {
    let app = TestApp::start().await;
    let info: SessionInfo = serde_json::from_value(app.json("/api/v1/session").await).unwrap();
    assert_eq!((info.mode, info.user), (AuthMode::Open, None));
    assert_eq!(info.permissions, Permission::ALL);
    // By another host name that resolves to this machine (DNS rebinding), or through a proxy that is not configured.
    for header in [("host", "evil.example"), ("x-forwarded-for", "203.0.113.9")] {
        let response = client(&[header]).get(app.url("/api/v1/products")).send().await.unwrap();
        assert_eq!(problem(response).await.code, ErrorCode::Forbidden, "{header:?}");
    }
    // A program without the headers of a browser can write; a page of another site cannot.
    assert_eq!(app.ask(Method::POST, "/api/v1/products", &[], &json!({ "sku": "A", "name": "A" })).await.status(), 201);
    let foreign = [("origin", "https://evil.example")];
    let response = app.ask(Method::POST, "/api/v1/products", &foreign, &json!({ "sku": "B", "name": "B" })).await;
    assert_eq!(problem(response).await.code, ErrorCode::CrossSite);
    let first = json!({ "name": "Eve", "role": "admin", "password": ADMIN_PASSWORD });
    assert_eq!(app.ask(Method::POST, "/api/v1/users", &[], &first).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_server_that_other_machines_reach_does_not_start_without_a_user() {
    let app = TestApp::start().await;
    for setting in [("BIND", "0.0.0.0:0"), ("TRUSTED_PROXIES", "127.0.0.1"), ("PUBLIC_URL", "https://shop.example")] {
        let mut web = app.process("all", &[setting]);
        assert!(!web.ended().await.success());
        assert!(web.log().contains("set ADMIN_PASSWORD"), "{}", web.log());
    }
    let mut web = app.process("all", &[("BIND", "0.0.0.0:0"), ("ADMIN_PASSWORD", "password1234")]);
    assert!(!web.ended().await.success());
    assert!(web.log().contains("easily guessed") && !web.log().contains("password1234"), "{}", web.log());
    let web = app.process("all", &[("BIND", "0.0.0.0:0"), ("ADMIN_PASSWORD", ADMIN_PASSWORD)]);
    web.wait_for_line("Loadify is at http://").await;
    // The process that was in open mode now requires sign-in, too.
    assert_eq!(app.get("/api/v1/products").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_admin_password_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{ADMIN_PASSWORD}\n")).unwrap();
    let app = TestApp::start_with(&[("ADMIN_PASSWORD_FILE", file.to_str().unwrap()), ("ADMIN_NAME", "Ada")]).await;
    let ada = app.sign_in(" ADA ", ADMIN_PASSWORD).await;
    assert_eq!(ada.info.user.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn the_setup_link_creates_the_first_user_once() {
    let app = TestApp::start().await;
    let line = app.web.wait_for_print("/setup#").await;
    let token = line.split("/setup#").nth(1).unwrap().trim();
    let setup = |token: &str, password: &str| {
        let body = json!({ "token": token, "name": "Ada", "password": password });
        app.client.post(app.url("/api/v1/setup")).json(&body).send()
    };
    assert_eq!(setup("x", ADMIN_PASSWORD).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let weak = problem(setup(token, "short").await.unwrap()).await;
    assert_eq!(weak.errors[0].field, "password");
    let created = setup(token, ADMIN_PASSWORD).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let ada = browser(created).await;
    assert_eq!(app.json_for(&ada.client, "/api/v1/users").await["items"][0]["name"], "Ada");
    assert_eq!(setup(token, ADMIN_PASSWORD).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/api/v1/products").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn processes_that_start_together_create_one_user() {
    let app = TestApp::start().await;
    let settings: Vec<_> = app.settings.iter().cloned().chain([("ADMIN_PASSWORD", ADMIN_PASSWORD.into())]).collect();
    let processes: Vec<_> = (0..4).map(|_| Process::start("all", &settings)).collect();
    for process in &processes {
        process.wait_for_line("Loadify is at http://").await;
    }
    let created: usize = processes.iter().map(|process| process.count_lines("Created the first user")).sum();
    assert_eq!(created, 1);
    eventually("a user", || async { (app.get("/api/v1/products").await.status() == 401).then_some(()) }).await;
}
