//! The client behind proxies: through a real nginx.

use reqwest::{Client, StatusCode, header::HeaderMap};
use serde_json::json;
use shared::problem::ErrorCode;
use tests::{
    TestApp,
    app::problem,
    auth::{ADMIN_PASSWORD, browser},
    nginx::{Nginx, delivered_site},
    raw::RawConnection,
};

/// Returns the value of `TRUSTED_PROXIES` in compose.yaml.
fn trusted_by_compose() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let compose = std::fs::read_to_string(root.join("compose.yaml")).unwrap();
    let line = compose.lines().find_map(|line| line.trim().strip_prefix("TRUSTED_PROXIES: "));
    line.unwrap().to_owned()
}

/// Returns a client that connects from an address of this machine.
fn from_address(address: &str) -> Client {
    let forged = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), "203.0.113.9".parse().unwrap())]);
    Client::builder().local_address(Some(address.parse().unwrap())).default_headers(forged).build().unwrap()
}

#[tokio::test]
async fn clients_of_a_private_network_are_distinguished_behind_the_delivered_nginx() {
    // 127.0.0.0/8 is the private network of this test: nginx and all clients are in it, and all of it is trusted, as in
    // compose.yaml.
    let trusted = format!("{},127.0.0.0/8", trusted_by_compose());
    let app = TestApp::closed(&[("TRUSTED_PROXIES", &trusted), ("RATE_LIMIT_PER_MINUTE", "20")]).await;
    let web = app.base.strip_prefix("http://").unwrap().to_owned();
    let nginx = Nginx::start(|port| delivered_site(port, &web)).await;
    let url = |path: &str| format!("{}{path}", nginx.base);
    let [first, second] = ["127.0.0.2", "127.0.0.3"].map(from_address);

    let sign_in = json!({ "name": "admin", "password": ADMIN_PASSWORD });
    let response = first.post(url("/api/v1/session")).json(&sign_in).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let admin = browser(response).await;
    let sessions = admin.client.get(url("/api/v1/sessions")).send().await.unwrap();
    let sessions: serde_json::Value = sessions.json().await.unwrap();
    assert_eq!(sessions["items"][0]["address"], "127.0.0.2");

    let mut limited = false;
    for _ in 0..25 {
        let response = first.get(url("/api/v1/products")).send().await.unwrap();
        limited |= response.status() == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(limited, "20 requests a minute are allowed");
    let response = second.get(url("/api/v1/products")).send().await.unwrap();
    assert_eq!(problem(response).await.code, ErrorCode::Unauthenticated, "another client has its own budget");
}

#[tokio::test]
async fn open_mode_refuses_requests_through_a_proxy() {
    let app = TestApp::start().await;
    let web = app.base.strip_prefix("http://").unwrap().to_owned();
    // Without any setting nginx adds no header field, replaces Host by the name of the upstream, and speaks HTTP/1.0.
    let plain = |port| format!("server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{web}; }} }}");
    let nginx = Nginx::start(plain).await;
    let through = reqwest::get(format!("{}/api/v1/products", nginx.base)).await.unwrap();
    assert_eq!(problem(through).await.code, ErrorCode::Forbidden);
    // The same in HTTP/1.1, for a browser.
    let newer = |port| {
        format!(
            "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{web}; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        )
    };
    let nginx = Nginx::start(newer).await;
    let request = reqwest::Client::new().get(format!("{}/api/v1/products", nginx.base));
    let page = [("sec-fetch-site", "same-origin"), ("referer", &format!("{}/products", nginx.base))];
    let request = page.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(problem(request.send().await.unwrap()).await.code, ErrorCode::Forbidden);

    let mut connection = RawConnection::new(&app.base);
    for (header, expected) in [
        ("", 200),
        ("Connection: keep-alive\r\n", 200),
        ("Via: 1.1 proxy\r\n", 403),
        ("CF-Connecting-IP: 203.0.113.9\r\n", 403),
        ("X-Forwarded-For: 203.0.113.9\r\n", 403),
        ("Forwarded: for=203.0.113.9\r\n", 403),
    ] {
        let request = format!("GET /api/v1/products HTTP/1.1\r\nHost: {web}\r\n{header}\r\n");
        let response = connection.send("GET", request.as_bytes()).await.unwrap();
        assert_eq!(response.status, expected, "{header}");
    }
    let request = format!("GET /api/v1/products HTTP/1.0\r\nHost: {web}\r\n\r\n");
    let response = connection.send("GET", request.as_bytes()).await.unwrap();
    assert_eq!(response.status, 403, "HTTP/1.0");
}
