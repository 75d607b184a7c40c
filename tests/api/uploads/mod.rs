//! Resumable uploads, by the rules of the tus protocol 1.0.0.

mod clients;
mod faults;
mod quotas;
mod races;
mod reference;
mod storage;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, Response};
use sha1::Digest as _;
use sha2::Digest as _;
use shared::{job::JobStatus, problem::ErrorCode};
use tests::{
    TestApp,
    app::problem,
    csv::Csv,
    eventually,
    tus::{OFFSET_STREAM, Tus, header, import_of, offset_of, pair},
};

const FILE: &str = "sku,name\na,Tea\nb,Cup\n";
const NOT_KNOWN: &str = "/api/v1/uploads/0123456789abcdef0123456789abcdef";

async fn start() -> (TestApp, Tus) {
    let app = TestApp::start().await;
    let tus = Tus::of(&app);
    (app, tus)
}

/// Bytes that become a chunk in storage; fewer are stored in the row of their upload.
const MIN_CHUNK_BYTES: usize = 64 << 10;

/// A file of `size` bytes, and of one product per row.
fn file_of(size: usize) -> Vec<u8> {
    let rows = (0..).map(|row| format!("sku-{row},Name of product {row}\n").into_bytes());
    let mut file: Vec<u8> = b"sku,name\n".to_vec();
    for row in rows {
        file.extend_from_slice(&row);
        if file.len() >= size {
            break;
        }
    }
    file.truncate(size);
    file
}

/// Waits until nothing of any file is left in storage, nor in the database.
async fn until_no_files(app: &TestApp) {
    let rows = "SELECT (SELECT count(*) FROM stored_files) + (SELECT count(*) FROM upload_chunks)";
    let empty = || async { (app.stored_files() == 0 && app.db.number(rows).await == 0).then_some(()) };
    eventually("the files to be removed", empty).await;
}

async fn rejected(response: Response, status: u16, code: ErrorCode) {
    assert_eq!(header(&response, "tus-resumable").as_deref(), Some("1.0.0"), "each response names the version");
    let problem = problem(response).await;
    assert_eq!((problem.status, problem.code), (status, code), "{}", problem.detail);
}

#[tokio::test]
async fn options_report_the_capabilities_whatever_the_version_of_the_request() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let tus = Tus::of(&app);
    for path in ["/api/v1/uploads", NOT_KNOWN] {
        for headers in [&[][..], &[("Tus-Resumable", "0.2.2")]] {
            let response = tus.bare(Method::OPTIONS, path, headers, "").await;
            assert_eq!(response.status(), 204);
            assert_eq!(header(&response, "tus-version").as_deref(), Some("1.0.0"));
            let extensions = "creation,creation-defer-length,creation-with-upload,checksum,expiration,termination";
            assert_eq!(header(&response, "tus-extension").as_deref(), Some(extensions));
            assert_eq!(header(&response, "tus-max-size").as_deref(), Some("1000"));
            assert_eq!(header(&response, "tus-checksum-algorithm").as_deref(), Some("sha1,sha256"));
            assert_eq!(header(&response, "tus-resumable"), None);
        }
    }
}

#[tokio::test]
async fn a_request_of_another_version_is_rejected_with_ours_and_changes_nothing() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    for version in [None, Some("0.2.2"), Some("1.0"), Some("1.0.0, 2.0.0")] {
        for (method, path) in [
            (Method::POST, "/api/v1/uploads"),
            (Method::HEAD, upload.as_str()),
            (Method::PATCH, &upload),
            (Method::DELETE, &upload),
        ] {
            let mut headers = vec![OFFSET_STREAM, ("Upload-Offset", "0"), ("Upload-Length", "21")];
            headers.extend(version.map(|version| ("Tus-Resumable", version)));
            let body = if method == Method::PATCH { FILE } else { "" };
            let response = tus.bare(method.clone(), path, &headers, body).await;
            assert_eq!(response.status(), 412, "{method} {version:?}");
            assert_eq!(header(&response, "tus-version").as_deref(), Some("1.0.0"));
            if method != Method::HEAD {
                rejected(response, 412, ErrorCode::UnsupportedVersion).await;
            }
        }
    }
    assert_eq!(tus.offset(&upload).await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1);
}

