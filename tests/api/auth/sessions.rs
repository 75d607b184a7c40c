//! Sessions, their cookies, and their event streams.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use shared::auth::{KeyList, Role, Scope, SessionInfo, SessionList};
use tests::{
    TestApp,
    auth::{ADMIN_PASSWORD, browser, client},
    sse::NamedStream,
};

#[tokio::test]
async fn a_session_has_a_new_token_and_ends() {
    let app = TestApp::closed(&[]).await;
    let chosen = client(&[("cookie", "loadify=chosen-by-an-attacker")]);
    let sign_in = json!({ "name": "admin", "password": ADMIN_PASSWORD });
    // A request with a cookie must say from which page it comes.
    let response = chosen.post(app.url("/api/v1/session")).header("sec-fetch-site", "same-origin").json(&sign_in);
    let response = response.send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let ada = browser(response).await;
    assert_ne!(ada.token, "chosen-by-an-attacker");
    assert_eq!(chosen.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // A second sign-in in the same browser returns another token, and the previous one is invalid.
    let again = ada.client.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
    let new = browser(again).await;
    let status = async |client: &reqwest::Client| client.get(app.url("/api/v1/session")).send().await.unwrap().status();
    assert_eq!((status(&ada.client).await, status(&new.client).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));

    // Idle for too long: the row is changed instead of waiting.
    let sql = "UPDATE sessions SET last_used_at = now() - interval '13 hours'";
    app.db.client.execute(sql, &[]).await.unwrap();
    assert_eq!(status(&new.client).await, StatusCode::UNAUTHORIZED);
    let other = app.admin().await;
    app.db.client.execute("UPDATE sessions SET expires_at = now() - interval '1 s'", &[]).await.unwrap();
    assert_eq!(status(&other.client).await, StatusCode::UNAUTHORIZED);

    let (here, there) = (app.admin().await, app.admin().await);
    let list: SessionList = serde_json::from_value(app.json_for(&here.client, "/api/v1/sessions").await).unwrap();
    assert_eq!(list.items.iter().filter(|session| session.current).count(), 1);
    let sibling = list.items.iter().find(|session| !session.current).unwrap();
    let ended = here.client.delete(app.url(&format!("/api/v1/sessions/{}", sibling.id))).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert_eq!(status(&there.client).await, StatusCode::UNAUTHORIZED);
    let out = here.client.delete(app.url("/api/v1/session")).send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status(&here.client).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn over_tls_the_cookie_is_secure() {
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let proxy = client(&[("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9")]);
    let sign_in = json!({ "name": "admin", "password": ADMIN_PASSWORD });
    let response = proxy.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-loadify=") && cookie.contains("Secure"), "{cookie}");
    assert!(response.headers().contains_key("strict-transport-security"));
    let token = browser(response).await.token;
    // A cookie without the prefix can be set by a sibling host.
    let plain = client(&[("cookie", &format!("loadify={token}")), ("x-forwarded-proto", "https")]);
    assert_eq!(plain.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let secure = client(&[("cookie", &format!("__Host-loadify={token}")), ("x-forwarded-proto", "https")]);
    let sessions = app.json_for(&secure, "/api/v1/sessions").await;
    assert_eq!(sessions["items"][0]["address"], "203.0.113.9");
}

#[tokio::test]
async fn a_stream_ends_with_its_session_or_key() {
    let app = TestApp::closed(&[]).await;
    let (admin, (_, key)) = {
        let admin = app.admin().await;
        let key = app.key(&admin, &[Scope::ProductsRead]).await;
        (admin, key)
    };
    let viewer = app.user(&admin, "viewer", Role::Viewer).await.1;
    let mut streams = Vec::new();
    for client in [&viewer.client, &key] {
        streams.push(NamedStream::open(client.get(app.url("/api/v1/products/events"))).await);
    }
    let begun = Instant::now();
    let keys: KeyList = serde_json::from_value(app.json_for(&admin.client, "/api/v1/keys").await).unwrap();
    let revoked = admin.client.delete(app.url(&format!("/api/v1/keys/{}", keys.items[0].id))).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    let id = viewer.info.user.unwrap().id;
    let ended = admin.client.delete(app.url(&format!("/api/v1/users/{id}/sessions"))).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_stream_ends_when_its_session_is_idle() {
    let app = TestApp::closed(&[("SESSION_IDLE_MINUTES", "30")]).await;
    let admin = app.admin().await;
    let mut stream = NamedStream::open(admin.client.get(app.url("/api/v1/products/events"))).await.ready().await;
    app.db.execute("UPDATE sessions SET last_used_at = now() - interval '31 minutes'").await;
    let begun = Instant::now();
    while stream.next().await.is_some() {}
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let users = app.db.number("SELECT count(*) FROM sessions WHERE expires_at > now()").await;
    assert_eq!(users, 1, "the session was not ended otherwise");
}

#[tokio::test]
async fn streams_and_status_requests_do_not_keep_a_session_open() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let idle = "UPDATE sessions SET last_used_at = now() - interval '2 hours'";
    let is_idle = "SELECT count(*) FROM sessions WHERE last_used_at < now() - interval '1 hour'";
    app.db.execute(idle).await;
    let stream = NamedStream::open(admin.client.get(app.url("/api/v1/products/events"))).await.ready().await;
    let info: SessionInfo = serde_json::from_value(app.json_for(&admin.client, "/api/v1/session").await).unwrap();
    assert_eq!(app.db.number(is_idle).await, 1);
    let remaining = info.idle_until.unwrap() - Utc::now();
    assert!(remaining < TimeDelta::hours(10), "12 hours are left after a request, 2 are over: {remaining}");
    app.json_for(&admin.client, "/api/v1/products").await;
    assert_eq!(app.db.number(is_idle).await, 0);
    drop(stream);
}

#[tokio::test]
async fn the_sessions_of_a_user_are_limited() {
    let app = TestApp::closed(&[("MAX_SESSIONS_PER_USER", "2")]).await;
    let status = async |client: &reqwest::Client| client.get(app.url("/api/v1/session")).send().await.unwrap().status();
    let [first, second] = [app.admin().await, app.admin().await];
    let (_, other) = app.user(&second, "Grace", Role::Viewer).await;
    // The least recently used one ends.
    app.db.execute("UPDATE sessions SET last_used_at = now() - interval '1 minute' WHERE id = 2").await;
    let third = app.admin().await;
    let found = [status(&first.client).await, status(&second.client).await, status(&third.client).await];
    assert_eq!(found, [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::OK]);
    assert_eq!(status(&other.client).await, StatusCode::OK, "users are counted separately");
    // Sign-ins at the same time do not exceed the limit.
    let sign_ins = futures_util::future::join_all((0..6).map(|_| app.try_sign_in("admin", ADMIN_PASSWORD))).await;
    assert!(sign_ins.iter().any(|response| response.status() == StatusCode::OK));
    let open = "SELECT count(*) FROM sessions WHERE user_id = 1 AND expires_at > now()";
    assert_eq!(app.db.number(open).await, 2);
}
