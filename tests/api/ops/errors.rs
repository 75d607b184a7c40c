//! Every error is a problem (RFC 9457) with a stable code.

use reqwest::Method;
use tests::{TestApp, app::problem};

#[tokio::test]
async fn every_error_is_a_problem_with_a_code_and_a_detail() {
    let app = TestApp::start().await;
    let mut seen = Vec::new();
    for (method, path) in [
        (Method::GET, "/api/v1/nothing"),
        (Method::GET, "/api/nothing"),
        (Method::GET, "/api/v1/imports/7"),
        (Method::GET, "/api/v1/imports/seven"),
        (Method::GET, "/api/v1/imports/99999999999999999999"),
        (Method::GET, "/api/v1/imports?limit=0"),
        (Method::GET, "/api/v1/imports?limit=many"),
        (Method::GET, "/api/v1/imports/7/rejected"),
        (Method::GET, "/api/v1/imports/7/rejected.csv"),
        (Method::GET, "/api/v1/imports/7/events"),
        (Method::POST, "/api/v1/imports/7/cancel"),
        (Method::DELETE, "/api/v1/imports"),
        (Method::PUT, "/api/v1/imports/7"),
        (Method::GET, "/api/v1/products?limit=201"),
        (Method::GET, "/api/v1/products?cursor=after-x"),
        (Method::POST, "/products"),
        (Method::GET, "/no-such-file.js"),
    ] {
        let problem = problem(app.send(method.clone(), path).await).await;
        assert_eq!(problem.kind, "about:blank");
        seen.push(format!("{method} {path}: {} {:?} {}", problem.status, problem.code, problem.detail));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "GET /api/v1/nothing: 404 NotFound /api/v1/nothing does not exist.",
        "GET /api/nothing: 404 NotFound /api/nothing does not exist.",
        "GET /api/v1/imports/7: 404 NotFound Import 7 does not exist.",
        "GET /api/v1/imports/seven: 404 NotFound /api/v1/imports/seven does not exist.",
        "GET /api/v1/imports/99999999999999999999: 404 NotFound /api/v1/imports/99999999999999999999 does not exist.",
        "GET /api/v1/imports?limit=0: 422 Invalid Some parameters are not valid.",
        "GET /api/v1/imports?limit=many: 400 BadRequest A query parameter is not valid: Query deserialize error: invalid digit found in string; see /api/docs.",
        "GET /api/v1/imports/7/rejected: 404 NotFound Import 7 does not exist.",
        "GET /api/v1/imports/7/rejected.csv: 404 NotFound Import 7 does not exist.",
        "GET /api/v1/imports/7/events: 404 NotFound Import 7 does not exist.",
        "POST /api/v1/imports/7/cancel: 404 NotFound Import 7 does not exist.",
        "DELETE /api/v1/imports: 405 MethodNotAllowed The method is not allowed; allowed are: GET, HEAD, POST.",
        "PUT /api/v1/imports/7: 405 MethodNotAllowed The method is not allowed; allowed are: GET, HEAD.",
        "GET /api/v1/products?limit=201: 422 Invalid Some parameters are not valid.",
        "GET /api/v1/products?cursor=after-x: 400 BadRequest The cursor does not belong to this list; start without a cursor.",
        "POST /products: 405 MethodNotAllowed The method is not allowed; allowed are: GET, HEAD.",
        "GET /no-such-file.js: 404 NotFound /no-such-file.js does not exist.",
    ]
    "#);
}

#[tokio::test]
async fn an_invalid_field_is_named() {
    let app = TestApp::start().await;
    let problem = problem(app.get("/api/v1/imports?limit=1000").await).await;
    insta::assert_json_snapshot!(problem, @r#"
    {
      "type": "about:blank",
      "title": "Unprocessable Entity",
      "status": 422,
      "code": "invalid",
      "detail": "Some parameters are not valid.",
      "errors": [
        {
          "field": "limit",
          "message": "must be 1 to 100"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_unsupported_method_is_answered_with_the_allowed_ones() {
    let app = TestApp::start().await;
    for (path, methods) in [
        ("/api/v1/products", "DELETE, GET, HEAD, POST"),
        ("/api/v1/products/7", "DELETE, GET, HEAD, PATCH, PUT"),
        ("/api/v1/imports", "GET, HEAD, POST"),
        ("/api/v1/imports/7/cancel", "POST"),
        ("/api/v1/products/count", "GET, HEAD"),
        ("/api/v1/products/restore", "POST"),
        ("/products", "GET, HEAD"),
    ] {
        let response = app.send(Method::OPTIONS, path).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], methods, "{path}");
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let app = TestApp::start().await;
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/api/v1/imports",
        "/api/v1/products",
        "/api/v1/products/count",
        "/api/v1/products/export.csv",
        // A stream that does not end.
        "/api/v1/products/events",
        "/api/v1/products/7",
    ] {
        let (get, head) = (app.get(path).await, app.send(Method::HEAD, path).await);
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers().get("content-type"), get.headers().get("content-type"), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}
