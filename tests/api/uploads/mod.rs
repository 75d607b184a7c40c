//! Resumable uploads, by the rules of the tus protocol 1.0.0.

mod clients;
mod faults;
mod races;
mod reference;

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

/// Objects in storage, of uploads and of imports.
fn objects(app: &TestApp) -> usize {
    ["blocks", "imports"]
        .iter()
        .map(|folder| app.storage.path().join(folder).read_dir().map_or(0, Iterator::count))
        .sum()
}

async fn refused(response: Response, status: u16, code: ErrorCode) {
    assert_eq!(header(&response, "tus-resumable").as_deref(), Some("1.0.0"), "each answer names the version");
    let problem = problem(response).await;
    assert_eq!((problem.status, problem.code), (status, code), "{}", problem.detail);
}

#[tokio::test]
async fn options_tell_what_is_spoken_whatever_the_version_of_the_request() {
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
async fn a_request_of_another_version_is_refused_with_ours_and_changes_nothing() {
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
                refused(response, 412, ErrorCode::UnsupportedVersion).await;
            }
        }
    }
    assert_eq!(tus.offset(&upload).await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1);
}

#[tokio::test]
async fn a_file_in_three_pieces_becomes_an_import() {
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
    // A client that has not heard the answer finds it.
    let head = tus.head(&upload).await;
    assert_eq!((offset_of(&head), import_of(&head)), (FILE.len(), id));
    assert_eq!(header(&head, "upload-expires"), None, "what is whole does not expire");
    let nothing = tus.patch(&upload, FILE.len(), "").await;
    assert_eq!((nothing.status().as_u16(), import_of(&nothing)), (204, id));
    refused(tus.patch(&upload, FILE.len(), "x").await, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 1);
    assert_eq!(app.db.number("SELECT count(*) FROM upload_blocks").await, 0, "the import has them now");
    assert_eq!(objects(&app), 4, "three blocks and their list");
}

#[tokio::test]
async fn a_body_at_another_offset_is_refused_with_the_right_one() {
    let (_app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    tus.patch(&upload, 0, &FILE[..5]).await;
    for offset in [0, 4, 6, 1_000] {
        let response = tus.patch(&upload, offset, "12345").await;
        assert_eq!(offset_of(&response), 5);
        refused(response, 409, ErrorCode::Conflict).await;
    }
    assert_eq!(tus.offset(&upload).await, 5);
}

#[tokio::test]
async fn headers_that_are_not_as_they_must_be_are_refused() {
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
    refused(response, 415, ErrorCode::UnsupportedMediaType).await;
    assert_eq!(tus.offset(&upload).await, 0);
    // The protocol's own length again is no change.
    let response = tus.patch_with(&upload, 0, &[("Upload-Length", "21")], FILE).await;
    assert_eq!(response.status(), 204);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_without_an_offset() {
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
async fn a_client_without_patch_says_what_it_means_in_a_header() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let meant = |method| [("X-HTTP-Method-Override", method), OFFSET_STREAM, ("Upload-Offset", "0")];
    let response = tus.send(Method::POST, &upload, &meant("PATCH"), &FILE[..5]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, 5));
    assert_eq!(offset_of(&tus.send(Method::GET, &upload, &meant("HEAD"), "").await), 5);
    assert_eq!(tus.send(Method::POST, &upload, &meant("OPTIONS"), "").await.status(), 204);
    refused(tus.send(Method::POST, &upload, &meant("no method"), "").await, 400, ErrorCode::BadRequest).await;
    // The method of the request itself does not count any more.
    assert_eq!(tus.send(Method::PATCH, &upload, &meant("DELETE"), "").await.status(), 204);
    assert_eq!(tus.head(&upload).await.status(), 404);
    // It is a rule of tus, not of everything.
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
    refused(tus.patch_with(&upload, 5, &[("Upload-Length", "4")], "").await, 400, ErrorCode::BadRequest).await;
    let whole = FILE.len().to_string();
    let response = tus.patch_with(&upload, 5, &[("Upload-Length", &whole)], &FILE[5..8]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, 8));
    let head = tus.head(&upload).await;
    assert_eq!(header(&head, "upload-defer-length"), None);
    assert_eq!(header(&head, "upload-length").as_deref(), Some(whole.as_str()));
    refused(tus.patch_with(&upload, 8, &[("Upload-Length", "100")], "").await, 400, ErrorCode::BadRequest).await;
    let response = tus.patch(&upload, 8, &FILE[8..]).await;
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
    // All bytes first, and then that these are all.
    let response = tus.create_with(&[("Upload-Defer-Length", "1"), OFFSET_STREAM], FILE).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (201, FILE.len()));
    let upload = header(&response, "location").unwrap();
    let response = tus.patch_with(&upload, FILE.len(), &[("Upload-Length", &whole)], "").await;
    assert_eq!(response.status(), 204);
    assert_eq!(app.end_of(import_of(&response)).await.counts.unchanged, 2);
}

