//! The OpenAPI document.

use tests::{TestApp, process::program};

#[test]
fn the_committed_document_is_the_one_that_the_code_generates() {
    let output = std::process::Command::new(program()).arg("openapi").output().unwrap();
    assert!(output.status.success());
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.yaml")).unwrap_or_default();
    assert!(
        committed.as_bytes() == output.stdout,
        "openapi.yaml is stale. Refresh it with: cargo run -p backend -- openapi > openapi.yaml"
    );
}

#[tokio::test]
async fn the_document_and_its_viewer_are_served_locally() {
    let app = TestApp::start().await;
    let document = app.json("/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/api/v1/imports", "/api/v1/imports/{id}/events", "/api/v1/products"] {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
    let page = app.get("/api/docs").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("https://"), "nothing is loaded from another site: {html}");
}
