//! RabbitMQ over TLS, with a certificate of an authority that the system does not know.

use shared::job::JobStatus;
use tests::{TestApp, csv::Csv, process::Process, setting};

#[tokio::test]
async fn an_import_goes_through_a_broker_that_is_spoken_to_over_tls() {
    let (url, authority) = (setting("TEST_BROKER_TLS_URL"), setting("TEST_CA_FILE"));
    let app = TestApp::serve(&[("BROKER_URL", &url), ("BROKER_CA_FILE", &authority)]).await;
    let _worker = app.worker(&[]).await;
    let start = std::time::Instant::now();
    let import = app.import_exactly(&Csv::random(2_000, 41)).await;
    assert_eq!(import.status, JobStatus::Completed);
    // The scheduler enqueues only after ten seconds.
    assert!(start.elapsed().as_secs() < 9, "{:?}: the message has not come", start.elapsed());
}

#[tokio::test]
async fn a_broker_whose_certificate_nobody_vouches_for_is_not_spoken_to() {
    let app = TestApp::serve(&[("BROKER_URL", &setting("TEST_BROKER_TLS_URL"))]).await;
    let worker = app.process("work", &[]);
    let line = worker.wait_for_line("The connection to the broker was lost").await;
    assert!(line.contains("certificate"), "{line}");
    assert!(!worker.log().contains("Waiting for tasks"));
    assert!(!worker.log().contains("guest"), "credentials are not told: {}", worker.log());
}

#[tokio::test]
async fn the_name_that_heroku_gives_to_the_broker_is_understood() {
    let app = TestApp::serve(&[]).await;
    let mut settings = app.settings.clone();
    settings.retain(|(name, _)| *name != "BROKER_URL");
    settings.push(("CLOUDAMQP_URL", setting("TEST_BROKER_URL")));
    let worker = Process::start("work", &settings);
    worker.wait_for_line("Waiting for tasks").await;
    assert_eq!(app.import("sku,name\na,b\n").await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_at_start() {
    let app = TestApp::serve(&[]).await;
    let mut process = app.process("work", &[("BROKER_CA_FILE", "/dev/null")]);
    process.wait_for_line("BROKER_CA_FILE: /dev/null has no certificate").await;
    assert!(!process.ended().await.success());
}
