//! Imports of files by URL.

use std::{io::Write, net::Ipv4Addr, time::Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use shared::{
    event::{EventKind, ImportEvent},
    import::{Import, ImportPhase},
    job::JobStatus,
    problem::ErrorCode,
};
use tests::{
    TestApp,
    app::problem,
    csv::Csv,
    dns::NameServer,
    eventually,
    oracle::Table,
    receiver::{Answer, Receiver},
    sse::assert_numbered,
};

/// Allows the servers of the tests, and nothing else: 127.0.0.2 is still forbidden.
const LOCAL: (&str, &str) = ("IMPORT_URL_ALLOW_CIDRS", "127.0.0.1/32");
const SMALL: &str = "sku,name\na,b\n";

async fn post(app: &TestApp, body: &Value) -> Response {
    app.ask(Method::POST, "/api/v1/imports", &[], body).await
}

async fn begin(app: &TestApp, url: &str) -> Import {
    let response = post(app, &json!({ "url": url })).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let import: Import = response.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/imports/{}", import.id));
    import
}

/// Returns why an import failed for good; nothing of it is left in storage.
async fn failure(app: &TestApp, url: &str) -> String {
    let import = begin(app, url).await;
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, app.stored_files()), (JobStatus::Failed, 0), "{end:?}");
    end.error.unwrap()
}

/// Returns why an import was interrupted, to be retried.
async fn interruption(app: &TestApp, id: i64) -> String {
    let mut events = app.watch(id, None).await;
    loop {
        let event = events.next_event().await.unwrap().expect("an interruption");
        if event.kind == EventKind::Interrupted {
            return event.error.unwrap();
        }
        assert!(!event.status.is_final(), "{event:?}");
    }
}

/// Starts a server whose response depends on the path.
async fn server(answer: impl Fn(&str) -> Answer + Send + 'static) -> Receiver {
    Receiver::behaving(move |request| answer(&request.path)).await
}

fn file(text: &str) -> Answer {
    Answer::Full(200, "content-type: text/csv\r\n", text.to_owned())
}

fn redirect(to: &str) -> Answer {
    Answer::Full(302, format!("location: {to}\r\n").leak(), String::new())
}

fn at(server: &Receiver, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

fn gzip(plain: &[u8]) -> Answer {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    answer.extend(encoder.finish().unwrap());
    Answer::Raw(answer)
}

#[tokio::test]
async fn a_file_is_fetched_and_imported_like_an_uploaded_one() {
    use EventKind::{Completed, Fetched, Queued, Scanned, Started};
    let app = TestApp::start_with(&[LOCAL, ("HTTP_PROXY", "http://127.0.0.1:9")]).await;
    let csv = Csv::random(3_000, 51);
    let text = String::from_utf8(csv.as_slice().to_vec()).unwrap();
    let server = server(move |_| file(&text)).await;
    let mut expected = Table::default();
    let counts = expected.apply(&csv);
    let import = begin(&app, &at(&server, "/files/Tea%20list.csv?signature=hush")).await;
    assert_eq!((import.file_name.as_str(), import.status), ("Tea list.csv", JobStatus::Queued));
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
    let size = i64::try_from(csv.as_slice().len()).unwrap();
    assert_eq!((end.size_bytes, end.bytes_fetched, end.sha256.map_or(0, |hash| hash.len())), (Some(size), size, 64));
    assert_eq!(end.source_url, Some(at(&server, "/files/Tea%20list.csv")), "without the query, which may be secret");
    let events: Vec<ImportEvent> = app.watch(import.id, None).await.to_end().await;
    assert_numbered(&events, 1);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).filter(|kind| *kind != EventKind::Progress).collect();
    assert_eq!(kinds, [Queued, Started, Fetched, Scanned, Completed]);
    assert_eq!(events[1].phase, Some(ImportPhase::Fetch));
    let request = server.received()[0].clone();
    assert_eq!(request.path, "/files/Tea%20list.csv?signature=hush");
    assert_eq!(request.headers["host"], server.address.to_string());
    let hushed = app.db.number("SELECT count(*) FROM imports WHERE source_url LIKE '%hush%'").await;
    assert!(hushed == 0 && !app.web.log().contains("hush"), "neither stored nor logged");
    let named = post(&app, &json!({ "url": at(&server, "/x"), "file_name": "a/b/mine.csv" })).await;
    assert_eq!(named.json::<Import>().await.unwrap().file_name, "mine.csv");
}

