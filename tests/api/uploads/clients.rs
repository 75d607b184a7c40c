//! Third-party clients upload a large file, and the official server responds to the same requests.

use std::{path::Path, process::Stdio};

use bytes::Bytes;
use serde_json::Value;
use sha2::Digest;
use tests::{TestApp, setting, tus::Tus};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The size of the file, in bytes.
const FILE_BYTES: usize = 50 << 20;
const NAME: &str = "Товары 商品 ñ.csv";

fn large_file() -> Bytes {
    let mut file = b"sku,name,description\n".to_vec();
    for row in 0.. {
        if file.len() >= FILE_BYTES {
            break;
        }
        file.extend_from_slice(format!("sku-{row:08},Name {row},{}\n", "text ".repeat(row % 30)).as_bytes());
    }
    file.truncate(FILE_BYTES);
    file.into()
}

fn command(program: &str, script: &str) -> Command {
    let tools = setting("LOADIFY_TOOLS");
    let mut command = Command::new(program.replace("TOOLS", &tools));
    command
        .arg(format!("{}/clients/{script}", env!("CARGO_MANIFEST_DIR")))
        .env("NODE_PATH", format!("{tools}/npm/node_modules"))
        .kill_on_drop(true);
    command
}

/// Runs a client with `file`. Returns its report.
async fn run(app: &TestApp, program: &str, script: &str, file: &Path) -> Value {
    let mut client = command(program, script);
    client.env("ENDPOINT", app.url("/api/v1/uploads")).env("FILE", file).env("NAME", NAME);
    let output = client.output().await.unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asserts that the import whose path a client received has the file, byte for byte.
async fn assert_arrived(app: &TestApp, address: &Value, file: &Bytes) {
    let address = address.as_str().unwrap_or_else(|| panic!("no import: {address}"));
    let id = address.strip_prefix("/api/v1/imports/").unwrap().parse().unwrap();
    let import = app.import_now(id).await;
    assert_eq!(import.file_name, NAME);
    assert_eq!(import.sha256, Some(format!("{:x}", sha2::Sha256::digest(file))));
    assert!(app.stored_bytes(id).await == file[..], "{address} has other bytes");
}

/// Starts a web process, and writes the file to disk. No worker: the tests check that the file arrives.
async fn start() -> (TestApp, Bytes, tempfile::NamedTempFile) {
    let app = TestApp::serve(&[]).await;
    let bytes = large_file();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &bytes).unwrap();
    (app, bytes, file)
}

#[tokio::test]
async fn the_official_client_for_javascript_uploads_resumes_and_terminates() {
    let (app, bytes, file) = start().await;
    let seen = run(&app, "node", "upload.cjs", file.path()).await;
    assert_arrived(&app, &seen["deferred"], &bytes).await;
    assert_arrived(&app, &seen["resumed"], &bytes).await;
    let resumed_at = seen["resumedAt"].as_u64().unwrap();
    assert!(resumed_at >= 16 << 20, "not from the beginning: {resumed_at}");
    let deleted = seen["deleted"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(Tus::of(&app).head(&format!("/api/v1/uploads/{deleted}")).await.status(), 404);
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 2);
    assert_eq!(app.db.number("SELECT count(*) FROM uploads").await, 2);
}

#[tokio::test]
async fn the_official_client_for_python_uploads_with_checksums_and_resumes() {
    let (app, bytes, file) = start().await;
    let seen = run(&app, "TOOLS/verifiers/bin/python", "upload.py", file.path()).await;
    assert_arrived(&app, &seen["checked"], &bytes).await;
    assert_arrived(&app, &seen["resumed"], &bytes).await;
    assert_eq!(seen["resumedAt"].as_u64().unwrap(), 20 << 20);
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 2);
}

/// The official server, with its URL and the folder of its files.
pub struct Reference {
    _process: Child,
    _folder: tempfile::TempDir,
    pub base: String,
}

impl Reference {
    pub async fn start(max_size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = command("node", "reference.mjs");
        server.env("FOLDER", folder.path()).env("MAX_SIZE", max_size.to_string()).stdout(Stdio::piped());
        let mut process = server.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).await.unwrap();
        Self { _process: process, _folder: folder, base: format!("http://127.0.0.1:{}", port.trim()) }
    }
}
