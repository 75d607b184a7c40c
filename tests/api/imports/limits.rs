//! Limits that are settings. Other tests check the defaults (auth/, files.rs, slow.rs).

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tests::TestApp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends only `bytes` on a connection; reads until it ends, or for five seconds. Returns what was read, and whether it ended.
async fn answer(app: &TestApp, bytes: &[u8]) -> (String, bool, Duration) {
    let mut line = TcpStream::connect(app.base.strip_prefix("http://").unwrap()).await.unwrap();
    let start = Instant::now();
    line.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let reading = line.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(5), reading).await.is_ok();
    assert!(ended || !answer.is_empty(), "there was no response");
    (String::from_utf8(answer).unwrap(), ended, start.elapsed())
}

#[tokio::test]
async fn json_has_a_size_and_no_unknown_fields() {
    let app = TestApp::start_with(&[("MAX_JSON_BYTES", "1000")]).await;
    let post = async |body: String| {
        let request = app.client.post(app.url("/api/v1/products")).header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        (response.status(), response.json::<serde_json::Value>().await.unwrap())
    };
    let product = |description: &str| json!({ "sku": "A", "name": "A", "description": description }).to_string();
    assert_eq!(post(product("[[[[[ {{{{{")).await.0, StatusCode::CREATED, "brackets in a text do not count");
    let (status, problem) = post(product(&"x".repeat(1_000))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("payload_too_large")));
    assert!(problem["detail"].as_str().unwrap().contains("1000 bytes"), "{problem}");
    // Compressed, a few bytes could expand to gigabytes.
    let packed = app.client.post(app.url("/api/v1/products")).header("content-encoding", "gzip");
    let packed = packed.header("content-type", "application/json").body("packed").send().await.unwrap();
    assert_eq!(tests::app::problem(packed).await.status, 415);
    // At any depth of nesting.
    for (depth, expected) in [(3, "unknown field"), (200, "unknown field")] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let (status, problem) = post(format!(r#"{{"sku":"B","name":"B","more":{nested}}}"#)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{depth}: {problem}");
    }
}

#[tokio::test]
async fn failed_sign_ins_and_their_delay_are_settings() {
    let settings = [
        ("SIGN_IN_ACCOUNT_TRIES", "2"),
        ("SIGN_IN_ACCOUNT_PAUSE_SECONDS", "1"),
        ("SIGN_IN_ADDRESS_TRIES", "6"),
        ("SIGN_IN_ADDRESS_PAUSE_SECONDS", "3600"),
    ];
    let app = TestApp::closed(&settings).await;
    let knock = async |name: &str| {
        let response = app.try_sign_in(name, "whatever it may be").await;
        (response.status(), response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned()))
    };
    let wrong = (StatusCode::UNAUTHORIZED, None);
    // Delays begin with seconds, which may be over before the next attempt: the test reads and extends them.
    let pause = async |who: &str| {
        let pause =
            "SELECT max(extract(epoch FROM blocked_until - last_at))::bigint FROM sign_in_failures WHERE key LIKE";
        app.db.number(&format!("{pause} '{who} %'")).await
    };
    let hold = async |who: &str| {
        let hold = "UPDATE sign_in_failures SET blocked_until = now() + interval '9.5 s' WHERE key LIKE";
        app.db.execute(&format!("{hold} '{who} %'")).await;
    };
    let held_up = (StatusCode::TOO_MANY_REQUESTS, Some("10".to_owned()));
    assert_eq!([knock("ada").await, knock("ada").await], [wrong.clone(), wrong.clone()]);
    assert_eq!(pause("account").await, 1);
    hold("account").await;
    assert_eq!(knock("ada").await, held_up);
    for name in ["b", "c", "d", "e"] {
        assert_eq!(knock(name).await, wrong);
    }
    // The address waits for a second first, then for longer each time, here up to an hour.
    assert_eq!(pause("address").await, 1);
    hold("address").await;
    assert_eq!(knock("f").await, held_up);
    app.db.execute("UPDATE sign_in_failures SET failures = 30, blocked_until = now() WHERE key LIKE 'address %'").await;
    assert_eq!(knock("g").await, wrong);
    assert_eq!(pause("address").await, 3_600);
}

#[tokio::test]
async fn slow_requests_are_cut_off_after_the_configured_time() {
    let settings = [("REQUEST_HEAD_SECONDS", "2"), ("KEEP_ALIVE_SECONDS", "2"), ("UPLOAD_IDLE_SECONDS", "2")];
    let app = TestApp::start_with(&settings).await;
    let requests: [(&str, &str); 4] = [
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow", "HTTP/1.1 408 "),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n", "HTTP/1.1 200 "),
        (
            "POST /api/v1/products HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
            "HTTP/1.1 408 ",
        ),
        (
            "POST /api/v1/imports HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\ncontent-length: 100\r\n\r\nsku",
            "HTTP/1.1 408 ",
        ),
    ];
    for (request, expected) in requests {
        let (answer, ended, after) = answer(&app, request.as_bytes()).await;
        assert!(answer.starts_with(expected), "{request}: {answer}");
        // Actix checks heads and idle connections every half second; unread bodies are drained for a short time,
        // so that the response is not lost.
        assert!(ended && after > Duration::from_secs(1), "{request}: {after:?}");
    }
    assert_eq!(app.get("/api/v1/imports").await.json::<serde_json::Value>().await.unwrap()["items"], json!([]));
}