#[tokio::test]
async fn an_upload_may_begin_with_bytes_or_be_done_with_the_first_request() {
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
async fn a_body_with_another_checksum_is_460_and_nothing_of_it_is_kept() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let mut offset = 0;
    for (no, end) in [6, 12].into_iter().enumerate() {
        let (body, right) = (&FILE[offset..end], &checksums(&FILE[offset..end])[no]);
        for wrong in checksums("something else") {
            let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", &wrong)], body).await;
            refused(response, 460, ErrorCode::ChecksumMismatch).await;
            assert_eq!(tus.offset(&upload).await, offset);
        }
        let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", right)], body).await;
        assert_eq!((response.status().as_u16(), offset_of(&response)), (204, end));
        offset = end;
    }
    // The body that would have made the file whole.
    let wrong = &checksums("something else")[0];
    let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", wrong)], &FILE[offset..]).await;
    refused(response, 460, ErrorCode::ChecksumMismatch).await;
    let headers = [("Upload-Length", "21"), OFFSET_STREAM, ("Upload-Checksum", wrong.as_str())];
    refused(tus.create_with(&headers, FILE).await, 460, ErrorCode::ChecksumMismatch).await;
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 1, "nobody would know its address");
    let right = &checksums(&FILE[offset..])[1];
    let response = tus.patch_with(&upload, offset, &[("Upload-Checksum", right)], &FILE[offset..]).await;
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
    assert_eq!(objects(&app), 4, "three blocks and their list");
}

#[tokio::test]
async fn a_spoiled_beginning_does_not_condemn_the_file_that_was_meant() {
    let (app, tus) = start().await;
    let file = format!("sku,name\n{}", "a,b\n".repeat(20_000));
    let spoiled = vec![0; file.len()];
    let upload = tus.create(file.len()).await;
    let [_, right] = checksums(&file);
    let response = tus.patch_with(&upload, 0, &[("Upload-Checksum", &right)], spoiled).await;
    refused(response, 460, ErrorCode::ChecksumMismatch).await;
    let response = tus.patch_with(&upload, 0, &[("Upload-Checksum", &right)], file).await;
    assert_eq!(app.end_of(import_of(&response)).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_before_it_is_sent() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let tus = Tus::of(&app);
    let response = tus.create_with(&[("Upload-Length", "1001")], "").await;
    assert_eq!(header(&response, "tus-max-size").as_deref(), Some("1000"));
    refused(response, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.create_with(&[("Upload-Length", "1000")], "").await.status(), 201);
    let response = tus.create_with(&[("Upload-Defer-Length", "1")], "").await;
    let upload = header(&response, "location").unwrap();
    refused(tus.patch_with(&upload, 0, &[("Upload-Length", "1001")], "").await, 413, ErrorCode::PayloadTooLarge).await;
    refused(tus.patch(&upload, 0, vec![b'x'; 1001]).await, 413, ErrorCode::PayloadTooLarge).await;
    let upload = tus.create(10).await;
    refused(tus.patch(&upload, 0, "12345678901").await, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.offset(&upload).await, 0);
    assert_eq!(objects(&app), 0);
}

/// The head of an answer to the head of a request, whose body is never sent.
async fn answer_to_head(app: &TestApp, head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = app.base.trim_start_matches("http://");
    let mut line = tokio::net::TcpStream::connect(address).await.unwrap();
    line.write_all(format!("{head}\r\nHost: {address}\r\nTus-Resumable: 1.0.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 16 << 10];
    let read = line.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn what_the_head_of_a_request_tells_is_answered_without_its_body() {
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
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), answer_to_head(&app, &head)).await;
        assert!(answer.as_ref().is_ok_and(|answer| answer.starts_with(&format!("HTTP/1.1 {status}"))), "{head}: {answer:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_refused_when_its_head_is_known() {
    let (app, tus) = start().await;
    let words = app.refused("").await.detail;
    let problem_of_empty = problem(tus.create_with(&[("Upload-Length", "0")], "").await).await;
    assert_eq!((problem_of_empty.status, problem_of_empty.code), (422, ErrorCode::EmptyFile));
    assert_eq!(problem_of_empty.detail, words, "the same words as for a file in one request");
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 0);

    // By the end of a short file, in pieces.
    let short = "id,title\n1,Tea\n";
    let upload = tus.create(short.len()).await;
    assert_eq!(tus.patch(&upload, 0, &short[..9]).await.status(), 204);
    refused(tus.patch(&upload, 9, &short[9..]).await, 422, ErrorCode::NoSkuColumn).await;
    // By the first 64 KiB of a long one, of which most is not sent.
    let long = format!("id,title\n{}", "1,Tea\n".repeat(20_000));
    let other = tus.create(500 << 20).await;
    assert_eq!(tus.patch(&other, 0, long[..60_000].to_owned()).await.status(), 204);
    refused(tus.patch(&other, 60_000, long[60_000..70_000].to_owned()).await, 422, ErrorCode::NoSkuColumn).await;
    for upload in [upload, other] {
        assert_eq!(tus.head(&upload).await.status(), 422);
        let again = problem(tus.patch(&upload, 9, "x").await).await;
        assert_eq!((again.status, again.code), (422, ErrorCode::NoSkuColumn));
        assert!(again.detail.contains("id, title"), "{}", again.detail);
    }
    eventually("the blocks to be cleared away", || async { (objects(&app) == 0).then_some(()) }).await;
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM uploads WHERE status = 'failed'").await, 2);
}

/// A PATCH at the beginning of an upload, in pieces and without a `Content-Length`.
async fn patch_in_chunks(tus: &Tus, upload: &str, pieces: &'static [&'static str]) -> Response {
    let body =
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.iter().map(|piece| std::io::Result::Ok(*piece))));
    let request = reqwest::Client::new().patch(tus.url(upload)).header(OFFSET_STREAM.0, OFFSET_STREAM.1);
    request.header("Tus-Resumable", "1.0.0").header("Upload-Offset", "0").body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_body_of_unannounced_size_must_end_where_the_file_does_or_before() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    let response = patch_in_chunks(&tus, &upload, &["sku,name\n", "a,Tea\n", "b,Cup\nmore"]).await;
    refused(response, 413, ErrorCode::PayloadTooLarge).await;
    assert_eq!(tus.offset(&upload).await, 0);
    let response = patch_in_chunks(&tus, &upload, &["sku,name\n", "a,Tea\n", "b,Cup\n"]).await;
    assert_eq!((response.status().as_u16(), offset_of(&response)), (204, FILE.len()));
    assert_eq!(app.end_of(import_of(&response)).await.counts.created, 2);
}