#[tokio::test]
async fn a_file_in_three_requests_becomes_an_import() {
    let (app, tus) = start().await;
    let name = "Товары 商品 ñ.csv";
    let metadata = format!("{},{}", pair("filename", name), pair("filetype", "text/csv"));
    let length = FILE.len().to_string();
    let response = tus.create_with(&[("Upload-Length", &length), ("Upload-Metadata", &metadata)], "").await;
    assert_eq!(response.status(), 201);
    assert!(header(&response, "upload-expires").is_some());
    assert_eq!(header(&response, "upload-offset"), None, "nothing was sent");
    let upload = header(&response, "location").unwrap();
    let mut offset = 0;
    for end in [3, 12] {
        let response = tus.patch(&upload, offset, &FILE[offset..end]).await;
        assert_eq!((response.status().as_u16(), offset_of(&response)), (204, end));
        assert!(header(&response, "upload-expires").unwrap().ends_with(" GMT"));
        let head = tus.head(&upload).await;
        assert_eq!((head.status().as_u16(), offset_of(&head)), (200, end));
        assert_eq!(header(&head, "upload-length").as_deref(), Some(length.as_str()));
        assert_eq!(header(&head, "upload-metadata").as_deref(), Some(metadata.as_str()));
        assert_eq!(header(&head, "cache-control").as_deref(), Some("no-store"));
        assert_eq!(header(&head, "upload-defer-length"), None);
        assert_eq!(header(&head, "loadify-import"), None);
        offset = end;
    }
    let response = tus.patch(&upload, offset, &FILE[offset..]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, FILE.len()));
    let id = import_of(&response);
    let import = app.end_of(id).await;
    assert_eq!((import.status, import.counts.created), (JobStatus::Completed, 2));
    assert_eq!((import.file_name.as_str(), import.size_bytes), (name, Some(i64::try_from(FILE.len()).unwrap())));
    assert_eq!(import.sha256, Some(format!("{:x}", sha2::Sha256::digest(FILE))));
    // A client that missed the response gets it again.
    let head = tus.head(&upload).await;
    assert_eq!((offset_of(&head), import_of(&head)), (FILE.len(), id));
    assert_eq!(header(&head, "upload-expires"), None, "a complete upload does not expire");
    let nothing = tus.patch(&upload, FILE.len(), "").await;
    assert_eq!((nothing.status().as_u16(), import_of(&nothing)), (204, id));
    rejected(tus.patch(&upload, FILE.len(), "x").await, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 1);
    assert_eq!(app.db.number("SELECT count(*) FROM upload_chunks").await, 0, "the import owns them");
    assert_eq!(app.stored_objects().len(), 2, "a chunk and the manifest");
}

#[tokio::test]
async fn a_body_at_another_offset_is_rejected_with_the_right_one() {
    let (_app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    tus.patch(&upload, 0, &FILE[..5]).await;
    for offset in [0, 4, 6, 1_000] {
        let response = tus.patch(&upload, offset, "12345").await;
        assert_eq!(offset_of(&response), 5);
        rejected(response, 409, ErrorCode::Conflict).await;
    }
    assert_eq!(tus.offset(&upload).await, 5);
}

#[tokio::test]
async fn invalid_headers_are_rejected() {
    let (app, tus) = start().await;
    let concat = [("Upload-Length", "21"), ("Upload-Concat", "partial")];
    for headers in [
        &[][..],
        &[("Upload-Length", "-1")],
        &[("Upload-Length", "many")],
        &[("Upload-Length", "21"), ("Upload-Defer-Length", "1")],
        &[("Upload-Defer-Length", "2")],
        &[("Upload-Length", "21"), ("Upload-Metadata", "filename")],
        &[("Upload-Length", "21"), ("Upload-Metadata", "filename *")],
        &[("Upload-Length", "21"), ("Upload-Metadata", "filename YQ==,filename Yg==")],
        &[("Upload-Length", "21"), ("Upload-Metadata", "filename /w==")],
        &concat,
    ] {
        let expected = if headers.contains(&("Upload-Metadata", "filename")) { 201 } else { 400 };
        assert_eq!(tus.create_with(headers, "").await.status(), expected, "{headers:?}");
    }
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1, "an empty value is allowed");
    let upload = tus.create(FILE.len()).await;
    for (headers, status) in [
        (&[OFFSET_STREAM][..], 400),
        (&[OFFSET_STREAM, ("Upload-Offset", "-1")], 400),
        (&[OFFSET_STREAM, ("Upload-Offset", "zero")], 400),
        (&[OFFSET_STREAM, ("Upload-Offset", "0"), ("Upload-Checksum", "md5 YWJj")], 400),
        (&[OFFSET_STREAM, ("Upload-Offset", "0"), ("Upload-Checksum", "sha1 YWJj")], 400),
        (&[OFFSET_STREAM, ("Upload-Offset", "0"), ("Upload-Length", "22")], 400),
        (&[("Upload-Offset", "0")], 415),
        (&[("Upload-Offset", "0"), ("Content-Type", "application/octet-stream")], 415),
        (&[("Upload-Offset", "0"), ("Content-Type", "text/csv")], 415),
    ] {
        let response = tus.send(Method::PATCH, &upload, headers, &FILE[..5]).await;
        assert_eq!(response.status(), status, "{headers:?}");
    }
    let response = tus.create_with(&[("Upload-Length", "21"), ("Content-Type", "text/csv")], "sku").await;
    rejected(response, 415, ErrorCode::UnsupportedMediaType).await;
    assert_eq!(tus.offset(&upload).await, 0);
    // The same length again is no change.
    let response = tus.patch_with(&upload, 0, &[("Upload-Length", "21")], FILE).await;
    assert_eq!(response.status(), 204);
}

