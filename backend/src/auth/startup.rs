//! At start: refuses to listen where everyone would have access, and prints the setup link.

use std::net::SocketAddr;

use anyhow::Context;
use diesel::{QueryResult, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::auth;

use crate::{
    app::App,
    auth::{passwords, setup, users},
};

/// Creates the user that the settings name if there is none, and refuses to start if everyone would have access.
///
/// # Errors
/// Bound to anything but loopback, or behind a proxy, without a user and without `ADMIN_PASSWORD`; or with a password that is
/// easily guessed.
pub async fn prepare(app: &App) -> anyhow::Result<()> {
    let config = &app.config.auth;
    let mut conn = app.pool.get().await.context("DATABASE_URL")?;
    if users::exist(&mut conn).await? {
        return Ok(());
    }
    if let Some(password) = config.admin_password()? {
        let name = &config.admin_name;
        let errors = [auth::check_user_name(name), auth::check_password("password", &password, name)];
        if let Some(error) = errors.into_iter().flatten().next() {
            anyhow::bail!("ADMIN_NAME, ADMIN_PASSWORD: the {} {}", error.field, error.message);
        }
        if setup::insert_first_user(&mut conn, name, &passwords::hash(&password)?).await?.is_some() {
            tracing::info!("Created the first user, {name}, with the password from ADMIN_PASSWORD");
        }
        return Ok(());
    }
    let address = app.config.address();
    if !address.ip().is_loopback() || !config.trusted_proxies.is_empty() || config.public_url.is_some() {
        anyhow::bail!(
            "there is no user, and {address} can be reached from other machines: set ADMIN_PASSWORD or ADMIN_PASSWORD_FILE to create the first user (at least 12 characters), or set BIND=127.0.0.1:8000 without TRUSTED_PROXIES and PUBLIC_URL to allow access from this machine only"
        );
    }
    Ok(())
}

/// Prints the link by which the first user can be created, if there is none.
pub async fn print_setup_link(app: &App, address: SocketAddr) {
    let token = async {
        let mut conn = app.pool.get().await?;
        if users::exist(&mut conn).await? {
            return anyhow::Ok(None);
        }
        Ok(Some(setup::new_link(&mut conn).await?))
    };
    match token.await {
        Ok(Some(token)) => {
            tracing::info!("There is no user: every program on this machine has full access");
            // Not to the log, which is stored: the link grants full access.
            println!(
                "\n  To create the admin account, open http://{address}/setup#{token}\n  The link is valid for 24 hours and can be used once.\n"
            );
        }
        Ok(None) => {}
        Err(error) => tracing::warn!("The link for the first user cannot be created: {error:#}"),
    }
}

/// Deletes what has expired. Any number of processes can run it.
pub async fn maintain(app: &App) -> anyhow::Result<()> {
    app.auth.limits.remove_idle();
    Ok(purge_expired(&mut *app.pool.get().await?, app.config.auth.audit_retention_days).await?)
}

/// Deletes sessions 30 days after their end, failed sign-ins after one day, and audit entries after `audit_days`.
async fn purge_expired(conn: &mut AsyncPgConnection, audit_days: u16) -> QueryResult<()> {
    conn.batch_execute(
        "DELETE FROM sessions WHERE expires_at < now() - interval '30 days'; \
         DELETE FROM setup_links WHERE expires_at < now(); \
         DELETE FROM sign_in_failures WHERE last_at < now() - interval '1 day' AND blocked_until < now()",
    )
    .await?;
    diesel::sql_query("DELETE FROM audit_log WHERE at < now() - $1::interval")
        .bind::<Text, _>(format!("{audit_days} days"))
        .execute(conn)
        .await
        .map(drop)
}
