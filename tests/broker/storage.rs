//! Web and workers that do not see the same files.

use shared::{event::EventKind, job::JobStatus};
use tests::{TestApp, process::Process};

#[tokio::test]
async fn a_worker_that_cannot_see_the_file_says_where_it_looked_and_another_one_goes_on() {
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
async fn an_import_whose_file_no_worker_sees_fails_with_the_reason() {
    let app = TestApp::serve(&[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let import = app.upload("sku,name\na,b\n").await;
    // The attempts before have come to the same.
    app.db.execute("UPDATE imports SET attempts = 4").await;
    let _worker = app.worker(&[("STORAGE_URL", &format!("file://{}", elsewhere.path().display()))]).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Failed);
    assert!(end.error.unwrap().contains(&elsewhere.path().display().to_string()));
}

#[tokio::test]
async fn memory_is_refused_where_it_cannot_be_shared() {
    for role in ["serve", "work"] {
        let app = TestApp::serve(&[]).await;
        let mut settings = app.settings.clone();
        settings.push(("STORAGE_URL", "memory:///".into()));
        let mut process = Process::start(role, &settings);
        process.wait_for_line("STORAGE_URL: memory:/// cannot be shared").await;
        assert!(!process.ended().await.success());
    }
}
