//! Retention: what is removed after a while, and what is kept.

use serde_json::json;
use shared::job::JobStatus;
use tests::{TestApp, eventually};

/// Moves the ends of imports and jobs into the past.
async fn let_days_pass(app: &TestApp, table: &str, id: i64, days: u32) {
    app.db
        .execute(&format!("UPDATE {table} SET finished_at = finished_at - interval '{days} days' WHERE id = {id}"))
        .await;
}

async fn file_is_removed(app: &TestApp, id: i64) {
    eventually("the file to be removed", || async { app.import_now(id).await.file_removed_at.is_some().then_some(()) })
        .await;
}

async fn files_are_left(app: &TestApp, number: usize) {
    eventually("files to be removed from storage", || async { (app.stored_files() == number).then_some(()) }).await;
}

#[tokio::test]
async fn files_are_removed_some_time_after_their_import_and_imports_are_kept() {
    let app = TestApp::start_with(&[("FILE_RETENTION_DAYS", "3")]).await;
    let old = app.import("sku,name\na,b\n").await;
    let recent = app.import("sku,name\nc,d\ne,\n").await;
    let failed = app.upload("sku,name\ng,h\n").await;
    app.end_of(failed.id).await;
    app.db.execute(&format!("UPDATE imports SET status = 'failed' WHERE id = {}", failed.id)).await;
    assert_eq!((app.stored_files(), recent.file_removed_at), (3, None));
    let_days_pass(&app, "imports", old.id, 4).await;
    let_days_pass(&app, "imports", failed.id, 4).await;
    let_days_pass(&app, "imports", recent.id, 2).await;
    file_is_removed(&app, old.id).await;
    file_is_removed(&app, failed.id).await;
    files_are_left(&app, 1).await;
    let now = app.import_now(old.id).await;
    assert_eq!((now.status, now.counts), (JobStatus::Completed, old.counts), "the history is unchanged");
    assert_eq!(app.import_now(recent.id).await.file_removed_at, None);
    assert_eq!(app.rejected(recent.id).await.len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_is_retried_and_does_not_block_others() {
    let app = TestApp::start().await;
    let stuck = app.import("sku,name\na,b\n").await;
    let key = app.db.client.query_one("SELECT object_key FROM imports", &[]).await.unwrap().get::<_, String>(0);
    // A file in the place of its folder cannot be removed as a folder.
    let folder = app.storage.path().join(key).parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    let other = app.import("sku,name\nc,d\n").await;
    for id in [stuck.id, other.id] {
        let_days_pass(&app, "imports", id, 31).await;
    }
    app.web.wait_for_line("cannot be removed from storage yet").await;
    let rows = "SELECT count(*) FROM stored_files";
    eventually("the other file to be removed", || async { (app.db.number(rows).await == 1).then_some(()) }).await;
    std::fs::remove_file(&folder).unwrap();
    eventually("the file to be removed", || async { (app.db.number(rows).await == 0).then_some(()) }).await;
    file_is_removed(&app, stuck.id).await;
}

#[tokio::test]
async fn several_processes_remove_a_file_once() {
    let app = TestApp::serve(&[]).await;
    let workers = [app.worker(&[]).await, app.worker(&[]).await];
    let mut ids = Vec::new();
    for row in 0..20 {
        ids.push(app.import(format!("sku,name\n{row},b\n")).await.id);
    }
    app.db.execute("UPDATE imports SET finished_at = finished_at - interval '31 days'").await;
    for id in ids {
        file_is_removed(&app, id).await;
    }
    files_are_left(&app, 0).await;
    let rows = "SELECT count(*) FROM stored_files";
    eventually("the rows of the files to be deleted", || async { (app.db.number(rows).await == 0).then_some(()) })
        .await;
    // A line is logged after its file is removed, and is read later.
    let removed = || workers.iter().map(|worker| worker.count_lines("Removed file")).sum::<usize>();
    eventually("all removals to be logged", || async { (removed() >= 20).then_some(()) }).await;
    assert_eq!(removed(), 20);
}

#[tokio::test]
async fn old_jobs_are_deleted() {
    let app = TestApp::start().await;
    app.import("sku,name\na,b\n").await;
    let old = app.begin_job("deactivate", json!({})).await;
    app.end_of_job(old.id).await;
    let recent = app.begin_job("activate", json!({})).await;
    app.end_of_job(recent.id).await;
    let_days_pass(&app, "bulk_jobs", old.id, 31).await;
    eventually("the job to be deleted", || async {
        (app.db.number("SELECT count(*) FROM bulk_jobs").await == 1).then_some(())
    })
    .await;
    app.job(recent.id).await;
}

#[tokio::test]
async fn the_details_of_old_imports_are_removed_and_later_the_imports() {
    let settings =
        [("FILE_RETENTION_DAYS", "1"), ("IMPORT_DETAILS_RETENTION_DAYS", "10"), ("IMPORT_RETENTION_DAYS", "20")];
    let app = TestApp::start_with(&settings).await;
    let old = app.import("sku,name\na,b\nc,\n").await;
    let recent = app.import("sku,name\nd,b\ne,\n").await;
    let_days_pass(&app, "imports", old.id, 11).await;
    let removed = eventually("the details to be removed", || async {
        let import = app.import_now(old.id).await;
        import.details_removed_at.is_some().then_some(import)
    })
    .await;
    assert_eq!((removed.counts, removed.last_seq), (old.counts, old.last_seq));
    assert!(app.rejected(old.id).await.is_empty());
    for table in ["import_partitions", "import_errors"] {
        let left = app.db.number(&format!("SELECT count(DISTINCT import_id) FROM {table}")).await;
        assert_eq!(left, 1, "only {table} of the recent import");
    }
    // A client that connects late still receives the final event.
    let events = app.watch(old.id, None).await.to_end().await;
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [old.last_seq]);
    assert_eq!(app.rejected(recent.id).await.len(), 1);

    let_days_pass(&app, "imports", old.id, 11).await;
    eventually("the import to be removed", || async {
        (app.get(&format!("/api/v1/imports/{}", old.id)).await.status() == 404).then_some(())
    })
    .await;
    assert_eq!(app.import_now(recent.id).await.details_removed_at, None);
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 2, "products stay");
}