#[tokio::test]
async fn an_unknown_upload_is_404_and_without_an_offset() {
    let (_app, tus) = start().await;
    for (method, headers) in
        [(Method::HEAD, &[][..]), (Method::PATCH, &[OFFSET_STREAM, ("Upload-Offset", "0")]), (Method::DELETE, &[])]
    {
        for path in [NOT_KNOWN, "/api/v1/uploads/1", "/api/v1/uploads/%00"] {
            let response = tus.send(method.clone(), path, headers, "").await;
            assert_eq!(response.status(), 404, "{method} {path}");
            assert_eq!(header(&response, "upload-offset"), None);
        }
    }
}

#[tokio::test]
async fn a_client_without_patch_names_the_method_in_a_header() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let override_by = |method| [("X-HTTP-Method-Override", method), OFFSET_STREAM, ("Upload-Offset", "0")];
    let response = tus.send(Method::POST, &upload, &override_by("PATCH"), &FILE[..5]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, 5));
    assert_eq!(offset_of(&tus.send(Method::GET, &upload, &override_by("HEAD"), "").await), 5);
    assert_eq!(tus.send(Method::POST, &upload, &override_by("OPTIONS"), "").await.status(), 204);
    rejected(tus.send(Method::POST, &upload, &override_by("no method"), "").await, 400, ErrorCode::BadRequest).await;
    // The method of the request itself does not count any more.
    assert_eq!(tus.send(Method::PATCH, &upload, &override_by("DELETE"), "").await.status(), 204);
    assert_eq!(tus.head(&upload).await.status(), 404);
    // It applies to uploads, not to other paths.
    let import = app.upload(FILE).await;
    let path = format!("/api/v1/imports/{}", import.id);
    assert_eq!(tus.bare(Method::GET, &path, &[("X-HTTP-Method-Override", "DELETE")], "").await.status(), 200);
}

#[tokio::test]
async fn a_length_may_come_later_once() {
    let (app, tus) = start().await;
    let response = tus.create_with(&[("Upload-Defer-Length", "1")], "").await;
    let upload = header(&response, "location").unwrap();
    tus.patch(&upload, 0, &FILE[..5]).await;
    let head = tus.head(&upload).await;
    assert_eq!(header(&head, "upload-defer-length").as_deref(), Some("1"));
    assert_eq!(header(&head, "upload-length"), None);
    rejected(tus.patch_with(&upload, 5, &[("Upload-Length", "4")], "").await, 400, ErrorCode::BadRequest).await;
    let whole = FILE.len().to_string();
    let response = tus.patch_with(&upload, 5, &[("Upload-Length", &whole)], &FILE[5..8]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, 8));
    let head = tus.head(&upload).await;
    assert_eq!(header(&head, "upload-defer-length"), None);
    assert_eq!(header(&head, "upload-length").as_deref(), Some(whole.as_str()));
    rejected(tus.patch_with(&upload, 8, &[("Upload-Length", "100")], "").await, 400, ErrorCode::BadRequest).await;
    let response = tus.patch(&upload, 8, &FILE[8..]).await;
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
    // All bytes first, and then the length.
    let response = tus.create_with(&[("Upload-Defer-Length", "1"), OFFSET_STREAM], FILE).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (201, FILE.len()));
    let upload = header(&response, "location").unwrap();
    let response = tus.patch_with(&upload, FILE.len(), &[("Upload-Length", &whole)], "").await;
    assert_eq!(response.status(), 204);
    assert_eq!(app.end_of(import_of(&response)).await.counts.unchanged, 2);
}

