//! Addresses that webhooks cannot call, and what receivers cannot do.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use shared::webhook::{AttemptError, DeliveryDetail, DeliveryStatus, WebhookEvent};
use tests::{
    TestApp,
    app::problem,
    dns::NameServer,
    eventually,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

/// A part of the table in `net::allowlist`, where the check is tested; here they are saved and sent to.
const INSIDE: [&str; 24] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "017700000001",
    "0x7f.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.257",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fd00:ec2::254]",
];

async fn test(app: &TestApp, id: i64) -> DeliveryDetail {
    app.done(Method::POST, &format!("/api/v1/webhooks/{id}/test"), &json!({})).await
}

/// A public address that does not respond.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(192, 31, 196, 1);

#[tokio::test]
async fn an_internal_address_is_refused_when_it_is_saved_and_when_it_is_called() {
    let receiver = Receiver::start().await;
    let app = TestApp::start().await;
    let port = receiver.address.port();
    app.db
        .execute("INSERT INTO webhooks (url, events, secret) VALUES ('http://x/', '{product.created}', 'whsec_AAAA')")
        .await;
    let id = app.db.number("SELECT id FROM webhooks").await;
    for host in INSIDE {
        let url = format!("http://{host}:{port}/");
        for (method, path) in
            [(Method::POST, "/api/v1/webhooks".to_owned()), (Method::PATCH, format!("/api/v1/webhooks/{id}"))]
        {
            let mut body = json!({ "url": url });
            if method == Method::POST {
                body["events"] = json!(["product.created"]);
            }
            let problem = problem(app.send_json(method, &path, &body).await).await;
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "url"), "{url}: {problem:?}");
        }
        // As if it had been public when it was saved.
        app.db.client.execute("UPDATE webhooks SET url = $1", &[&url]).await.unwrap();
        let attempt = test(&app, id).await.log.remove(0);
        assert_eq!(attempt.error, Some(AttemptError::Forbidden), "{url}: {:?}", attempt.message);
        assert_eq!(attempt.address, None);
    }
    assert_eq!((receiver.count(), receiver.open_connections()), (0, 0));
}

#[tokio::test]
async fn a_name_server_that_changes_its_answer_cannot_lead_to_internal_addresses() {
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    // Public when it is saved; then internal; then public, and internal for a second lookup.
    let names = NameServer::start(|question| match question {
        0 | 2 => vec![PUBLIC],
        4 => vec![PUBLIC, Ipv4Addr::LOCALHOST],
        _ => vec![Ipv4Addr::LOCALHOST],
    })
    .await;
    let dns = names.address.to_string();
    let app = TestApp::start_with(&[("OUTBOUND_DNS", dns.as_str()), ("WEBHOOK_DEADLINE_MS", "500")]).await;
    let webhook =
        app.webhook_to(&format!("http://rebinding.test:{port}/"), &[WebhookEvent::ProductCreated]).await.webhook;
    assert_eq!(names.questions(), 1);
    let attempt = test(&app, webhook.id).await.log.remove(0);
    assert_eq!(attempt.error, Some(AttemptError::Forbidden), "{:?}", attempt.message);
    assert!(attempt.timings.dns_us.is_some());
    let attempt = test(&app, webhook.id).await.log.remove(0);
    assert_eq!(names.questions(), 3, "each attempt looks it up once");
    assert!(
        matches!(attempt.error, Some(AttemptError::Timeout | AttemptError::Connect)),
        "it went to the public address, and to no other: {attempt:?}"
    );
    for url in ["http://inside.test/", "http://both.test/"] {
        let body = json!({ "url": url, "events": ["product.created"] });
        let problem = problem(app.send_json(Method::POST, "/api/v1/webhooks", &body).await).await;
        assert_eq!(problem.errors[0].message, "leads to 127.0.0.1, which is this host itself", "{url}");
    }
    assert_eq!((receiver.count(), receiver.open_connections()), (0, 0));
}

#[tokio::test]
async fn a_host_is_called_by_its_name_and_a_missing_one_is_reported() {
    let names = NameServer::start(|question| if question < 3 { vec![Ipv4Addr::LOCALHOST] } else { vec![] }).await;
    let dns = names.address.to_string();
    let app = TestApp::start_with(&[LOCAL, ("OUTBOUND_DNS", dns.as_str())]).await;
    let receiver = Receiver::start().await;
    let host = format!("shop.test:{}", receiver.address.port());
    let webhook = app.webhook_to(&format!("http://{host}/a?b=c"), &[WebhookEvent::ProductCreated]).await.webhook;
    for _ in 0..2 {
        assert_eq!(test(&app, webhook.id).await.delivery.status, DeliveryStatus::Delivered);
    }
    let request = receiver.wait_for(2).await.remove(1);
    assert_eq!(
        (request.headers["host"].as_str(), request.path.as_str(), request.connection),
        (host.as_str(), "/a?b=c", 0)
    );
    let attempt = test(&app, webhook.id).await.log.remove(0);
    assert_eq!(attempt.error, Some(AttemptError::Dns), "{:?}", attempt.message);
}

#[tokio::test]
async fn redirects_are_not_followed_and_proxies_not_used() {
    let (target, proxy) = (Receiver::start().await, Receiver::start().await);
    let proxy_url = format!("http://{}", proxy.address);
    let app = TestApp::start_with(&[
        LOCAL,
        ("HTTP_PROXY", proxy_url.as_str()),
        ("http_proxy", proxy_url.as_str()),
        ("ALL_PROXY", proxy_url.as_str()),
    ])
    .await;
    let location: &'static str = format!("location: {}\r\n", target.url()).leak();
    let receiver = Receiver::behaving(move |_| Answer::Full(302, location, String::new())).await;
    let webhook = app.webhook(&receiver).await.webhook;
    let detail = test(&app, webhook.id).await;
    assert_eq!((detail.delivery.status, detail.log[0].code), (DeliveryStatus::Failed, Some(302)));
    assert!(detail.log[0].message.as_deref().unwrap().contains("not followed"));
    assert_eq!((receiver.count(), target.count(), proxy.count()), (1, 0, 0));
}

fn resident_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_slow_or_endless_response_costs_one_deadline_and_no_memory() {
    let app = TestApp::start_with(&[LOCAL, ("WEBHOOK_DEADLINE_MS", "2500")]).await;
    let receiver = Receiver::behaving(|_| Answer::Drip).await;
    let webhook = app.webhook(&receiver).await.webhook;
    let start = Instant::now();
    let attempt = test(&app, webhook.id).await.log.remove(0);
    assert!((2_400..4_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(attempt.error, Some(AttemptError::Timeout));
    assert_eq!(attempt.response_body.as_deref(), Some("..."), "what arrived until then is recorded");

    let before = resident_kb(app.web.id());
    receiver.behave(|_| Answer::Flood(5_000_000_000));
    let start = Instant::now();
    for _ in 0..5 {
        let attempt = test(&app, webhook.id).await.log.remove(0);
        assert_eq!((attempt.code, attempt.truncated), (Some(200), true));
        assert_eq!(attempt.response_body.map(|body| body.len()), Some(16 << 10));
    }
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
    eventually("the connections to be closed", || async { (receiver.open_connections() == 0).then_some(()) }).await;
    // As much as the buffers of the sockets hold, which can be some megabytes.
    assert!(receiver.flooded() < 5 * (16 << 20), "{} bytes", receiver.flooded());
    let grown = resident_kb(app.web.id()).saturating_sub(before);
    assert!(grown < 20_000, "{grown} kB");
}
