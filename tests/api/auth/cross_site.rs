//! Requests that a page of another site sends.

use reqwest::StatusCode;
use serde_json::json;
use tests::{TestApp, auth::client};

#[tokio::test]
async fn a_request_of_another_site_changes_nothing() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let cookie = format!("loadify={}", admin.token);
    let host = app.base.trim_start_matches("http://").to_owned();
    let ours = format!("http://{host}");
    let table: [(&[(&'static str, &str)], StatusCode); 8] = [
        (&[("sec-fetch-site", "same-origin")], StatusCode::CREATED),
        (&[("origin", &ours)], StatusCode::CREATED),
        (&[("sec-fetch-site", "same-origin"), ("origin", &ours)], StatusCode::CREATED),
        (&[], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "cross-site"), ("origin", &ours)], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "none")], StatusCode::FORBIDDEN),
        (&[("origin", "null")], StatusCode::FORBIDDEN),
    ];
    for (row, (headers, expected)) in table.into_iter().enumerate() {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        let product = json!({ "sku": format!("S-{row}"), "name": "A" });
        let response = client(&all).post(app.url("/api/v1/products")).json(&product).send().await.unwrap();
        assert_eq!(response.status(), expected, "{headers:?}");
    }
    // A form can send text without a preflight request, but not JSON.
    let form = admin.client.post(app.url("/api/v1/products")).header("content-type", "text/plain");
    let response = form.body(r#"{"sku":"X","name":"X"}"#).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