#[tokio::test]
async fn a_creation_may_contain_the_first_bytes_or_the_whole_file() {
    let (app, tus) = start().await;
    let length = FILE.len().to_string();
    let response = tus.create_with(&[("Upload-Length", &length), OFFSET_STREAM], &FILE[..7]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (201, 7));
    assert!(header(&response, "upload-expires").is_some());
    assert_eq!(tus.offset(&header(&response, "location").unwrap()).await, 7);
    let response = tus.create_with(&[("Upload-Length", &length), OFFSET_STREAM], FILE).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (201, FILE.len()));
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
}

fn checksums(body: &str) -> [String; 2] {
    [
        format!("sha1 {}", STANDARD.encode(sha1::Sha1::digest(body))),
        format!("sha256 {}", STANDARD.encode(sha2::Sha256::digest(body))),
    ]
}

#[tokio::test]
async fn a_body_with_another_checksum_is_460_and_nothing_of_it_is_stored() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let mut offset = 0;
    for (no, end) in [6, 12].into_iter().enumerate() {
        let (body, right) = (&FILE[offset..end], &checksums(&FILE[offset..end])[no]);
        for wrong in checksums("something else") {
            let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", &wrong)], body).await;
            rejected(response, 460, ErrorCode::ChecksumMismatch).await;
            assert_eq!(tus.offset(&upload).await, offset);
        }
        let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", right)], body).await;
        assert_eq!((response.status().as_u16(), offset_of(&response)), (204, end));
        offset = end;
    }
    // The body that would have completed the file.
    let wrong = &checksums("something else")[0];
    let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", wrong)], &FILE[offset..]).await;
    rejected(response, 460, ErrorCode::ChecksumMismatch).await;
    let headers = [("Upload-Length", "21"), OFFSET_STREAM, ("Upload-Checksum", wrong.as_str())];
    rejected(tus.create_with(&headers, FILE).await, 460, ErrorCode::ChecksumMismatch).await;
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1, "no client would know its URL");
    let right = &checksums(&FILE[offset..])[1];
    let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", right)], &FILE[offset..]).await;
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
    assert_eq!(app.stored_objects().len(), 2, "a chunk and the manifest");
}

