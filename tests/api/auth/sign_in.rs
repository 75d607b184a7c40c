//! Guessing passwords and names.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tests::{TestApp, auth::ADMIN_PASSWORD};

#[tokio::test]
async fn guessing_is_delayed_and_the_owner_can_sign_in() {
    // 127.0.0.1 is a trusted proxy here, so that a test can send requests from many addresses.
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let sign_in_from = async |from: String, name: &str, password: &str| {
        let sign_in = json!({ "name": name, "password": password });
        let request = app.client.post(app.url("/api/v1/session")).header("x-forwarded-for", from).json(&sign_in);
        request.send().await.unwrap()
    };
    // The owner has signed in from their usual address before.
    assert_eq!(sign_in_from("203.0.113.9".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    let mut verified = 0;
    for guess in 0..1_000 {
        let response =
            sign_in_from(format!("198.51.100.{}", guess % 250), "admin", &format!("a guess, number {guess}")).await;
        match response.status() {
            StatusCode::UNAUTHORIZED => verified += 1,
            status => {
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
                let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=61).contains(&wait), "{wait}");
            }
        }
    }
    assert!(verified <= 12, "{verified} passwords were verified");
    assert_eq!(sign_in_from("203.0.113.9".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    // From another address, after at most one minute.
    let blocked =
        "SELECT max(blocked_until) <= now() + interval '60 s' FROM sign_in_failures WHERE key = 'account admin'";
    assert!(app.db.client.query_one(blocked, &[]).await.unwrap().get::<_, bool>(0));
    let sql = "UPDATE sign_in_failures SET blocked_until = now() WHERE key = 'account admin'";
    app.db.client.execute(sql, &[]).await.unwrap();
    assert_eq!(sign_in_from("192.0.2.44".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    // One address that tries many names is delayed as well.
    let mut statuses = Vec::new();
    for name in 0..30 {
        statuses.push(sign_in_from("192.0.2.66".into(), &format!("name {name}"), "whatever it may be").await.status());
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}

#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..40 {
        for (kind, name) in ["admin", "no such user"].into_iter().enumerate() {
            // Not delayed: that is another test.
            app.db.client.execute("DELETE FROM sign_in_failures", &[]).await.unwrap();
            let sign_in = json!({ "name": name, "password": format!("wrong {round} and long") });
            let begun = Instant::now();
            let response = app.client.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
            times[kind].push(begun.elapsed());
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let [known, unknown] = times.each_mut().map(median);
    println!("median of a wrong password {known:.4} s, of an unknown name {unknown:.4} s");
    assert!((known / unknown - 1.0).abs() < 0.25, "known {known} s, unknown {unknown} s");
}
