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
    assert_eq!(
        problem(change("not the password", "a new and long one").await.unwrap()).await.errors[0].field,
        "current"
    );
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

#[tokio::test]
async fn names_and_passwords_follow_the_rules() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let create = async |name: &str, password: &str| {
        let user = json!({ "name": name, "role": "viewer", "password": password });
        let response = admin.client.post(app.url("/api/v1/users")).json(&user).send().await.unwrap();
        if response.status() == StatusCode::CREATED {
            return None;
        }
        let problem = problem(response).await;
        Some(problem.errors.first().map(|error| error.field.clone()).unwrap_or_default())
    };
    let good = "a password that is hard to guess";
    for name in ["shell", "Key nightly", "anyone", "local", "Ada\u{202E}", "Ad\u{200B}a", "A\u{7}da", "\u{FEFF}Ada"] {
        assert_eq!(create(name, good).await.as_deref(), Some("name"), "{name:?}");
    }
    for password in ["Loadify-2026!", "Password1234", "Grace-Hopper-1906", "Summer2026!!!", "short"] {
        assert_eq!(create("Grace Hopper", password).await.as_deref(), Some("password"), "{password}");
    }
    assert_eq!(create("Grace Hopper", good).await, None);
    // Names that look the same are the same.
    assert_eq!(create("grace\u{A0} hopper", good).await.as_deref(), Some(""));
    let unknown = json!({ "name": "Ada", "role": "owner", "password": good });
    let response = admin.client.post(app.url("/api/v1/users")).json(&unknown).send().await.unwrap();
    assert_eq!(problem(response).await.errors[0].field, "role");
    let own = admin.info.user.as_ref().unwrap().id;
    for change in [json!({ "role": "owner" }), json!({ "password": "Loadify-2026!" })] {
        let response = admin.client.patch(app.url(&format!("/api/v1/users/{own}"))).json(&change).send().await.unwrap();
        assert_eq!(problem(response).await.errors.len(), 1, "{change}");
    }
}
