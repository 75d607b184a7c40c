//! Limits on requests, streams and imports.

use reqwest::{Method, StatusCode};
use shared::{
    auth::{Role, Scope},
    problem::ErrorCode,
};
use tests::{TestApp, app::problem, auth::client, sse::NamedStream};

#[tokio::test]
async fn requests_and_streams_are_limited_per_principal() {
    let app = TestApp::closed(&[("RATE_LIMIT_PER_MINUTE", "20"), ("MAX_STREAMS", "2")]).await;
    let admin = app.admin().await;
    let (_, program) = app.key(&admin, &[Scope::ProductsRead]).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(NamedStream::open(program.get(app.url("/api/v1/products/events"))).await);
    }
    let third = program.get(app.url("/api/v1/products/events")).send().await.unwrap();
    assert_eq!(problem(third).await.code, ErrorCode::TooManyRequests);
    let mut refused = None;
    for _ in 0..30 {
        let response = program.get(app.url("/api/v1/products/count")).send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(response);
            break;
        }
        assert_eq!(response.headers()["ratelimit-policy"], "\"requests\";q=20;w=60");
        assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with("\"requests\";r="));
    }
    let refused = refused.expect("the budget is 20 requests");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // Other principals have their own budgets.
    app.json_for(&admin.client, "/api/v1/products/count").await;
}

#[tokio::test]
async fn open_imports_are_limited() {
    // Only a web process: no worker processes them.
    let app = TestApp::serve(&[("MAX_OPEN_IMPORTS", "2")]).await;
    for _ in 0..2 {
        app.upload("sku,name\nA,A\n").await;
    }
    let response = app.post_file("sku,name\nA,A\n").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(problem(response).await.code, ErrorCode::TooManyRequests);
    let tus = [("tus-resumable", "1.0.0"), ("upload-length", "10")];
    assert_eq!(client(&tus).post(app.url("/api/v1/uploads")).send().await.unwrap().status(), 429);
    let cancelled = app.send(Method::POST, "/api/v1/imports/1/cancel").await;
    assert_eq!(cancelled.status(), StatusCode::OK);
    app.upload("sku,name\nA,A\n").await;
}

#[tokio::test]
async fn streams_are_counted_per_user() {
    let app = TestApp::closed(&[("MAX_STREAMS", "3")]).await;
    let [first, second] = [app.admin().await, app.admin().await];
    let (_, viewer) = app.user(&first, "Grace", Role::Viewer).await;
    let (_, program) = app.key(&first, &[Scope::ProductsRead]).await;
    let mut streams = Vec::new();
    for client in [&first.client, &second.client, &program] {
        streams.push(NamedStream::open(client.get(app.url("/api/v1/products/events"))).await.ready().await);
    }
    for client in [&first.client, &second.client, &program] {
        let refused = client.get(app.url("/api/v1/products/events")).send().await.unwrap();
        assert_eq!(problem(refused).await.code, ErrorCode::TooManyRequests);
    }
    streams.push(NamedStream::open(viewer.client.get(app.url("/api/v1/products/events"))).await.ready().await);
}
