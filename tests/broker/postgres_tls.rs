//! PostgreSQL over TLS, as hosted databases require it.

use shared::job::JobStatus;
use tests::{TestApp, csv::Csv, process::Process, setting};

/// Returns the URL of a test's database with the host that its certificate names.
fn named(url: &str, mode: &str) -> String {
    format!("{}?sslmode={mode}", url.replacen("127.0.0.1", "localhost", 1))
}

/// Returns how many sessions of the program are encrypted, and how many are not.
async fn sessions(app: &TestApp) -> (i64, i64) {
    let count = |ssl: bool| {
        format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity AS a USING (pid) \
             WHERE a.datname = current_database() AND pid <> pg_backend_pid() AND ssl = {ssl}"
        )
    };
    (app.db.number(&count(true)).await, app.db.number(&count(false)).await)
}

#[tokio::test]
async fn connections_are_encrypted_if_the_url_requires_it() {
    let plain = TestApp::serve(&[]).await;
    plain.web.wait_for_line("Listening for events").await;
    assert!(matches!(sessions(&plain).await, (0, 1..)), "connections to this machine need no encryption");
    for mode in ["require", "verify-full"] {
        let app = TestApp::serve(&[]).await;
        let url = named(&app.db.url, mode);
        let settings = [("DATABASE_URL", url.as_str()), ("DATABASE_CA_FILE", &setting("TEST_CA_FILE"))];
        let (web, _) = app.another_with("serve", &settings).await;
        web.wait_for_line("Listening for events").await;
        let _worker = app.worker(&settings).await;
        assert_eq!(app.import_exactly(&Csv::random(1_000, 81)).await.status, JobStatus::Completed);
        assert!(sessions(&app).await.0 > 1, "{mode}");
    }
}

#[tokio::test]
async fn an_untrusted_server_is_rejected_if_the_url_requires_verification() {
    let app = TestApp::serve(&[]).await;
    let url = named(&app.db.url, "verify-full");
    let mut process = Process::start("migrate", &[("DATABASE_URL", url)]);
    process.wait_for_line("certificate").await;
    assert!(!process.ended().await.success());
}
