//! A running Loadify for a test, and the requests that a user would make.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use shared::{
    bulk::{BulkJob, BulkOutcome, RestoreOutcome},
    event::ImportEvent,
    import::{Import, RejectedRow},
    problem::Problem,
    product::Product,
};
use tempfile::TempDir;

use crate::{
    csv::Csv,
    database::TestDatabase,
    eventually,
    oracle::Table,
    process::Process,
    setting,
    sse::{self, EventStream, NamedStream},
};

/// Environment variables for one process, or for all processes of a test.
pub type Settings = Vec<(&'static str, String)>;

/// A database, a storage, and a web process; `all` in one process unless the test asks for roles.
pub struct TestApp {
    pub web: Process,
    /// URL of the web process, without a trailing slash.
    pub base: String,
    pub settings: Settings,
    pub client: reqwest::Client,
    pub db: TestDatabase,
    pub storage: TempDir,
}

impl TestApp {
    /// Starts `loadify all` with the embedded queue.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts `loadify all` with additional settings.
    pub async fn start_with(settings: &[(&'static str, &str)]) -> Self {
        Self::start_role("all", settings).await
    }

    /// Starts `loadify serve` with RabbitMQ, for tests that start their own workers.
    pub async fn serve(settings: &[(&'static str, &str)]) -> Self {
        let queue = format!("test-{:016x}", rand::random::<u64>());
        let mut with_broker = vec![("BROKER_QUEUE", queue.as_str())];
        let broker = setting("TEST_BROKER_URL");
        with_broker.push(("BROKER_URL", &broker));
        with_broker.extend_from_slice(settings);
        Self::start_role("serve", &with_broker).await
    }

    async fn start_role(role: &str, settings: &[(&'static str, &str)]) -> Self {
        let db = TestDatabase::create().await;
        let storage = tempfile::tempdir().unwrap();
        let mut all: Settings = vec![
            ("DATABASE_URL", db.url.clone()),
            ("STORAGE_URL", format!("file://{}", storage.path().display())),
            ("BIND", "127.0.0.1:0".into()),
        ];
        if let Ok(page) = std::env::var("TEST_STATIC_DIR") {
            all.push(("STATIC_DIR", page));
        }
        // A later setting of the same name wins.
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (web, base) = start_web(role, &all).await;
        Self { web, base, settings: all, client: reqwest::Client::new(), db, storage }
    }

    /// Starts another process of this installation.
    pub fn process(&self, role: &str, settings: &[(&'static str, &str)]) -> Process {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Process::start(role, &all)
    }

    /// Starts a worker and waits until it accepts tasks.
    pub async fn worker(&self, settings: &[(&'static str, &str)]) -> Process {
        let worker = self.process("work", settings);
        worker.wait_for_line("Waiting for tasks").await;
        worker
    }

    /// Starts another web process. Returns it with its URL.
    pub async fn another_web(&self) -> (Process, String) {
        self.another("serve").await
    }

    /// Starts another process of a role that serves HTTP. Returns it with its URL.
    pub async fn another(&self, role: &str) -> (Process, String) {
        self.another_with(role, &[]).await
    }

    /// Starts another process of such a role with additional settings.
    pub async fn another_with(&self, role: &str, settings: &[(&'static str, &str)]) -> (Process, String) {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        start_web(role, &all).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn send(&self, method: Method, path: &str) -> Response {
        self.client.request(method, self.url(path)).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path).await
    }

    /// Returns the JSON of a successful response.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub async fn post_file(&self, file: impl Into<Bytes>) -> Response {
        let post = self.client.post(self.url("/api/v1/imports?file_name=products.csv"));
        post.header("Content-Type", "text/csv").body(reqwest::Body::from(file.into())).send().await.unwrap()
    }

    /// Uploads a file that is accepted.
    pub async fn upload(&self, file: impl Into<Bytes>) -> Import {
        let response = self.post_file(file).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    /// Uploads a file that is rejected.
    pub async fn refused(&self, file: impl Into<Bytes>) -> Problem {
        problem(self.post_file(file).await).await
    }

    /// Uploads a file and waits for the end of its import.
    pub async fn import(&self, file: impl Into<Bytes>) -> Import {
        let import = self.upload(file).await;
        self.end_of(import.id).await
    }

    /// Returns the import once it has ended.
    pub async fn end_of(&self, id: i64) -> Import {
        let events = self.watch(id, None).await.to_end().await;
        sse::assert_numbered(&events, 1);
        let import = self.import_now(id).await;
        let last: &ImportEvent = events.last().unwrap();
        assert_eq!((last.status, last.counts, last.seq), (import.status, import.counts, import.last_seq));
        import
    }

    pub async fn import_now(&self, id: i64) -> Import {
        serde_json::from_value(self.json(&format!("/api/v1/imports/{id}")).await).unwrap()
    }

    /// Opens the event stream of an import, after event number `seen`.
    pub async fn watch(&self, id: i64, seen: Option<i64>) -> EventStream {
        EventStream::open(&self.client, &self.base, id, seen).await
    }

    /// Waits until the import has read at least `rows` rows, or has ended.
    pub async fn rows_read(&self, id: i64, rows: i64) -> Import {
        eventually("rows to be read", || async {
            let import = self.import_now(id).await;
            (import.counts.read >= rows || import.status.is_final()).then_some(import)
        })
        .await
    }

    /// Sends a request with headers and a body.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.json(body).send().await.unwrap()
    }

    /// Creates a product that is accepted.
    pub async fn create(&self, product: Value) -> Product {
        let response = self.ask(Method::POST, "/api/v1/products", &[], &product).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{product}");
        response.json().await.unwrap()
    }

    /// Changes a product that is at `version`.
    pub async fn patch(&self, id: i64, version: i64, change: Value) -> Response {
        let known = format!("\"{version}\"");
        self.ask(Method::PATCH, &format!("/api/v1/products/{id}"), &[("If-Match", &known)], &change).await
    }

    pub async fn product(&self, id: i64) -> Product {
        serde_json::from_value(self.json(&format!("/api/v1/products/{id}")).await).unwrap()
    }

    /// Deletes an existing product.
    pub async fn delete(&self, id: i64) {
        let response = self.send(Method::DELETE, &format!("/api/v1/products/{id}")).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    pub async fn restore(&self, ids: &[i64]) -> RestoreOutcome {
        let wanted = serde_json::json!({ "ids": ids });
        let response = self.ask(Method::POST, "/api/v1/products/restore", &[], &wanted).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Changes the products with these ids. Returns the number of products that were modified.
    pub async fn bulk(&self, action: &str, ids: &[i64]) -> i64 {
        let bulk = serde_json::json!({ "action": action, "ids": ids });
        let response = self.ask(Method::POST, "/api/v1/products/bulk", &[], &bulk).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json::<BulkOutcome>().await.unwrap().changed
    }

    /// Creates a job for the products that match; for all of them if the filter is empty.
    pub async fn begin_job(&self, action: &str, filter: Value) -> BulkJob {
        let mut bulk = serde_json::json!({ "action": action, "filter": filter });
        if filter == serde_json::json!({}) {
            bulk["all"] = true.into();
            bulk["count"] = self.json("/api/v1/products/count").await["count"].clone();
        }
        let response = self.ask(Method::POST, "/api/v1/products/bulk", &[], &bulk).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let job: BulkJob = response.json().await.unwrap();
        assert_eq!(location, format!("/api/v1/products/jobs/{}", job.id));
        job
    }

    pub async fn job(&self, id: i64) -> BulkJob {
        serde_json::from_value(self.json(&format!("/api/v1/products/jobs/{id}")).await).unwrap()
    }

    /// Returns the job once it has ended, according to its event stream.
    pub async fn end_of_job(&self, id: i64) -> BulkJob {
        let request = self.client.get(self.url(&format!("/api/v1/products/jobs/{id}/events")));
        let mut stream = NamedStream::open(request).await;
        let mut last: Option<BulkJob> = None;
        while let Some((name, data)) = stream.next().await {
            assert_eq!(name, "state");
            let job: BulkJob = serde_json::from_value(data).unwrap();
            assert!(last.as_ref().is_none_or(|last| last.done <= job.done), "counts never decrease");
            last = Some(job);
        }
        let last = last.expect("at least one state");
        assert!(last.status.is_final(), "the stream ended before the job: {last:?}");
        last
    }

    pub async fn rejected(&self, id: i64) -> Vec<RejectedRow> {
        let page = self.json(&format!("/api/v1/imports/{id}/rejected?limit=1000")).await;
        assert!(page["next"].is_null(), "more than a page of rejected rows");
        serde_json::from_value(page["items"].clone()).unwrap()
    }

    /// Returns the whole catalogue.
    pub async fn table(&self) -> Table {
        Table::read(&self.db).await
    }

    /// Returns the bytes of the file of an import, read from its chunks in storage.
    pub async fn stored_bytes(&self, import: i64) -> Vec<u8> {
        let sql = "SELECT object_key FROM imports WHERE id = $1";
        let key: String = self.db.client.query_one(sql, &[&import]).await.unwrap().get(0);
        let manifest: Value = serde_json::from_slice(&std::fs::read(self.storage.path().join(key)).unwrap()).unwrap();
        let mut file = Vec::new();
        for chunk in manifest.as_array().unwrap() {
            let bytes = std::fs::read(self.storage.path().join(chunk["key"].as_str().unwrap())).unwrap();
            assert_eq!(u64::try_from(bytes.len()).ok(), chunk["size"].as_u64());
            file.extend_from_slice(&bytes);
        }
        file
    }

    /// Returns the number of files in storage, complete or not.
    pub fn stored_files(&self) -> usize {
        self.storage.path().join("files").read_dir().map_or(0, Iterator::count)
    }

    /// Returns the objects of all files in storage: chunks and manifests.
    pub fn stored_objects(&self) -> Vec<PathBuf> {
        let entries = |folder: &Path| -> Vec<PathBuf> {
            folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
        };
        entries(&self.storage.path().join("files")).iter().flat_map(|folder| entries(folder)).collect()
    }

    /// Imports `file` and compares the catalogue with it, row by row.
    pub async fn import_exactly(&self, file: &Csv) -> Import {
        let mut expected = self.table().await;
        let outcome = expected.apply(file);
        let import = self.import(file.bytes()).await;
        assert_eq!(import.counts, outcome, "every row is accounted for");
        self.table().await.assert_equals(&expected);
        import
    }
}

async fn start_web(role: &str, settings: &Settings) -> (Process, String) {
    let web = Process::start(role, settings);
    let line = web.wait_for_line("Loadify is at http://").await;
    // With JSON logs, more text follows.
    let base = line.split("Loadify is at ").nth(1).unwrap().split('"').next().unwrap().trim().to_owned();
    (web, base)
}

/// Returns the problem in a response. Fails if the response is anything else.
pub async fn problem(response: Response) -> Problem {
    let status = response.status();
    assert!(status.is_client_error() || status.is_server_error(), "{status}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    assert_ne!(problem.code, shared::problem::ErrorCode::Unknown);
    problem
}
