//! One database per test, created from a template that the program itself has migrated.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use crate::{process::program, setting};

const TEMPLATE: &str = "loadify_template";
/// Prevents concurrent test programs from creating the template twice.
const TEMPLATE_LOCK: i64 = 4_711;

static READY: OnceCell<()> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A database that is dropped with this value.
pub struct TestDatabase {
    name: String,
    pub url: String,
    pub client: Client,
}

impl TestDatabase {
    pub async fn create() -> Self {
        READY.get_or_init(make_template).await;
        let name = format!("loadify_test_{}_{}", std::process::id(), COUNTER.fetch_add(1, Relaxed));
        let admin = connect(&url_of("postgres")).await;
        // A template must not be in use while it is copied, not even by another copy.
        admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await.unwrap();
        let url = url_of(&name);
        let client = connect(&url).await;
        Self { name, url, client }
    }

    /// Returns the number that a query selects.
    pub async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Returns the number of other sessions that wait for a lock.
    pub async fn waiting_sessions(&self) -> i64 {
        // Within a transaction, the view is else read once.
        self.execute("SELECT pg_stat_clear_snapshot()").await;
        self.number(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()",
        )
        .await
    }

    /// Opens another session, for statements while a transaction of [`Self::client`] is open.
    pub async fn connect(&self) -> Client {
        connect(&self.url).await
    }

    /// Ends every session of the program under test, as a failover would.
    pub async fn terminate_sessions(&self) {
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await;
    }

    /// Sets whether the program under test can connect.
    pub async fn allow_connections(&self, allow: bool) {
        let admin = connect(&url_of("postgres")).await;
        admin.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allow}", self.name)).await.unwrap();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Not awaited: the program under test may outlive this by a moment, hence FORCE.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = std::process::Command::new("psql").args([url_of("postgres").as_str(), "-qc", &sql]).status();
    }
}

fn url_of(database: &str) -> String {
    let server = setting("TEST_DATABASE_URL");
    format!("{}/{database}", server.trim_end_matches('/'))
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn make_template() {
    let admin = connect(&url_of("postgres")).await;
    admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    let known = admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&TEMPLATE]).await.unwrap();
    if known.is_none() {
        admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.unwrap();
    }
    let migrated = tokio::time::timeout(
        Duration::from_mins(1),
        tokio::process::Command::new(program()).args(["migrate", "--database-url", &url_of(TEMPLATE)]).status(),
    );
    assert!(migrated.await.unwrap().unwrap().success(), "loadify migrate failed");
}
