//! Connections to PostgreSQL, and its schema.

mod connect;
mod prepared;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use deadpool::Runtime;
use diesel::{ConnectionError, QueryDsl, QueryResult, migration::MigrationSource, pg::Pg, sql_types::BigInt};
use diesel_async::{
    AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, SetupCallback,
        deadpool::{Object, Pool as DeadPool, PoolError},
    },
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt;

pub use self::{connect::Server, prepared::prepared};
use crate::{
    app::App,
    config::{Config, DatabaseConfig},
};

pub type Pool = DeadPool<AsyncPgConnection>;
pub type PooledConnection = Object<AsyncPgConnection>;
pub type GetConnectionError = PoolError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// How long a request waits for a free connection, or for a new one to be made, before it is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// Any number that no other program takes for its advisory lock on this database.
const MIGRATION_LOCK: i64 = 0x010A_D1F7;

pub fn pool(config: &Config) -> anyhow::Result<Pool> {
    let server = Arc::new(config.database.server()?);
    // Each thread of the web server has a runtime of its own, which ends when that thread has no request left to finish. A
    // connection lives on the runtime that made it: made there, it would fail under others who still finish theirs.
    let runtime = tokio::runtime::Handle::current();
    let setup: SetupCallback<AsyncPgConnection> = Box::new(move |_| {
        let server = Arc::clone(&server);
        let connecting = runtime.spawn(async move { server.connect().await });
        async move { connecting.await.map_err(|error| ConnectionError::BadConnection(error.to_string()))? }.boxed()
    });
    let mut manager = ManagerConfig::default();
    manager.custom_setup = setup;
    // The URL is the server's affair.
    let manager = AsyncDieselConnectionManager::new_with_config("", manager);
    Pool::builder(manager)
        .max_size(config.database_connections.max(usize::from(config.import_writers) + 2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .build()
        .context("DATABASE_URL")
}

/// Brings the schema up to date. Several processes may do this at once: one works, the others wait.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let mut conn = config.server()?.connect().await.context("cannot connect to DATABASE_URL")?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    refuse_older_schema(&mut conn).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = MigrationHarness::<Pg>::run_pending_migrations(&mut harness, MIGRATIONS)
        .map_err(|error| anyhow::anyhow!("migration failed: {error}"))?;
    for version in applied {
        tracing::info!("Applied migration {version}");
    }
    // Closing the session gives the lock back.
    drop(harness);
    Ok(())
}

/// The first migration of the initial set. Databases made before it have other tables, and there is no way from them to here.
const INITIAL_MIGRATION: &str = "20261127000001";

/// # Errors
/// Where the database was created by a version of Loadify before the initial set of migrations.
async fn refuse_older_schema(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    let asked = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS is_ours");
    let Ours { is_ours: has_migrations } = asked.get_result(conn).await?;
    if !has_migrations {
        return Ok(());
    }
    let applied: Vec<String> =
        diesel_migrations_table::table.select(diesel_migrations_table::version).load(conn).await?;
    if let Some(version) = applied.iter().find(|version| version.as_str() < INITIAL_MIGRATION) {
        anyhow::bail!(
            "this database was created by an older, incompatible version of Loadify (migration {version}); export its products \
             with that version, then set DATABASE_URL to an empty database and import them"
        );
    }
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Ours {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_ours: bool,
}

/// Awaits `work` while no other process does what goes by this number of a lock; `None` where another one is at it.
pub async fn alone<T: Send>(
    app: &App,
    lock: i64,
    work: impl Future<Output = anyhow::Result<T>> + Send,
) -> anyhow::Result<Option<T>> {
    let mut holder = app.pool.get().await?;
    holder
        .transaction(async |holder| {
            let asked = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_ours");
            let Ours { is_ours } = asked.bind::<BigInt, _>(lock).get_result(holder).await?;
            if is_ours { work.await.map(Some) } else { Ok(None) }
        })
        .await
}

/// Asks the database for nothing.
pub async fn ping(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    Ok(conn.batch_execute("SELECT 1").await?)
}

/// How many migrations of this program have not been applied.
pub async fn missing_migrations(conn: &mut AsyncPgConnection) -> anyhow::Result<usize> {
    let applied: Vec<String> =
        diesel_migrations_table::table.select(diesel_migrations_table::version).load(conn).await?;
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| anyhow::anyhow!("the migrations cannot be read: {error}"))?;
    Ok(known.iter().filter(|migration| !applied.contains(&migration.name().version().to_string())).count())
}

diesel::table! {
    #[sql_name = "__diesel_schema_migrations"]
    diesel_migrations_table (version) {
        version -> Text,
    }
}

/// Whether an error says that the database is away or busy with its own affairs, so that the same call may succeed later.
pub fn is_unavailable(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error};
    match error {
        Error::DatabaseError(kind, info) => {
            matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand)
                || [
                    "terminating connection",
                    "shutting down",
                    "starting up",
                    "connection closed",
                    "too many clients",
                    "due to lock timeout",
                    "due to statement timeout",
                    "deadlock detected",
                ]
                .iter()
                .any(|text| info.message().contains(text))
        }
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

/// Makes an absent row `None`.
pub fn optional<T>(result: QueryResult<T>) -> QueryResult<Option<T>> {
    diesel::OptionalExtension::optional(result)
}

/// A word of a column as the enum whose serde names are the same; only such words are written, and most columns have a
/// CHECK that says so.
pub fn word<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(text.into()).expect("the table holds only words that shared knows")
}
