//! Idle, slow and numerous connections do not block other clients.

use std::{
    io::ErrorKind,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::json;
use tests::{
    TestApp,
    auth::ADMIN_PASSWORD,
    eventually,
    process::{Process, program},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Tolerance for a busy machine.
const SLACK: Duration = Duration::from_secs(5);

fn address(app: &TestApp) -> String {
    app.base.strip_prefix("http://").unwrap().to_owned()
}

/// Sends `first`, then `rest` again and again. Returns when the server closed the connection.
async fn drip(address: String, first: &[u8], rest: &[u8]) -> Duration {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    let (mut read, mut write) = connection.split();
    let dripping = async {
        let _ = write.write_all(first).await;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if write.write_all(rest).await.is_err() {
                return;
            }
        }
    };
    let mut received = Vec::new();
    tokio::select! {
        () = dripping => {}
        _ = read.read_to_end(&mut received) => {}
        () = tokio::time::sleep(HEAD_TIMEOUT + SLACK) => panic!("the connection is still open: {}", String::from_utf8_lossy(&received)),
    }
    start.elapsed()
}

#[tokio::test]
async fn slow_heads_and_endless_refused_bodies_are_cut_off() {
    let app = TestApp::closed(&[("REQUEST_HEAD_SECONDS", "2")]).await;
    let first = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\nx-drip: ";
    let chunked =
        b"POST /api/v1/imports HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n";
    let long =
        b"POST /api/v1/imports HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 99999999\r\n\r\n";
    tokio::join!(
        drip(address(&app), first, b"a"),
        drip(address(&app), b"GET /liv", b"e"),
        drip(address(&app), chunked, b"1\r\na\r\n"),
        drip(address(&app), long, b"a"),
    );
}

/// Opens connections that begin a request and do not end it. Includes those that the server closes.
async fn occupy(address: &str, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let _ = connection.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-drip: a").await;
        open.push(connection);
    }
    open
}

async fn assert_answers(app: &TestApp) {
    for _ in 0..10 {
        let start = Instant::now();
        // A new connection each time.
        let response = reqwest::Client::new().get(app.url("/livez")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn an_address_with_too_many_connections_loses_those_without_a_request() {
    let app = TestApp::start_with(&[("MAX_CONNECTIONS_PER_ADDRESS", "20"), ("REQUEST_HEAD_SECONDS", "60")]).await;
    let occupied = occupy(&address(&app), 100).await;
    // Else a new connection may be older than some of these, to the server.
    let is_closed = |connection: &&TcpStream| match connection.try_read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    eventually("the server to have seen all connections", || async {
        (occupied.iter().filter(is_closed).count() >= 80).then_some(())
    })
    .await;
    assert_answers(&app).await;
    drop(occupied);
}

#[tokio::test]
async fn more_connections_than_open_files_leave_the_server_reachable() {
    let app = TestApp::start().await;
    // A separate process with a low limit that it cannot raise.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 400; exec \"$0\" serve", program().to_str().unwrap()]).env_clear();
    command.env("RUST_LOG", "info").env("REQUEST_HEAD_SECONDS", "60");
    command.env("BROKER_URL", tests::setting("TEST_BROKER_URL"));
    command.envs(app.settings.iter().map(|(name, value)| (*name, value)));
    let web = Process::spawn(command);
    let line = web.wait_for_line("Loadify is at http://").await;
    let base = line.split("Loadify is at ").nth(1).unwrap().trim().to_owned();
    let occupied = occupy(base.strip_prefix("http://").unwrap(), 600).await;
    for _ in 0..10 {
        let response = reqwest::Client::new().get(format!("{base}/readyz")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "the database can still be connected to");
    }
    drop(occupied);
}

/// Returns the resident memory of a process, in bytes.
fn resident_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Every operation that needs no account, by 400 clients at once: memory and time are bounded.
#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_anonymous_clients_use_little_memory_and_delay_others_only_briefly() {
    const CLIENTS: usize = 400;
    let app = TestApp::closed(&[]).await;
    let large = json!({ "name": "x".repeat(2 << 20), "password": "y" }).to_string();
    let small = json!({ "name": "eve", "password": "wrong wrong wrong" }).to_string();
    for (method, path, body) in [
        ("GET", "/livez", ""),
        ("GET", "/readyz", ""),
        ("POST", "/api/v1/session", large.as_str()),
        ("POST", "/api/v1/session", small.as_str()),
        ("POST", "/api/v1/setup", large.as_str()),
        ("POST", "/api/v1/imports", large.as_str()),
        ("GET", "/api/v1/products?q=tea", ""),
        ("GET", "/api/openapi.json", ""),
        ("GET", "/api/docs/swagger-ui-bundle.js", ""),
        ("GET", "/", ""),
    ] {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let request = reqwest::Client::new()
                .request(method.parse().unwrap(), app.url(path))
                .header("content-type", "application/json")
                .header("accept-encoding", "gzip, br")
                .body(body.to_owned());
            clients.spawn(async move {
                let start = Instant::now();
                if let Ok(response) = request.send().await {
                    let status = response.status();
                    let _ = response.bytes().await;
                    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
                }
                start.elapsed()
            });
        }
        let livez = async {
            let start = Instant::now();
            assert_eq!(app.get("/livez").await.status(), StatusCode::OK);
            start.elapsed()
        };
        let sign_in = async {
            let start = Instant::now();
            let response = app.try_sign_in("admin", ADMIN_PASSWORD).await;
            // Wrong passwords from this address may delay the right one.
            assert!(matches!(response.status().as_u16(), 200 | 429), "{}", response.status());
            start.elapsed()
        };
        let (livez, sign_in) = tokio::join!(livez, sign_in);
        let slowest = clients.join_all().await.into_iter().max().unwrap();
        let megabytes = resident_bytes(&app.web) >> 20;
        println!(
            "{method} {path} ({} B): livez {livez:?}, sign-in {sign_in:?}, slowest {slowest:?}, peak {megabytes} MB",
            body.len()
        );
        assert!(megabytes < 500, "{method} {path}: {megabytes} MB");
        assert!(livez < Duration::from_secs(2) && sign_in < Duration::from_secs(5), "{livez:?} {sign_in:?}");
    }
}
