//! A database that is slow, read-only, silent or still starting.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{TestApp, WAIT_TIMEOUT, app::problem, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

async fn assert_quick(app: &TestApp, path: &str) {
    let start = Instant::now();
    assert_eq!(app.get(path).await.status(), StatusCode::OK, "{path}");
    assert!(start.elapsed() < Duration::from_secs(1), "{path}: {:?}", start.elapsed());
}

#[tokio::test]
async fn expensive_reads_leave_connections_for_the_rest() {
    let app = TestApp::start_with(&[("DATABASE_CONNECTIONS", "8")]).await;
    app.db.execute("BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await;
    let mut reads = JoinSet::new();
    for n in 0..30 {
        let path = ["products?q=tea", "products/count?q=tea", "products/export.csv?q=tea"][n % 3];
        let request = app.client.get(app.url(&format!("/api/v1/{path}")));
        reads.spawn(async move { request.send().await.unwrap().status() });
    }
    eventually("reads to wait", || async { (app.db.waiting_sessions().await >= 2).then_some(()) }).await;
    assert_quick(&app, "/api/v1/webhooks").await;
    assert_quick(&app, "/api/v1/imports").await;
    app.db.execute("COMMIT").await;
    for status in reads.join_all().await {
        assert!(matches!(status.as_u16(), 200 | 503), "{status}");
    }
}

#[tokio::test]
async fn the_statements_of_clients_that_left_are_canceled() {
    let app = TestApp::start_with(&[("DATABASE_CONNECTIONS", "8")]).await;
    app.db.execute("BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await;
    let mut reads = JoinSet::new();
    for _ in 0..30 {
        let request = app.client.get(app.url("/api/v1/products?q=tea"));
        reads.spawn(async move { drop(request.send().await) });
    }
    eventually("reads to wait", || async { (app.db.waiting_sessions().await >= 3).then_some(()) }).await;
    reads.abort_all();
    // The maintenance of the index may wait, too.
    eventually("statements to be canceled", || async { (app.db.waiting_sessions().await <= 1).then_some(()) }).await;
    app.db.execute("COMMIT").await;
    assert_quick(&app, "/api/v1/products?q=tea").await;
}

#[tokio::test]
async fn a_read_only_database_answers_503() {
    let app = TestApp::start().await;
    let database: String = app.db.client.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    app.db.execute(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on")).await;
    app.db.terminate_sessions().await;
    let product = json!({ "sku": "A", "name": "A" });
    let create = || app.ask(Method::POST, "/api/v1/products", &[], &product);
    let refused = eventually("the sessions to be new", || async {
        let response = create().await;
        (app.get("/api/v1/imports").await.status() == StatusCode::OK).then_some(response)
    });
    let refused = problem(refused.await).await;
    assert_eq!(refused.status, 503, "{}", refused.detail);
    assert_eq!(problem(app.post_file("sku,name\nA,A\n").await).await.status, 503);
}

#[tokio::test]
async fn streams_that_are_not_read_hold_no_connection() {
    let app = TestApp::start_with(&[("DATABASE_CONNECTIONS", "6")]).await;
    let import = app.import("sku,name\nA,A\n").await;
    // More than the buffers of a connection hold.
    let events = format!(
        "INSERT INTO import_events (import_id, seq, kind, data, at) \
         SELECT {0}, 1000 + n, 'progress', jsonb_build_object('padding', repeat('x', 20000)), now() FROM generate_series(1, 600) n; \
         UPDATE import_events SET seq = 100000 WHERE import_id = {0} AND kind = 'completed'; \
         UPDATE imports SET last_seq = 100000 WHERE id = {0}",
        import.id
    );
    app.db.execute(&events).await;
    let mut unread = Vec::new();
    for _ in 0..30 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(app.base.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
        let request = format!("GET /api/v1/imports/{}/events HTTP/1.1\r\nhost: localhost\r\n\r\n", import.id);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        unread.push(stream);
    }
    for _ in 0..20 {
        assert_quick(&app, "/api/v1/products").await;
    }
}

#[tokio::test]
async fn a_download_that_fails_midway_breaks_the_connection() {
    let app = TestApp::start().await;
    let rows: String = (0..4_000).map(|n| format!("S-{n},N,{}\n", "x".repeat(5_000))).collect();
    app.import(format!("sku,name,description\n{rows}")).await;
    for encoding in ["identity", "gzip"] {
        let request = app.client.get(app.url("/api/v1/products/export.csv")).header("accept-encoding", encoding);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.bytes_stream();
        body.next().await.unwrap().unwrap();
        app.db.allow_connections(false).await;
        app.db.terminate_sessions().await;
        let end = tokio::time::timeout(WAIT_TIMEOUT, async {
            while let Some(chunk) = body.next().await {
                chunk?;
            }
            reqwest::Result::Ok(())
        });
        assert!(end.await.unwrap().is_err(), "{encoding}: the download looks complete");
        app.db.allow_connections(true).await;
        eventually("the database to be back", || async {
            (app.get("/api/v1/imports").await.status() == StatusCode::OK).then_some(())
        })
        .await;
    }
}

/// Refuses `refusals` connections, as a server does while it recovers from a crash, then forwards them to `server`.
async fn recovering(server: String, refusals: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for n in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            if n < refusals {
                let mut startup = [0; 1024];
                let _ = client.read(&mut startup).await;
                let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
                let mut message = vec![b'E'];
                message.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
                message.extend_from_slice(fields);
                let _ = client.write_all(&message).await;
                continue;
            }
            let mut upstream = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_process_waits_for_a_database_that_is_starting() {
    let app = TestApp::start().await;
    let url: url::Url = app.db.url.parse().unwrap();
    let proxy = recovering(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()), 2).await;
    let through = app.db.url.replace(&format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()), &proxy);
    let (web, base) = app.another_with("all", &[("DATABASE_URL", &through)]).await;
    assert_eq!(reqwest::get(format!("{base}/readyz")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(web.count_lines("The database is not ready; trying again"), 2);
}
