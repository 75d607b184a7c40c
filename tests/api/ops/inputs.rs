//! Invalid inputs: each is refused with a reason, and none is an error of the server.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{TestApp, app::problem};

#[tokio::test]
async fn an_unknown_query_parameter_is_refused_by_name() {
    let app = TestApp::start().await;
    for path in [
        "/api/v1/products?actve=true",
        "/api/v1/products/count?actve=true",
        "/api/v1/products/export.csv?actve=true",
        "/api/v1/imports?actve=true",
        "/api/v1/audit?actve=true",
        "/api/v1/webhooks/deliveries?actve=true",
        "/api/v1/webhooks?actve=true",
        "/api/v1/session?actve=true",
        "/livez?actve=true",
        "/metrics?actve=true",
    ] {
        let problem = problem(app.get(path).await).await;
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "actve"), "{path}");
        let message = &problem.errors[0].message;
        assert!(message.starts_with("is not a parameter of this operation"), "{message}");
        assert_eq!(app.send(Method::HEAD, path).await.status(), 422, "{path}");
    }
    let known = problem(app.get("/api/v1/imports?limit=1&lmit=1").await).await;
    assert!(known.errors[0].message.ends_with("it has: before, limit"), "{:?}", known.errors);
}

#[tokio::test]
async fn values_that_the_database_cannot_store_are_refused() {
    let app = TestApp::start().await;
    let mut paths = Vec::new();
    for date in
        ["-4714-01-01T00:00:00Z", "-99999-01-01T00:00:00Z", "%2B10000-01-01T00:00:00Z", "%2B262142-01-01T00:00:00Z"]
    {
        for field in ["created_from", "created_to", "updated_from", "updated_to"] {
            for list in ["products", "products/count", "products/export.csv"] {
                paths.push(format!("/api/v1/{list}?{field}={date}"));
            }
        }
        paths.push(format!("/api/v1/audit?since={date}"));
        paths.push(format!("/api/v1/audit.csv?until={date}"));
    }
    for text in [
        "products?q=a%00b",
        "products?sku=%00",
        "audit?actor=%00",
        "audit?action=%00",
        "audit.csv?action=%00",
        "imports/1/events?x=%00",
    ] {
        paths.push(format!("/api/v1/{text}"));
    }
    for path in paths {
        let response = app.get(&path).await;
        assert!(response.status().is_client_error(), "{path}: {}", response.status());
        problem(response).await;
    }
    for path in ["/api/v1/uploads/%00", "/api/v1/products/%00"] {
        let status = app.get(path).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_objects_or_contain_nul_are_refused() {
    let app = TestApp::start().await;
    let nul = "a\0b";
    for (method, path, body) in [
        (Method::POST, "/api/v1/session", json!({ "name": nul, "password": "x" })),
        (Method::POST, "/api/v1/session", json!(["admin", "password"])),
        (Method::POST, "/api/v1/setup", json!({ "token": nul, "name": nul, "password": nul })),
        (Method::POST, "/api/v1/setup", json!(["token", "name", "password"])),
        (Method::POST, "/api/v1/products", json!({ "sku": nul, "name": "A" })),
        (Method::POST, "/api/v1/products", json!({ "sku": "A", "name": "A", "attributes": { nul: "x" } })),
        (Method::POST, "/api/v1/products", json!(["A", "A", "", true, {}])),
        (Method::POST, "/api/v1/products/bulk", json!({ "action": "delete", "filter": { "q": nul } })),
        (Method::POST, "/api/v1/products/bulk", json!(["delete", null, [1]])),
        (Method::POST, "/api/v1/products/restore", json!([[1]])),
        (Method::POST, "/api/v1/imports", json!(["http://example.com/a.csv"])),
        (Method::POST, "/api/v1/webhooks", json!({ "url": "https://example.com/\0", "events": ["product.created"] })),
        (Method::POST, "/api/v1/webhooks", json!(["https://example.com/", "", ["product.created"], true])),
        (Method::POST, "/api/v1/keys", json!(["name", ["admin"], 1])),
    ] {
        let refused = problem(app.ask(method, path, &[], &body).await).await;
        assert!((400..500).contains(&refused.status), "{path} {body}: {}", refused.detail);
    }
    let far = json!({ "action": "delete", "filter": { "created_from": "+200000-01-01T00:00:00Z" } });
    let status = app.ask(Method::POST, "/api/v1/products/bulk", &[], &far).await.status();
    assert!(!status.is_server_error(), "{status}");
}

#[tokio::test]
async fn a_precondition_without_quotes_and_an_active_of_null_say_what_to_send() {
    let app = TestApp::start().await;
    let product = app.create(json!({ "sku": "A", "name": "A" })).await;
    let path = format!("/api/v1/products/{}", product.id);
    let change =
        async |condition: &str, body: Value| app.ask(Method::PATCH, &path, &[("If-Match", condition)], &body).await;
    let refused = problem(change("1", json!({ "name": "B" })).await).await;
    assert_eq!(
        (refused.status, refused.detail.as_str()),
        (400, "If-Match: 1 is not an ETag; send it with its quotes, for example If-Match: \"2\".")
    );
    let refused = problem(change("\"1\"", json!({ "active": null })).await).await;
    assert_eq!(refused.status, 400, "{}", refused.detail);
    assert_eq!(change("\"1\"", json!({ "active": false })).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn json_of_public_operations_is_small() {
    let app = TestApp::closed(&[]).await;
    let large = json!({ "name": "x".repeat(9 << 10), "password": "y" });
    for path in ["/api/v1/session", "/api/v1/setup"] {
        let refused = problem(app.ask(Method::POST, path, &[], &large).await).await;
        assert_eq!(refused.status, 413, "{path}");
        assert!(refused.detail.contains("8192 bytes"), "{}", refused.detail);
    }
}
