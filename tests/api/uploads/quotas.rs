//! Storage limits: quotas per user and in total, and free space on the disk. A file that does not fit is rejected with 507
//! and the reason as the code of the problem.

use futures_util::future::join_all;
use reqwest::{Client, Response};
use shared::{auth::Role, problem::ErrorCode};
use tests::{
    TestApp,
    app::problem,
    eventually,
    tus::{OFFSET_STREAM, Tus, header, import_of},
};

use super::{MIN_CHUNK_BYTES, file_of};

async fn no_room(response: Response, code: ErrorCode) {
    let problem = problem(response).await;
    assert_eq!((problem.status, problem.code), (507, code), "{}", problem.detail);
}

async fn post(app: &TestApp, client: &Client, file: Vec<u8>) -> Response {
    let post = client.post(app.url("/api/v1/imports?file_name=a.csv")).header("Content-Type", "text/csv");
    post.body(file).send().await.unwrap()
}

#[tokio::test]
async fn unfinished_uploads_and_stored_files_count_against_the_quota_of_their_user() {
    let app = TestApp::closed(&[("STORAGE_QUOTA_PER_USER_BYTES", "1000")]).await;
    let admin = app.admin().await;
    let (_, other) = app.user(&admin, "other", Role::Editor).await;
    let tus = Tus::with(&app.base, &admin.client);
    let upload = tus.create(600).await;
    no_room(tus.create_with(&[("Upload-Length", "401")], "").await, ErrorCode::UserQuotaExceeded).await;
    no_room(post(&app, &admin.client, file_of(401)).await, ErrorCode::UserQuotaExceeded).await;
    // Other users have their own.
    assert_eq!(Tus::with(&app.base, &other.client).create_with(&[("Upload-Length", "1000")], "").await.status(), 201);
    // The file of an import counts as long as it is stored.
    assert_eq!(post(&app, &admin.client, file_of(400)).await.status(), 201);
    no_room(tus.create_with(&[("Upload-Length", "1")], "").await, ErrorCode::UserQuotaExceeded).await;
    assert_eq!(tus.delete(&upload).await.status(), 204);
    eventually("room for another file", || async {
        (tus.create_with(&[("Upload-Length", "600")], "").await.status() == 201).then_some(())
    })
    .await;
    let ended = "SELECT count(*) FROM imports WHERE finished_at IS NOT NULL";
    eventually("the end of the import", || async { (app.db.number(ended).await == 1).then_some(()) }).await;
    app.db.execute("UPDATE imports SET finished_at = finished_at - interval '31 days'").await;
    eventually("the file of the import to be removed", || async {
        (tus.create_with(&[("Upload-Length", "400")], "").await.status() == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_files_together_have_a_quota_and_open_mode_is_one_user() {
    let app = TestApp::start_with(&[("STORAGE_QUOTA_BYTES", "1000"), ("STORAGE_QUOTA_PER_USER_BYTES", "900")]).await;
    let tus = Tus::of(&app);
    tus.create(900).await;
    no_room(tus.create_with(&[("Upload-Length", "1")], "").await, ErrorCode::UserQuotaExceeded).await;
    app.db.execute("UPDATE stored_files SET user_id = 7").await;
    no_room(tus.create_with(&[("Upload-Length", "101")], "").await, ErrorCode::StorageQuotaExceeded).await;
    no_room(app.post_file(file_of(101)).await, ErrorCode::StorageQuotaExceeded).await;
    assert_eq!(tus.create_with(&[("Upload-Length", "100")], "").await.status(), 201);
}

#[tokio::test]
async fn uploads_that_are_created_at_the_same_time_do_not_exceed_a_quota() {
    let app = TestApp::start_with(&[("STORAGE_QUOTA_PER_USER_BYTES", "1000")]).await;
    let tus = Tus::of(&app);
    let creating = (0..30).map(|_| async { tus.create_with(&[("Upload-Length", "100")], "").await.status().as_u16() });
    let mut statuses = join_all(creating).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[201].repeat(10), [507].repeat(20)].concat());
    assert_eq!(app.db.number("SELECT sum(bytes)::bigint FROM stored_files").await, 1000);
}

#[tokio::test]
async fn a_file_of_unknown_size_counts_as_it_arrives() {
    let quota = 2 * MIN_CHUNK_BYTES;
    let app = TestApp::start_with(&[("STORAGE_QUOTA_PER_USER_BYTES", &quota.to_string())]).await;
    let tus = Tus::of(&app);
    let file = file_of(quota);
    let response =
        tus.create_with(&[("Upload-Defer-Length", "1"), OFFSET_STREAM], file[..MIN_CHUNK_BYTES].to_vec()).await;
    assert_eq!(response.status(), 201);
    let upload = header(&response, "location").unwrap();
    let too_much = vec![b'x'; MIN_CHUNK_BYTES + 1];
    no_room(tus.patch(&upload, MIN_CHUNK_BYTES, too_much).await, ErrorCode::UserQuotaExceeded).await;
    let length = (quota + 1).to_string();
    let longer = tus.patch_with(&upload, MIN_CHUNK_BYTES, &[("Upload-Length", &length)], "").await;
    no_room(longer, ErrorCode::UserQuotaExceeded).await;
    assert_eq!(tus.offset(&upload).await, MIN_CHUNK_BYTES, "what was stored stays");
    let rest = file[MIN_CHUNK_BYTES..].to_vec();
    let length = quota.to_string();
    let response = tus.patch_with(&upload, MIN_CHUNK_BYTES, &[("Upload-Length", &length)], rest).await;
    assert_eq!(response.status(), 204);
    assert_eq!(app.stored_bytes(import_of(&response)).await, file);
}

#[tokio::test]
async fn a_body_without_a_length_that_exceeds_the_quota_is_rejected_and_leaves_nothing() {
    let app = TestApp::start_with(&[("STORAGE_QUOTA_PER_USER_BYTES", "6000000")]).await;
    let file = file_of(9_000_000);
    let writes: Vec<_> = file.chunks(100_000).map(|bytes| std::io::Result::Ok(bytes.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(writes));
    let post = app.client.post(app.url("/api/v1/imports")).header("Content-Type", "text/csv").body(body);
    no_room(post.send().await.unwrap(), ErrorCode::UserQuotaExceeded).await;
    super::until_no_files(&app).await;
    assert_eq!(app.import(file_of(5_000_000)).await.size_bytes, Some(5_000_000));
}

#[tokio::test]
async fn an_almost_full_disk_accepts_no_files() {
    let app = TestApp::start_with(&[("STORAGE_MIN_FREE_BYTES", "1000000000000000")]).await;
    let tus = Tus::of(&app);
    no_room(tus.create_with(&[("Upload-Length", "10")], "").await, ErrorCode::DiskFull).await;
    no_room(app.post_file("sku,name\na,b\n").await, ErrorCode::DiskFull).await;
    assert_eq!(app.db.number("SELECT count(*) FROM stored_files").await, 0);
}
