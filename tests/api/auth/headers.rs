//! Security headers.

use reqwest::{Method, Response};
use tests::TestApp;

/// Returns the Content-Security-Policy of a response.
fn policy(response: &Response) -> String {
    response.headers()["content-security-policy"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/favicon.svg"),
        (Method::GET, "/livez"),
        (Method::GET, "/nothing.js"),
        (Method::GET, "/api/docs/"),
        (Method::GET, "/api/v1/products"),
        (Method::GET, "/api/v1/products/export.csv"),
        (Method::GET, "/api/v1/products/7"),
        (Method::DELETE, "/api/v1/imports"),
        (Method::POST, "/"),
    ] {
        for client in [&app.client, &admin.client] {
            let response = client.request(method.clone(), app.url(path)).send().await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let where_ = format!("{method} {path}: {:?}", response.headers());
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(header(name).as_deref(), Some(value), "{where_}");
            }
            assert!(policy(&response).starts_with("default-src 'none'"), "{where_}");
            assert!(policy(&response).contains("frame-ancestors 'none'"), "{where_}");
            assert_eq!(header("access-control-allow-origin"), None, "{where_}");
            assert_eq!(header("strict-transport-security"), None, "there is no TLS: {where_}");
            if path.starts_with("/api/v1/products") && response.status().is_success() {
                assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{where_}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_can_run_only_its_own_scripts() {
    let app = TestApp::start().await;
    let page = app.get("/products").await;
    let policy = policy(&page);
    let hash = policy.split_whitespace().find_map(|word| word.strip_prefix("'sha256-")).unwrap();
    assert_eq!(
        policy.replace(hash, "HASH"),
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-HASH style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let html = page.text().await.unwrap();
    assert_eq!(html.matches("<script").count(), 1, "the script that the hash belongs to: {html}");
    assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("onload="), "{html}");
    assert_eq!(html.matches("http").count(), 0, "no resource of another site: {html}");
}
