//! Web and workers that do not share their storage.

use shared::{event::EventKind, job::JobStatus};
use tests::{TestApp, process::Process};

#[tokio::test]
async fn a_worker_without_the_file_reports_its_storage_and_another_one_continues() {
    let app = TestApp::serve(&[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let place = format!("file://{}", elsewhere.path().display());
    let mut lost = app.worker(&[("STORAGE_URL", &place)]).await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut events = app.watch(import.id, None).await;
    let interrupted = loop {
        let event = events.next_event().await.unwrap().expect("an interruption");
        if event.kind == EventKind::Interrupted {
            break event;
        }
    };
    let reason = interrupted.error.unwrap();
    for part in [&place, "Web and workers must share one", "STORAGE_URL", "bucket"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    lost.kill();
    let _worker = app.worker(&[]).await;
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn an_import_whose_file_no_worker_finds_fails_with_the_reason() {
    let app = TestApp::serve(&[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let import = app.upload("sku,name\na,b\n").await;
    // The earlier attempts failed for the same reason.
    app.db.execute("UPDATE imports SET attempts = 4").await;
    let _worker = app.worker(&[("STORAGE_URL", &format!("file://{}", elsewhere.path().display()))]).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Failed);
    assert!(end.error.unwrap().contains(&elsewhere.path().display().to_string()));
}

#[tokio::test]
async fn memory_storage_is_rejected_for_separate_processes() {
    for role in ["serve", "work"] {
        let app = TestApp::serve(&[]).await;
        let mut settings = app.settings.clone();
        settings.push(("STORAGE_URL", "memory:///".into()));
        let mut process = Process::start(role, &settings);
        process.wait_for_line("STORAGE_URL: memory:/// cannot be shared").await;
        assert!(!process.ended().await.success());
    }
}
