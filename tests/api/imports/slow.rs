//! Clients that are deliberately slow.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tests::TestApp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Time that the server allows for the head of a request in this test, and a tolerance.
const HEAD: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(5);

/// Sends the bytes of a head slowly until the server closes the connection. Returns the time that it took, and the response.
async fn drip(address: &str, before: &[u8]) -> (Duration, Vec<u8>) {
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(before).await.unwrap();
    let (mut read, mut write) = peer.split();
    let start = Instant::now();
    let mut answer = Vec::new();
    let dripping = async {
        let head = b"GET /api/v1/products HTTP/1.1\r\nhost: x\r\nx-drip: ".iter().chain(std::iter::repeat(&b'a'));
        for byte in head {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => unreachable!("it ends when the server does"),
        // A reset also ends the connection.
        _ = read.read_to_end(&mut answer) => {}
        () = tokio::time::sleep(HEAD + SLACK * 2) => panic!("the connection is still open after {:?}", start.elapsed()),
    }
    (start.elapsed(), answer)
}

#[tokio::test]
async fn clients_that_send_slowly_delay_no_others_and_are_cut_off() {
    let app = TestApp::start_with(&[("REQUEST_HEAD_SECONDS", "5")]).await;
    let address = app.base.strip_prefix("http://").unwrap().to_owned();
    let mut drips = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let address = address.clone();
        drips.spawn(async move { drip(&address, b"").await });
    }
    // The same for a second request on the connection.
    let mut later = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let address = address.clone();
        later.spawn(async move { drip(&address, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await });
    }
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        // A new connection each time.
        let fresh = reqwest::Client::new();
        assert_eq!(fresh.get(app.url("/api/v1/products")).send().await.unwrap().status(), StatusCode::OK);
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("the slowest of the other requests took {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    while let Some(ended) = later.join_next().await {
        let (after, _) = ended.unwrap();
        assert!(after < HEAD + SLACK, "{after:?}");
    }
    while let Some(ended) = drips.join_next().await {
        let (after, answer) = ended.unwrap();
        assert!(after < HEAD + SLACK, "{after:?}");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    }
}