#[tokio::test]
async fn a_damaged_beginning_does_not_fail_the_upload() {
    let (app, tus) = start().await;
    let file = format!("sku,name\n{}", "a,b\n".repeat(20_000));
    let damaged = vec![0; file.len()];
    let upload = tus.create(file.len()).await;
    let [_, right] = checksums(&file);
    let response = tus.patch_with(&upload, 0, &[("Upload-Checksum", &right)], damaged).await;
    rejected(response, 460, ErrorCode::ChecksumMismatch).await;
    let response = tus.patch_with(&upload, 0, &[("Upload-Checksum", &right)], file).await;
    assert_eq!(app.end_of(import_of(&response)).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_rejected_before_it_is_sent() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let tus = Tus::of(&app);
    let response = tus.create_with(&[("Upload-Length", "1001")], "").await;
    assert_eq!(header(&response, "tus-max-size").as_deref(), Some("1000"));
    rejected(response, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.create_with(&[("Upload-Length", "1000")], "").await.status(), 201);
    let response = tus.create_with(&[("Upload-Defer-Length", "1")], "").await;
    let upload = header(&response, "location").unwrap();
    rejected(tus.patch_with(&upload, 0, &[("Upload-Length", "1001")], "").await, 413, ErrorCode::PayloadTooLarge).await;
    rejected(tus.patch(&upload, 0, vec![b'x'; 1001]).await, 413, ErrorCode::PayloadTooLarge).await;
    let upload = tus.create(10).await;
    rejected(tus.patch(&upload, 0, "12345678901").await, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.offset(&upload).await, 0);
    assert_eq!(app.stored_objects().len(), 0);
}

/// The head of the response to a request whose body is never sent.
async fn response_to_head(app: &TestApp, head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = app.base.trim_start_matches("http://");
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection
        .write_all(format!("{head}\r\nHost: {address}\r\nTus-Resumable: 1.0.0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 16 << 10];
    let read = connection.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn errors_in_the_head_of_a_request_are_reported_without_its_body() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "100000")]).await;
    let tus = Tus::of(&app);
    let upload = tus.create(100).await;
    let patch = format!("PATCH {upload} HTTP/1.1\r\nContent-Type: application/offset+octet-stream");
    for (head, status) in [
        ("POST /api/v1/uploads HTTP/1.1\r\nUpload-Length: 100001\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 100001".to_owned(), 413),
        (format!("{patch}\r\nUpload-Offset: 0\r\nContent-Length: 101"), 413),
        (format!("{patch}\r\nUpload-Offset: 1\r\nContent-Length: 99"), 409),
        (format!("{patch}\r\nContent-Length: 100"), 400),
        (format!("PATCH {upload} HTTP/1.1\r\nUpload-Offset: 0\r\nContent-Length: 100"), 415),
    ] {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), response_to_head(&app, &head)).await;
        assert!(answer.as_ref().is_ok_and(|answer| answer.starts_with(&format!("HTTP/1.1 {status}"))), "{head}: {answer:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_rejected_when_its_head_is_known() {
    let (app, tus) = start().await;
    let words = app.refused("").await.detail;
    let problem_of_empty = problem(tus.create_with(&[("Upload-Length", "0")], "").await).await;
    assert_eq!((problem_of_empty.status, problem_of_empty.code), (422, ErrorCode::EmptyFile));
    assert_eq!(problem_of_empty.detail, words, "the same words as for a file in one request");
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 0);

    // By the end of a short file, in several requests.
    let short = "id,title\n1,Tea\n";
    let upload = tus.create(short.len()).await;
    assert_eq!(tus.patch(&upload, 0, &short[..9]).await.status(), 204);
    rejected(tus.patch(&upload, 9, &short[9..]).await, 422, ErrorCode::NoSkuColumn).await;
    // By the first 64 KiB of a long one, of which most is not sent.
    let long = format!("id,title\n{}", "1,Tea\n".repeat(20_000));
    let other = tus.create(500 << 20).await;
    assert_eq!(tus.patch(&other, 0, long[..60_000].to_owned()).await.status(), 204);
    rejected(tus.patch(&other, 60_000, long[60_000..70_000].to_owned()).await, 422, ErrorCode::NoSkuColumn).await;
    for upload in [upload, other] {
        assert_eq!(tus.head(&upload).await.status(), 422);
        let again = problem(tus.patch(&upload, 9, "x").await).await;
        assert_eq!((again.status, again.code), (422, ErrorCode::NoSkuColumn));
        assert!(again.detail.contains("id, title"), "{}", again.detail);
    }
    until_no_files(&app).await;
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM uploads WHERE status = 'failed'").await, 2);
}

/// A PATCH at the beginning of an upload, in several writes and without a `Content-Length`.
async fn patch_in_chunks(tus: &Tus, upload: &str, writes: &'static [&'static str]) -> Response {
    let body =
        reqwest::Body::wrap_stream(futures_util::stream::iter(writes.iter().map(|bytes| std::io::Result::Ok(*bytes))));
    let request = reqwest::Client::new().patch(tus.url(upload)).header(OFFSET_STREAM.0, OFFSET_STREAM.1);
    request.header("Tus-Resumable", "1.0.0").header("Upload-Offset", "0").body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_body_of_unannounced_size_must_end_where_the_file_does_or_before() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let response = patch_in_chunks(&tus, &upload, &["sku,name\n", "a,Tea\n", "b,Cup\nmore"]).await;
    rejected(response, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.offset(&upload).await, 0);
    let response = patch_in_chunks(&tus, &upload, &["sku,name\n", "a,Tea\n", "b,Cup\n"]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, FILE.len()));
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
}

#[tokio::test]
async fn an_error_is_received_although_the_body_is_still_being_sent() {
    let (_app, tus) = start().await;
    let mut file = b"id,title\n".to_vec();
    file.resize(20_000_000, b'x');
    let upload = tus.create(file.len()).await;
    rejected(tus.patch(&upload, 0, file.clone()).await, 422, ErrorCode::NoSkuColumn).await;
    let length = file.len().to_string();
    let response = tus.create_with(&[("Upload-Length", &length), OFFSET_STREAM], file).await;
    rejected(response, 422, ErrorCode::NoSkuColumn).await;
}

