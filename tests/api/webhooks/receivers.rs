//! Receivers with the official libraries of Standard Webhooks, and TLS.

use std::{net::Ipv4Addr, path::Path, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use shared::webhook::{AttemptError, DeliveryDetail, NewWebhook, RotatedSecret, WebhookEvent};
use tests::{TestApp, dns::NameServer, eventually, receiver::Receiver, setting, webhooks::LOCAL};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

async fn test(app: &TestApp, webhook: &NewWebhook) -> DeliveryDetail {
    app.done(Method::POST, &format!("/api/v1/webhooks/{}/test", webhook.webhook.id), &json!({})).await
}

/// Starts a receiver that verifies; returns its process and port.
async fn verifier(program: &str, script: &str, secret: &str, certificate: Option<&Path>) -> (Child, u16) {
    let tools = setting("LOADIFY_TOOLS");
    let script = format!("{}/receivers/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program.replace("TOOLS", &tools));
    if let Some(folder) = certificate {
        command.env("CERTIFICATE", folder);
    }
    let mut child = command
        .arg(script)
        .env("SECRET", secret)
        .env("NODE_PATH", format!("{tools}/npm/node_modules"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).await.unwrap();
    (child, port.trim().parse().unwrap())
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/")
}

#[tokio::test]
async fn the_official_libraries_verify_every_request_and_reject_a_flipped_byte() {
    let app = TestApp::start_with(&[LOCAL]).await;
    for (program, script) in [("TOOLS/verifiers/bin/python", "receiver.py"), ("node", "receiver.cjs")] {
        let placeholder = Receiver::start().await;
        let webhook = app.webhook(&placeholder).await;
        let id = webhook.webhook.id;
        let (_old, port) = verifier(program, script, &webhook.secret, None).await;
        app.change_webhook(id, &json!({ "url": url(port) })).await;
        let product = app.create_product(&format!("{script} \u{2028}\"quoted\" ünïcode 🫖")).await;
        app.change_product(product.id, &json!({ "description": "多\nlines" })).await;
        for kind in WebhookEvent::SUBSCRIBABLE {
            let detail: DeliveryDetail =
                app.done(Method::POST, &format!("/api/v1/webhooks/{id}/test"), &json!({ "kind": kind })).await;
            assert_eq!(detail.log[0].code, Some(200), "{script}, {kind:?}");
        }
        eventually("all of them", || async {
            (app.deliveries(&format!("webhook={id}&status=delivered")).await.len() == 7).then_some(())
        })
        .await;
        // Receivers with the old and with the new secret verify for a day after a rotation.
        let rotated: RotatedSecret = app.done(Method::POST, &format!("/api/v1/webhooks/{id}/rotate"), &json!({})).await;
        assert_eq!(test(&app, &webhook).await.log[0].code, Some(200), "{script}, old secret");
        let (_new, port) = verifier(program, script, &rotated.secret, None).await;
        app.change_webhook(id, &json!({ "url": url(port) })).await;
        assert_eq!(test(&app, &webhook).await.log[0].code, Some(200), "{script}, new secret");
        // A receiver with another secret rejects.
        let (_other, port) = verifier(program, script, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None).await;
        app.change_webhook(id, &json!({ "url": url(port) })).await;
        assert_eq!(test(&app, &webhook).await.log[0].code, Some(401), "{script}, another secret");
        let _: Value = app.done(Method::PATCH, &format!("/api/v1/webhooks/{id}"), &json!({ "enabled": false })).await;
    }
}

/// Creates a certificate authority, and a certificate for shop.test.
async fn make_certificate(folder: &Path) {
    let script = "set -e; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'; \
        openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=authority; \
        openssl req $new -keyout key.pem -out leaf.csr -subj /CN=shop.test; echo subjectAltName=DNS:shop.test >names; \
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn a_certificate_is_checked_for_the_name_in_the_url_and_not_for_the_address() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path()).await;
    let names = NameServer::start(|_| vec![Ipv4Addr::LOCALHOST]).await;
    let (dns, authority) = (names.address.to_string(), folder.path().join("ca.pem").display().to_string());
    let trusting = [LOCAL, ("OUTBOUND_DNS", dns.as_str()), ("SSL_CERT_FILE", authority.as_str())];
    for (settings, host, error) in [
        (&trusting[..], "shop.test", None),
        (&trusting[..], "other.test", Some(AttemptError::Connect)),
        (&trusting[..2], "shop.test", Some(AttemptError::Connect)),
    ] {
        let app = TestApp::start_with(settings).await;
        let placeholder = Receiver::start().await;
        let webhook = app.webhook(&placeholder).await;
        let python = "TOOLS/verifiers/bin/python";
        let (_receiver, port) = verifier(python, "receiver.py", &webhook.secret, Some(folder.path())).await;
        app.change_webhook(webhook.webhook.id, &json!({ "url": format!("https://{host}:{port}/") })).await;
        let attempt = test(&app, &webhook).await.log.remove(0);
        assert_eq!(attempt.error, error, "{host}: {:?}", attempt.message);
        assert_eq!(attempt.code, error.is_none().then_some(200), "{host}");
    }
}
