//! The schema.

use std::time::Duration;

use anyhow::Context;
use backon::{ConstantBuilder, Retryable};
use diesel::{ConnectionError, ConnectionResult, QueryDsl, migration::MigrationSource, pg::Pg};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{config::DatabaseConfig, db::Connector};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");
/// Any number that no other program uses for its advisory lock on this database.
const MIGRATION_LOCK: i64 = 0x010A_D1F7;
/// The first migration of the initial set. Databases created before it have other tables, and cannot be migrated.
const INITIAL_MIGRATION: &str = "20261127000001";
/// Interval between attempts to connect to a server that is starting.
const RETRY_DELAY: Duration = Duration::from_secs(1);

diesel::table! {
    #[sql_name = "__diesel_schema_migrations"]
    diesel_migrations_table (version) {
        version -> Text,
    }
}

#[derive(diesel::QueryableByName)]
struct HasMigrations {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    has_migrations: bool,
}

/// Brings the schema up to date. Several processes may do this at once: one works, the others wait. A server that is
/// starting, which may take hours after a crash, is waited for.
///
/// # Errors
/// When the server cannot be reached, has the schema of an incompatible version, or refuses a migration.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let connector = Connector::new(config)?;
    let mut conn = connect_when_started(&connector).await.context("cannot connect to DATABASE_URL")?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    refuse_older_schema(&mut conn).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = MigrationHarness::<Pg>::run_pending_migrations(&mut harness, MIGRATIONS)
        .map_err(|error| anyhow::anyhow!("migration failed: {error}"))?;
    for version in applied {
        tracing::info!("Applied migration {version}");
    }
    // The end of the session releases the lock.
    drop(harness);
    Ok(())
}

async fn connect_when_started(connector: &Connector) -> ConnectionResult<AsyncPgConnection> {
    let retries = ConstantBuilder::default().with_delay(RETRY_DELAY).without_max_times();
    (|| connector.connect_without_limits())
        .retry(retries)
        .when(is_starting)
        .notify(|error, _| tracing::warn!("The database is not ready; trying again: {error}"))
        .await
}

/// Returns whether the server answers and only needs time: it starts, recovers from a crash, or stops to start again.
fn is_starting(error: &ConnectionError) -> bool {
    let text = error.to_string();
    ["starting up", "recovery mode", "not yet accepting connections", "shutting down"]
        .iter()
        .any(|part| text.contains(part))
}

/// # Errors
/// When the database was created by a version of Loadify before the initial set of migrations.
async fn refuse_older_schema(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    let query = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS has_migrations");
    let HasMigrations { has_migrations } = query.get_result(conn).await?;
    if !has_migrations {
        return Ok(());
    }
    let applied = applied_migrations(conn).await?;
    if let Some(version) = applied.iter().find(|version| version.as_str() < INITIAL_MIGRATION) {
        anyhow::bail!(
            "this database was created by an older, incompatible version of Loadify (migration {version}); export its products \
             with that version, then set DATABASE_URL to an empty database and import them"
        );
    }
    Ok(())
}

/// Returns how many migrations of this program have not been applied.
pub async fn missing_migrations(conn: &mut AsyncPgConnection) -> anyhow::Result<usize> {
    let applied = applied_migrations(conn).await?;
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| anyhow::anyhow!("the migrations cannot be read: {error}"))?;
    Ok(known.iter().filter(|migration| !applied.contains(&migration.name().version().to_string())).count())
}

async fn applied_migrations(conn: &mut AsyncPgConnection) -> diesel::QueryResult<Vec<String>> {
    diesel_migrations_table::table.select(diesel_migrations_table::version).load(conn).await
}
