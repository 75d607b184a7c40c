//! Users and their passwords.

use reqwest::StatusCode;
use serde_json::json;
use shared::auth::{Permission, Role, UserList};
use tests::{TestApp, app::problem, auth::ADMIN_PASSWORD};

#[tokio::test]
async fn users_are_managed_and_the_last_admin_stays() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let own = admin.info.user.as_ref().unwrap().id;
    let patch = |id: i64, change: serde_json::Value| {
        admin.client.patch(app.url(&format!("/api/v1/users/{id}"))).json(&change).send()
    };
    for change in [json!({ "role": "viewer" }), json!({ "enabled": false })] {
        assert_eq!(patch(own, change).await.unwrap().status(), StatusCode::CONFLICT);
    }
    let deleted = admin.client.delete(app.url(&format!("/api/v1/users/{own}"))).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::CONFLICT);

    let (user, viewer) = app.user(&admin, "Grace", Role::Viewer).await;
    let twice = json!({ "name": "gRACE", "role": "admin", "password": ADMIN_PASSWORD });
    let response = admin.client.post(app.url("/api/v1/users")).json(&twice).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(!viewer.info.permissions.contains(&Permission::WriteProducts));
    // A new role takes effect at once: sessions with the previous one end.
    assert_eq!(patch(user.id, json!({ "role": "editor" })).await.unwrap().status(), StatusCode::OK);
    let gone = viewer.client.get(app.url("/api/v1/products")).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::UNAUTHORIZED);
    let editor = app.sign_in("grace", "password of the test's Grace").await;
    assert!(editor.info.permissions.contains(&Permission::WriteProducts));

    let change = |current: &str, new: &str| {
        let change = json!({ "current": current, "new": new });
        editor.client.post(app.url("/api/v1/session/password")).json(&change).send()
    };
    assert_eq!(problem(change("not it at all", "a new and long one").await.unwrap()).await.errors[0].field, "current");
    assert_eq!(change("password of the test's Grace", "a new and long one").await.unwrap().status(), 204);
    assert_eq!(editor.client.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.try_sign_in("grace", "password of the test's Grace").await.status(), StatusCode::UNAUTHORIZED);

    assert_eq!(patch(user.id, json!({ "enabled": false })).await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.try_sign_in("grace", "a new and long one").await.status(), StatusCode::UNAUTHORIZED);
    let users: UserList = serde_json::from_value(app.json_for(&admin.client, "/api/v1/users").await).unwrap();
    assert_eq!(
        users.items.iter().map(|user| (user.name.as_str(), user.enabled)).collect::<Vec<_>>(),
        [("admin", true), ("Grace", false)]
    );
}

#[tokio::test]
async fn a_password_can_be_set_in_the_shell() {
    use tokio::io::AsyncWriteExt;
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let mut child = tokio::process::Command::new(tests::process::program())
        .args(["set-password", "Admin"])
        .env_clear()
        .env("DATABASE_URL", &app.db.url)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"another long password\n").await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert_eq!(admin.client.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    app.sign_in("admin", "another long password").await;
}