#[tokio::test]
async fn a_terminated_upload_is_gone_with_its_chunks() {
    let (app, tus) = start().await;
    let file = file_of(2 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await;
    assert_eq!(app.stored_objects().len(), 1);
    let response = tus.delete(&upload).await;
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "tus-resumable").as_deref(), Some("1.0.0"));
    assert_eq!(tus.head(&upload).await.status(), 404);
    assert_eq!(tus.patch(&upload, MIN_CHUNK_BYTES, file[MIN_CHUNK_BYTES..].to_vec()).await.status(), 404);
    assert_eq!(tus.delete(&upload).await.status(), 404);
    until_no_files(&app).await;
    // If the file is complete, its import continues.
    let upload = tus.create(FILE.len()).await;
    let id = import_of(&tus.patch(&upload, 0, FILE).await);
    assert_eq!(tus.delete(&upload).await.status(), 204);
    assert_eq!(app.end_of(id).await.counts.created, 2);
    assert_eq!(app.stored_objects().len(), 2);
}

#[tokio::test]
async fn an_upload_expires_some_time_after_its_last_byte() {
    let (app, tus) = start().await;
    let file = file_of(2 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    app.db.execute("UPDATE uploads SET expires_at = now() + interval '1 minute'").await;
    tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await;
    let left = "SELECT round(extract(epoch FROM expires_at - now()) / 3600)::bigint FROM uploads";
    assert_eq!(app.db.number(left).await, 24, "hours from the last byte");
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '1 second'").await;
    assert_eq!(tus.head(&upload).await.status(), 410);
    let rest = file[MIN_CHUNK_BYTES..].to_vec();
    rejected(tus.patch(&upload, MIN_CHUNK_BYTES, rest).await, 410, ErrorCode::Gone).await;
    assert_eq!(app.stored_objects().len(), 1);
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '11 minutes'").await;
    until_no_files(&app).await;
    assert_eq!(tus.head(&upload).await.status(), 404);
}

#[tokio::test]
async fn chunks_of_a_dead_process_are_removed_and_others_are_not() {
    let (app, tus) = start().await;
    let file = file_of(2 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await;
    let chunk = app.stored_objects().pop().unwrap();
    let folder = chunk.parent().unwrap();
    // The last one was not complete when its process died.
    for (name, path, age) in
        [("new", "new", "59 minutes"), ("old", "old", "61 minutes"), ("partial", "partial#1", "2 hours")]
    {
        std::fs::write(folder.join(path), "x").unwrap();
        let key = format!("files/{}/{name}", folder.file_name().unwrap().to_str().unwrap());
        let sql = format!(
            "INSERT INTO upload_chunks (object_key, upload_id, start, size, renewed_at) \
             SELECT '{key}', id, {MIN_CHUNK_BYTES}, 1, now() - interval '{age}' FROM uploads"
        );
        app.db.execute(&sql).await;
    }
    let rows = "SELECT count(*) FROM upload_chunks";
    eventually("the orphaned chunks to be removed", || async { (app.db.number(rows).await == 2).then_some(()) }).await;
    let mut left = app.stored_objects();
    left.sort_unstable();
    let mut expected = [chunk.clone(), folder.join("new")];
    expected.sort_unstable();
    assert_eq!(left, expected, "a process may be writing the new one");
    let response = tus.patch(&upload, MIN_CHUNK_BYTES, file[MIN_CHUNK_BYTES..].to_vec()).await;
    assert_eq!(response.status(), 204);
    // Once the upload is complete, no chunk can be accepted any more.
    eventually("the other chunk to be removed", || async { (!folder.join("new").exists()).then_some(()) }).await;
    assert_eq!(app.end_of(import_of(&response)).await.status, JobStatus::Completed);
    assert_eq!(app.stored_bytes(import_of(&response)).await, file);
}

#[tokio::test]
async fn a_large_file_in_requests_of_all_sizes_is_imported_row_for_row() {
    let (app, tus) = start().await;
    let file = Csv::random(30_000, 51);
    let (bytes, mut offset, mut size) = (file.bytes(), 0, 1);
    let mut expected = app.table().await;
    let counts = expected.apply(&file);
    let upload = tus.create(bytes.len()).await;
    let id = loop {
        let end = (offset + size).min(bytes.len());
        let response = tus.patch(&upload, offset, bytes.slice(offset..end)).await;
        assert_eq!((response.status().as_u16(), offset_of(&response)), (204, end));
        (offset, size) = (end, size * 3);
        if offset == bytes.len() {
            break import_of(&response);
        }
    };
    let import = app.end_of(id).await;
    assert_eq!((import.status, import.counts), (JobStatus::Completed, counts));
    assert_eq!(import.sha256, Some(format!("{:x}", sha2::Sha256::digest(&bytes))));
    app.table().await.assert_equals(&expected);
}
