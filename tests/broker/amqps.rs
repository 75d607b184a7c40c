//! RabbitMQ over TLS, with a certificate from a private CA.

use shared::job::JobStatus;
use tests::{TestApp, csv::Csv, process::Process, setting};

#[tokio::test]
async fn an_import_runs_with_a_broker_over_tls() {
    let (url, authority) = (setting("TEST_BROKER_TLS_URL"), setting("TEST_CA_FILE"));
    let app = TestApp::serve(&[("BROKER_URL", &url), ("BROKER_CA_FILE", &authority)]).await;
    let _worker = app.worker(&[]).await;
    let start = std::time::Instant::now();
    let import = app.import_exactly(&Csv::random(2_000, 41)).await;
    assert_eq!(import.status, JobStatus::Completed);
    // The scheduler enqueues only after ten seconds.
    assert!(start.elapsed().as_secs() < 9, "{:?}: the message did not arrive", start.elapsed());
}

#[tokio::test]
async fn a_broker_with_an_untrusted_certificate_is_rejected() {
    let app = TestApp::serve(&[("BROKER_URL", &setting("TEST_BROKER_TLS_URL"))]).await;
    let worker = app.process("work", &[]);
    let line = worker.wait_for_line("The connection to the broker was lost").await;
    assert!(line.contains("certificate"), "{line}");
    assert!(!worker.log().contains("Waiting for tasks"));
    assert!(!worker.log().contains("guest"), "credentials are not logged: {}", worker.log());
}

#[tokio::test]
async fn the_broker_url_of_heroku_is_accepted() {
    let app = TestApp::serve(&[]).await;
    let mut settings = app.settings.clone();
    settings.retain(|(name, _)| *name != "BROKER_URL");
    settings.push(("CLOUDAMQP_URL", setting("TEST_BROKER_URL")));
    let worker = Process::start("work", &settings);
    worker.wait_for_line("Waiting for tasks").await;
    assert_eq!(app.import("sku,name\na,b\n").await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_ca_file_without_certificates_is_rejected_at_start() {
    let app = TestApp::serve(&[]).await;
    let mut process = app.process("work", &[("BROKER_CA_FILE", "/dev/null")]);
    process.wait_for_line("BROKER_CA_FILE: /dev/null has no certificate").await;
    assert!(!process.ended().await.success());
}