#[tokio::test]
async fn a_refusal_is_heard_although_the_body_is_still_being_sent() {
    let (_app, tus) = start().await;
    let mut file = b"id,title\n".to_vec();
    file.resize(20_000_000, b'x');
    let upload = tus.create(file.len()).await;
    refused(tus.patch(&upload, 0, file.clone()).await, 422, ErrorCode::NoSkuColumn).await;
    let length = file.len().to_string();
    let response = tus.create_with(&[("Upload-Length", &length), OFFSET_STREAM], file).await;
    refused(response, 422, ErrorCode::NoSkuColumn).await;
}

#[tokio::test]
async fn a_terminated_upload_is_gone_with_its_blocks() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    tus.patch(&upload, 0, &FILE[..5]).await;
    assert_eq!(objects(&app), 1);
    let response = tus.delete(&upload).await;
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "tus-resumable").as_deref(), Some("1.0.0"));
    assert_eq!(tus.head(&upload).await.status(), 404);
    assert_eq!(tus.patch(&upload, 5, &FILE[5..]).await.status(), 404);
    assert_eq!(tus.delete(&upload).await.status(), 404);
    eventually("the block to be cleared away", || async { (objects(&app) == 0).then_some(()) }).await;
    // Of a whole file, only the upload is given up.
    let upload = tus.create(FILE.len()).await;
    let id = import_of(&tus.patch(&upload, 0, FILE).await);
    assert_eq!(tus.delete(&upload).await.status(), 204);
    assert_eq!(app.end_of(id).await.counts.created, 2);
    assert_eq!(objects(&app), 2);
}

#[tokio::test]
async fn an_upload_expires_some_time_after_its_last_byte() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    app.db.execute("UPDATE uploads SET expires_at = now() + interval '1 minute'").await;
    tus.patch(&upload, 0, &FILE[..5]).await;
    let left = "SELECT round(extract(epoch FROM expires_at - now()) / 3600)::bigint FROM uploads";
    assert_eq!(app.db.number(left).await, 24, "hours from the last byte");
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '1 second'").await;
    assert_eq!(tus.head(&upload).await.status(), 410);
    refused(tus.patch(&upload, 5, &FILE[5..]).await, 410, ErrorCode::Gone).await;
    app.db.execute("UPDATE uploads SET expires_at = now() - interval '11 minutes'").await;
    let rows = "SELECT count(*) FROM upload_blocks";
    let swept = || async { (objects(&app) == 0 && app.db.number(rows).await == 0).then_some(()) };
    eventually("the sweep", swept).await;
    assert_eq!(tus.head(&upload).await.status(), 404);
}

#[tokio::test]
async fn blocks_that_a_dead_process_left_are_cleared_away_and_others_are_not() {
    let (app, tus) = start().await;
    let upload = tus.create(FILE.len()).await;
    tus.patch(&upload, 0, &FILE[..5]).await;
    for name in ["old", "new"] {
        std::fs::write(app.storage.path().join("blocks").join(name), "x").unwrap();
        let age = if name == "old" { "25 hours" } else { "1 hour" };
        let sql = format!(
            "INSERT INTO upload_blocks (object_key, upload_id, start, size, created_at) \
             SELECT 'blocks/{name}', id, 5, 1, now() - interval '{age}' FROM uploads"
        );
        app.db.execute(&sql).await;
    }
    eventually("the sweep", || async { (objects(&app) == 2).then_some(()) }).await;
    assert!(app.storage.path().join("blocks/new").exists(), "somebody may be writing it");
    assert_eq!(tus.patch(&upload, 5, &FILE[5..]).await.status(), 204);
}

#[tokio::test]
async fn a_large_file_in_uneven_pieces_is_imported_row_for_row() {
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
