//! Health checks for load balancers.

use reqwest::StatusCode;
use shared::health::{Health, HealthState};
use tests::{TestApp, eventually, process::Process};

async fn ready(app: &TestApp) -> (StatusCode, Health) {
    let response = app.get("/readyz").await;
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_process_that_can_work_is_ready() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/livez").await.text().await.unwrap(), "ok\n");
    let (status, health) = ready(&app).await;
    assert_eq!((status, health.state), (StatusCode::OK, HealthState::Ready), "{health:?}");
}

#[tokio::test]
async fn an_unavailable_component_is_named_and_the_process_is_alive() {
    let app = TestApp::start().await;
    std::fs::remove_dir_all(app.storage.path()).unwrap();
    let (status, health) = ready(&app).await;
    assert_eq!((status, health.state), (StatusCode::SERVICE_UNAVAILABLE, HealthState::Unready));
    let path = app.storage.path().display().to_string();
    assert_eq!(health.storage.error.unwrap(), "the file storage is not usable; the log of this process says why");
    assert!(app.web.log().contains(&path), "the cause is in the log, and not in the response, which anyone may read");
    assert!(health.database.ok && health.migrations.ok && health.broker.ok);
    std::fs::create_dir(app.storage.path()).unwrap();

    app.db.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261127000001'").await;
    let (_, health) = ready(&app).await;
    assert!(!health.migrations.ok);
    assert!(app.web.log().contains("1 migrations are not applied; run `loadify migrate`"));

    app.db.allow_connections(false).await;
    app.db.terminate_sessions().await;
    let (status, health) = ready(&app).await;
    assert_eq!((status, health.database.ok), (StatusCode::SERVICE_UNAVAILABLE, false));
    assert_eq!(app.get("/livez").await.status(), StatusCode::OK);
    app.db.allow_connections(true).await;
    eventually("the database to be available", || async { ready(&app).await.1.database.ok.then_some(()) }).await;
}

#[tokio::test]
async fn the_health_command_checks_the_web_server() {
    let mut app = TestApp::start().await;
    let (_, port) = app.base.rsplit_once(':').unwrap();
    // A server that listens on all addresses is checked on loopback; PORT takes precedence.
    let settings = [("BIND", "0.0.0.0:1".to_owned()), ("PORT", port.to_owned())];
    assert!(Process::start("health", &settings).ended().await.success());
    app.web.kill();
    let mut asked = Process::start("health", &settings);
    assert!(!asked.ended().await.success());
    eventually("the reason", || async { asked.log().contains(&format!("127.0.0.1:{port}/livez")).then_some(()) }).await;
}
