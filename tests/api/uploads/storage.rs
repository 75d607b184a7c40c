//! Storage and database stay consistent when processes die.

use std::time::{Duration, SystemTime};

use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{job::JobStatus, problem::ErrorCode};
use tests::{
    TestApp, eventually,
    process::Process,
    tus::{OpenPost, Tus, import_of},
};

use super::{FILE, MIN_CHUNK_BYTES, file_of, rejected, until_no_files};

/// Web processes that are killed while they receive a file.
const KILLS: usize = 8;

#[tokio::test]
async fn a_web_process_that_is_killed_during_a_post_leaves_nothing() {
    let seed = std::env::var("KILL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("KILL_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    let file = file_of(20_000_000);
    for _ in 0..KILLS {
        let (mut web, base) = app.another_web().await;
        let mut post = OpenPost::begin(&base, "/api/v1/imports", file.len()).await;
        let sent = random.random_range(4_200_000..file.len());
        post.send(&file[..sent]).await;
        // At some moment while chunks, of 4 MiB, are being written.
        let objects = if sent < 9_000_000 { 1 } else { random.random_range(1..3) };
        eventually("a chunk", || async { (app.stored_objects().len() >= objects).then_some(()) }).await;
        web.kill();
        let leased = "SELECT count(*) FROM stored_files WHERE remove_at BETWEEN now() + interval '50 min' AND now() + interval '1 hour'";
        assert_eq!(app.db.number(leased).await, 1, "the file is known, and kept until its lease ends");
        app.db.execute("UPDATE stored_files SET remove_at = now()").await;
        until_no_files(&app).await;
    }
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
}

#[tokio::test]
async fn a_client_that_disconnects_during_a_post_leaves_nothing() {
    let app = TestApp::start().await;
    let file = file_of(20_000_000);
    let mut post = OpenPost::begin(&app.base, "/api/v1/imports", file.len()).await;
    post.send(&file[..9_000_000]).await;
    eventually("a chunk", || async { (!app.stored_objects().is_empty()).then_some(()) }).await;
    drop(post);
    until_no_files(&app).await;
}

#[tokio::test]
async fn storage_and_database_are_compared_when_a_process_starts() {
    let app = TestApp::start().await;
    let tus = Tus::of(&app);
    let file = file_of(2 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await;
    let import = app.import(FILE).await;
    let lost = app.import("sku,name\nlost,b\n").await;
    assert_eq!(app.stored_files(), 3);
    // A file without a row, one that is too recent to be removed, and files of other programs.
    let root = app.storage.path();
    for folder in ["files/old", "files/young", "other"] {
        std::fs::create_dir(root.join(folder)).unwrap();
        std::fs::write(root.join(folder).join("chunk"), "x").unwrap();
    }
    let two_hours_ago = SystemTime::now() - Duration::from_hours(2);
    for entry in root.join("files").read_dir().unwrap().chain(root.read_dir().unwrap()) {
        let path = entry.unwrap().path();
        if !path.ends_with("young") {
            std::fs::File::open(path).unwrap().set_modified(two_hours_ago).unwrap();
        }
    }
    // A row without an owner.
    app.db.execute(&format!("DELETE FROM imports WHERE id = {}", lost.id)).await;
    app.db.execute("UPDATE stored_files SET created_at = now() - interval '2 hours'").await;
    let (_process, _) = app.another("all").await;
    eventually("the orphaned files to be removed", || async { (app.stored_files() == 3).then_some(()) }).await;
    assert!(root.join("files/young").exists() && root.join("other/chunk").exists());
    assert_eq!(app.db.number("SELECT count(*) FROM stored_files").await, 2);
    assert_eq!(app.stored_bytes(import.id).await, FILE.as_bytes());
    let response = tus.patch(&upload, MIN_CHUNK_BYTES, file[MIN_CHUNK_BYTES..].to_vec()).await;
    assert_eq!(app.end_of(import_of(&response)).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_chunk_that_is_damaged_in_storage_is_noticed_before_there_is_an_import() {
    let app = TestApp::start().await;
    let tus = Tus::of(&app);
    let file = file_of(3 * MIN_CHUNK_BYTES);
    for damaged in [Some(MIN_CHUNK_BYTES - 1), None] {
        let upload = tus.create(file.len()).await;
        tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await;
        let chunk = app.stored_objects().pop().unwrap();
        match damaged {
            Some(size) => std::fs::File::options().write(true).open(chunk).unwrap().set_len(size as u64).unwrap(),
            None => std::fs::remove_file(chunk).unwrap(),
        }
        let rest = file[MIN_CHUNK_BYTES..].to_vec();
        rejected(tus.patch(&upload, MIN_CHUNK_BYTES, rest).await, 410, ErrorCode::Gone).await;
        assert_eq!(tus.head(&upload).await.status(), 410, "the client creates a new upload");
        assert_eq!(tus.delete(&upload).await.status(), 204);
        until_no_files(&app).await;
    }
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
}

#[tokio::test]
async fn one_byte_at_a_time_makes_no_objects_before_they_fill_a_chunk() {
    let app = TestApp::start().await;
    let tus = Tus::of(&app);
    let file = file_of(1_000);
    let upload = tus.create(file.len()).await;
    for offset in 0..file.len() - 1 {
        assert_eq!(tus.patch(&upload, offset, file[offset..=offset].to_vec()).await.status(), 204);
    }
    assert_eq!(app.stored_objects().len(), 0);
    assert_eq!(app.db.number("SELECT count(*) FROM upload_chunks").await, 0);
    let response = tus.patch(&upload, file.len() - 1, file[file.len() - 1..].to_vec()).await;
    assert_eq!(app.stored_bytes(import_of(&response)).await, file);
    assert_eq!(app.stored_objects().len(), 2, "a chunk and the manifest");
    // Bytes of a large file are collected, too.
    let file = file_of(3 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    for (number, bytes) in file.chunks(MIN_CHUNK_BYTES / 10).enumerate() {
        let offset = number * (MIN_CHUNK_BYTES / 10);
        let response = tus.patch(&upload, offset, bytes.to_vec()).await;
        assert_eq!(response.status(), 204);
        if offset + bytes.len() == file.len() {
            assert_eq!(app.stored_bytes(import_of(&response)).await, file);
        }
    }
    assert!(app.stored_objects().len() <= 2 + 4, "{:?}", app.stored_objects());
}

#[tokio::test]
async fn objects_and_their_folders_are_synced_to_disk_before_a_response_confirms_them() {
    let app = TestApp::start().await;
    let traced = tempfile::NamedTempFile::new().unwrap();
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-p", &app.web.id().to_string(), "-o"]).arg(traced.path());
    let strace = Process::spawn(command);
    strace.wait_for_line("attached").await;
    let assert_synced = |when: &str| {
        let trace = std::fs::read_to_string(traced.path()).unwrap();
        for object in app.stored_objects() {
            // Objects are written under another name first.
            for path in [format!("{}#1", object.display()), object.parent().unwrap().display().to_string()] {
                let synced = format!("<{path}>");
                assert!(trace.lines().any(|line| line.contains(&synced)), "{when}: {path} is not synced\n{trace}");
            }
        }
        let files = app.storage.path().join("files").display().to_string();
        assert!(trace.contains(&format!("<{files}>")), "{when}: {files} is not synced");
    };
    let tus = Tus::of(&app);
    let file = file_of(2 * MIN_CHUNK_BYTES);
    let upload = tus.create(file.len()).await;
    assert_eq!(tus.patch(&upload, 0, file[..MIN_CHUNK_BYTES].to_vec()).await.status(), 204);
    assert_eq!(app.stored_objects().len(), 1);
    assert_synced("after a PATCH");
    let rest = file[MIN_CHUNK_BYTES..].to_vec();
    assert_eq!(tus.patch(&upload, MIN_CHUNK_BYTES, rest).await.status(), 204);
    assert_synced("after the last PATCH");
    app.upload(FILE).await;
    assert_eq!(app.stored_objects().len(), 5);
    assert_synced("after a POST");
}
