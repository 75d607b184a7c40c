//! Serving the page and its files.

use tests::TestApp;

/// Starts an app with a page of two files.
async fn app_with_page() -> (TestApp, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<!doctype html><title>Loadify</title>").unwrap();
    std::fs::write(folder.path().join("app-0123456789abcdef.js"), "const a = 1;".repeat(1_000)).unwrap();
    std::fs::write(folder.path().join("font.woff2"), "no hash").unwrap();
    let app = TestApp::start_with(&[("STATIC_DIR", folder.path().to_str().unwrap())]).await;
    (app, folder)
}

#[tokio::test]
async fn every_route_of_the_page_returns_the_current_page() {
    let (app, _folder) = app_with_page().await;
    for path in ["/", "/products", "/imports/7", "/nowhere"] {
        let response = app.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert!(response.text().await.unwrap().contains("Loadify"));
    }
}

#[tokio::test]
async fn files_with_a_hash_are_cached_forever_and_sent_compressed() {
    let (app, _folder) = app_with_page().await;
    for (accepted, encoding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("identity", None)] {
        let get = app.client.get(app.url("/app-0123456789abcdef.js")).header("Accept-Encoding", accepted);
        let response = get.send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(response.headers()["vary"], "Accept-Encoding");
        let sent = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(sent.filter(|encoding| encoding != "identity").as_deref(), encoding);
        let size = response.bytes().await.unwrap().len();
        assert_eq!(size < 1_000, encoding.is_some(), "{size} bytes for {accepted}");
    }
    assert_eq!(app.get("/font.woff2").await.headers()["cache-control"], "no-cache", "its name stays when it changes");
}

#[tokio::test]
async fn a_file_that_the_build_compressed_is_sent_as_it_is() {
    let (app, folder) = app_with_page().await;
    drop(app);
    std::fs::write(folder.path().join("app-0123456789abcdef.js.br"), "compressed by the build").unwrap();
    let app = TestApp::start_with(&[("STATIC_DIR", folder.path().to_str().unwrap())]).await;
    let get = app.client.get(app.url("/app-0123456789abcdef.js")).header("Accept-Encoding", "br");
    assert_eq!(get.send().await.unwrap().text().await.unwrap(), "compressed by the build");
    assert_eq!(app.get("/app-0123456789abcdef.js.br").await.status(), 404);
}

#[tokio::test]
async fn without_a_page_the_api_works_and_an_error_says_what_is_missing() {
    let app = TestApp::start_with(&[("STATIC_DIR", "/nonexistent")]).await;
    let problem = tests::app::problem(app.get("/").await).await;
    assert!(problem.detail.contains("has not been built"), "{problem}");
    assert_eq!(app.get("/api/v1/products").await.status(), 200);
}
