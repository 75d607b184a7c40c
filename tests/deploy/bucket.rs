//! Files in a bucket of the S3 server in compose.yaml: web process and worker share no folder.

use std::process::Command;

use reqwest::StatusCode;
use shared::{
    health::{Health, HealthState},
    job::JobStatus,
};
use tempfile::TempDir;
use tests::{TestApp, app::problem, csv::Csv, eventually, nginx::free_port, oracle::Table, process::Process};

use crate::{compose, tool};

const KEY: &str = "loadify";
const SECRET: &str = "only-for-tests";

/// A running `SeaweedFS` with an empty bucket.
struct S3 {
    _process: Process,
    _folder: TempDir,
    endpoint: String,
}

impl S3 {
    /// Starts it as compose.yaml does, but on loopback and on free ports.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = &compose::yaml("compose.yaml")["services"]["s3"];
        let mut command = Command::new(tool("weed"));
        for word in service["command"].as_array().unwrap() {
            let word = word.as_str().unwrap();
            command.arg(if word == "-dir=/data" { format!("-dir={}", folder.path().display()) } else { word.into() });
        }
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        for port in
            ["master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc", "admin", "admin.grpc"]
        {
            let (part, kind) = port.split_once('.').map_or((port, ""), |(part, _)| (part, ".grpc"));
            command.arg(format!("-{part}.port{kind}={}", free_port()));
        }
        let port = free_port();
        command.arg(format!("-s3.port={port}")).current_dir(folder.path());
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        let process = Process::spawn(command);
        let s3 = Self { _process: process, _folder: folder, endpoint: format!("http://127.0.0.1:{port}") };
        eventually("the bucket to be there", || async { (s3.status("HEAD", "") == "200").then_some(()) }).await;
        s3
    }

    /// Returns the status of a request for an object of the bucket, sent by another client than Loadify's.
    fn status(&self, method: &str, key: &str) -> String {
        let how: &[&str] = if method == "HEAD" { &["--head"] } else { &["--request", method] };
        let user = format!("{KEY}:{SECRET}");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]).args(how);
        curl.args([
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            &user,
            &format!("{}/loadify/{key}", self.endpoint),
        ]);
        // curl fails until the server listens.
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    }

    fn settings<'a>(&'a self, secret: &'a str) -> Vec<(&'static str, &'a str)> {
        vec![
            ("STORAGE_URL", "s3://loadify/files"),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_imports_a_file_that_a_web_process_stored_in_a_bucket() {
    let s3 = S3::start().await;
    let app = TestApp::serve(&s3.settings(SECRET)).await;
    let _worker = app.worker(&[]).await;
    // More than one part of a multipart upload (5 MiB).
    let file = Csv::random(150_000, 61);
    assert!(file.as_slice().len() > 5 << 20, "{}", file.as_slice().len());
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    let key: String =
        app.db.client.query_one("SELECT object_key FROM imports WHERE id = $1", &[&import.id]).await.unwrap().get(0);
    assert_eq!(s3.status("HEAD", &format!("files/{key}")), "200", "the object is in the bucket");
    assert_eq!(s3.status("HEAD", "files/nothing"), "404");
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
    assert_eq!(app.stored_files(), 0, "nothing was written to a folder");
    let health: Health = serde_json::from_value(app.json("/readyz").await).unwrap();
    assert_eq!(health.state, HealthState::Ready, "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_rejects_the_key_is_reported_and_uploads_fail() {
    let s3 = S3::start().await;
    let app = TestApp::serve(&s3.settings("not-the-secret")).await;
    let refused = problem(app.post_file("sku,name\na,b\n").await).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE.as_u16(), "{refused:?}");
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    let health: Health = app.get("/readyz").await.json().await.unwrap();
    assert_eq!((health.state, health.storage.ok), (HealthState::Unready, false));
    // Anyone may read the state, so the cause is in the log.
    assert!(!health.storage.error.unwrap().contains("s3://"));
    let error = app.web.wait_for_line("s3://loadify/files").await;
    assert!(!error.contains("not-the-secret"), "{error}");
}