#[tokio::test]
async fn a_url_with_an_internal_address_is_refused_at_once() {
    let names = NameServer::start(|_| vec![Ipv4Addr::new(10, 1, 2, 3)]).await;
    let app = TestApp::start_with(&[("OUTBOUND_DNS", &names.address.to_string())]).await;
    for (url, reason) in [
        ("http://127.0.0.1:9/x.csv", "this host itself"),
        ("http://0x7f.1/x.csv", "this host itself"),
        ("http://[::1]/x.csv", "this host itself"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://files.example.com/x.csv", "10.1.2.3"),
        ("ftp://example.com/x.csv", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https://user:secret@example.com/x.csv", "password"),
        ("products.csv", "not a full URL"),
    ] {
        let refused = problem(post(&app, &json!({ "url": url })).await).await;
        assert_eq!((refused.code, refused.errors[0].field.as_str()), (ErrorCode::Invalid, "url"), "{url}");
        assert!(refused.errors[0].message.contains(reason), "{url}: {:?}", refused.errors);
    }
    for body in [json!({}), json!({ "url": 7 }), json!({ "url": "https://example.com", "method": "PUT" })] {
        assert_eq!(problem(post(&app, &body).await).await.code, ErrorCode::BadRequest, "{body}");
    }
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
}

#[tokio::test]
async fn a_host_that_becomes_internal_later_is_not_called() {
    // Checked when the import is created, and again, with the address that is called, when the file is fetched.
    let names = NameServer::start(|question| vec![Ipv4Addr::new(127, 0, 0, if question == 0 { 1 } else { 2 })]).await;
    let app = TestApp::start_with(&[LOCAL, ("OUTBOUND_DNS", &names.address.to_string())]).await;
    let reason = failure(&app, "http://files.example.com:9/x.csv").await;
    assert!(reason.contains("leads to 127.0.0.2"), "{reason}");
}

#[tokio::test]
async fn redirects_are_followed_and_each_is_checked() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let server = server(|path| match path {
        "/a" => redirect("b?x=1"),
        "/b?x=1" => redirect("/c"),
        "/c" => file(SMALL),
        "/inside" => redirect("http://127.0.0.2:9/x.csv"),
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data"),
        "/file" => redirect("file:///etc/passwd"),
        "/nowhere" => Answer::Status(302),
        _ => redirect("/round"),
    })
    .await;
    let import = begin(&app, &at(&server, "/a")).await;
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
    app.db.execute("UPDATE imports SET finished_at = now() - interval '40 days'").await;
    eventually("an empty storage", || async { (app.stored_files() == 0).then_some(()) }).await;
    for (path, expected) in [
        ("/inside", "leads to 127.0.0.2"),
        ("/metadata", "leads to 169.254.169.254"),
        ("/file", "must begin with https:// or http://"),
        ("/nowhere", "without a valid Location"),
        ("/round", "redirected more than 5 times"),
    ] {
        let reason = failure(&app, &at(&server, path)).await;
        assert!(reason.contains(expected), "{path}: {reason}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_a_product_file_fails_with_the_reason() {
    let app = TestApp::start_with(&[LOCAL, ("MAX_UPLOAD_BYTES", "100000")]).await;
    let server = server(|path| match path {
        "/page" => Answer::Full(200, "content-type: text/html\r\n", "<html>".to_owned()),
        "/other" => file("colour,size\nred,1\n"),
        "/empty" => file(""),
        "/announced" => Answer::Flood(64 << 20),
        "/bomb" => gzip(&vec![b'a'; 50 << 20]),
        "/endless" => Answer::Raw([b"HTTP/1.1 200 OK\r\n\r\nsku,name\n".to_vec(), vec![b'a'; 200_000]].concat()),
        "/brotli" => Answer::Full(200, "content-encoding: br\r\n", "x".to_owned()),
        "/private" => Answer::Status(403),
        _ => Answer::Status(404),
    })
    .await;
    for (path, expected) in [
        ("/page", "is a web page"),
        ("/other", "No column is called sku"),
        ("/empty", "The file is empty"),
        ("/announced", "larger than 100000 bytes"),
        ("/bomb", "larger than 100000 bytes"),
        ("/endless", "larger than 100000 bytes"),
        ("/brotli", "in the encoding br"),
        ("/private", "403 Forbidden. Use a URL that needs no sign-in"),
        ("/missing", "404 Not Found"),
    ] {
        let reason = failure(&app, &at(&server, path)).await;
        assert!(reason.contains(expected), "{path}: {reason}");
    }
    assert!(server.flooded() < 64 << 20, "it was not read to its end");
}

#[tokio::test]
async fn a_compressed_file_is_decompressed() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let csv = Csv::random(3_000, 52);
    let bytes = csv.as_slice().to_vec();
    let server = server(move |_| gzip(&bytes)).await;
    let end = app.end_of(begin(&app, &at(&server, "/x.csv")).await.id).await;
    assert_eq!(end.size_bytes, Some(i64::try_from(csv.as_slice().len()).unwrap()));
    let mut expected = Table::default();
    assert_eq!(end.counts, expected.apply(&csv));
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn temporary_errors_are_reported_and_the_fetch_is_retried() {
    let settings = [LOCAL, ("IMPORT_URL_IDLE_SECONDS", "1"), ("IMPORT_URL_DEADLINE_SECONDS", "3")];
    let app = TestApp::start_with(&settings).await;
    for (first, expected) in [
        (Answer::TakeAndReset, "before the end of the file, after 6 bytes"),
        (Answer::Hang, "sent nothing for 1 s"),
        (Answer::Reset, "did not respond"),
        (Answer::Garbage, "did not respond"),
        (Answer::Status(503), "503 Service Unavailable"),
        (
            Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08".to_vec()),
            "cannot be decompressed",
        ),
    ] {
        let mut first = Some(first);
        let server = Receiver::behaving(move |_| first.take().unwrap_or_else(|| file(SMALL))).await;
        let import = begin(&app, &at(&server, "/x.csv")).await;
        let reason = interruption(&app, import.id).await;
        assert!(reason.contains(expected), "{expected}: {reason}");
        assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
    }
}

#[tokio::test]
async fn a_slow_server_is_cut_off_and_the_import_fails_in_the_end() {
    let settings = [LOCAL, ("IMPORT_URL_IDLE_SECONDS", "2"), ("IMPORT_URL_DEADLINE_SECONDS", "3")];
    let app = TestApp::start_with(&settings).await;
    let server = server(|_| Answer::Drip).await;
    let start = Instant::now();
    let import = begin(&app, &at(&server, "/x.csv")).await;
    let reason = interruption(&app, import.id).await;
    assert!(reason.contains("was not complete within 3 s"), "{reason}");
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
    app.db.execute("UPDATE imports SET attempts = 4").await;
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, app.stored_files()), (JobStatus::Failed, 0));
    assert!(end.error.unwrap().contains("was not complete within 3 s"));
}

#[tokio::test]
async fn a_server_that_is_missing_or_has_no_tls_is_reported() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let server = server(|_| file(SMALL)).await;
    let import = begin(&app, &format!("https://{}/x.csv", server.address)).await;
    assert!(interruption(&app, import.id).await.contains("TLS with"));
    let address = server.address;
    drop(server);
    let import = begin(&app, &format!("http://{address}/x.csv")).await;
    assert!(interruption(&app, import.id).await.contains("Connection to"));
}

#[tokio::test]
async fn a_fetch_reports_its_progress_and_can_be_cancelled() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let server = server(|_| Answer::Drip).await;
    let import = begin(&app, &at(&server, "/x.csv")).await;
    let now = eventually("some bytes", || async {
        Some(app.import_now(import.id).await).filter(|import| import.bytes_fetched >= 2)
    })
    .await;
    assert_eq!((now.phase, now.size_bytes), (Some(ImportPhase::Fetch), Some(1_000)));
    app.send(Method::POST, &format!("/api/v1/imports/{}/cancel", import.id)).await;
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, app.stored_files()), (JobStatus::Cancelled, 0));
    eventually("the connection to be closed", || async { (server.open_connections() == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_fetch_survives_its_worker() {
    let app = TestApp::serve(&[LOCAL, ("IMPORT_LEASE_SECONDS", "2")]).await;
    let mut first = app.worker(&[]).await;
    let server = server(|_| Answer::Drip).await;
    let import = begin(&app, &at(&server, "/x.csv")).await;
    server.wait_for(1).await;
    first.kill();
    server.behave(|_| file(SMALL));
    let _second = app.worker(&[]).await;
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
}
