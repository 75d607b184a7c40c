//! Before the first request: is it safe to listen here? And from time to time: what has ended is thrown away.

use std::net::SocketAddr;

use anyhow::Context;

use crate::{
    app::App,
    auth::{passwords, queries},
};

/// Makes the account that the settings ask for, if there is none, and refuses to go on where everybody could come in.
///
/// # Errors
/// Bound to anything but loopback, or behind a proxy, with no account and no `ADMIN_PASSWORD`; or with one that is too
/// easily guessed.
pub async fn prepare(app: &App) -> anyhow::Result<()> {
    let config = &app.config.access;
    let mut conn = app.pool.get().await.context("DATABASE_URL")?;
    if queries::has_people(&mut conn).await? {
        return Ok(());
    }
    if let Some(password) = config.admin_password()? {
        let name = &config.admin_name;
        let wrong = [shared::auth::check_name(name), shared::auth::check_password("password", &password, name)];
        if let Some(error) = wrong.into_iter().flatten().next() {
            anyhow::bail!("ADMIN_NAME, ADMIN_PASSWORD: the {} {}", error.field, error.message);
        }
        if queries::insert_first(&mut conn, name, &passwords::hash(&password)?).await?.is_some() {
            tracing::info!("Made the first account, {name}, with the password of ADMIN_PASSWORD");
        }
        return Ok(());
    }
    let address = app.config.address();
    if !address.ip().is_loopback() || !config.trusted_proxies.is_empty() || config.public_url.is_some() {
        anyhow::bail!(
            "there is no account, and {address} can be reached from elsewhere: set ADMIN_PASSWORD or ADMIN_PASSWORD_FILE, with which the first account is made (12 characters at least), or set BIND=127.0.0.1:8000 and no TRUSTED_PROXIES and PUBLIC_URL, to be reached from this machine only"
        );
    }
    Ok(())
}

/// Prints the link by which the first account can be made, where there is none.
pub async fn invite(app: &App, address: SocketAddr) {
    let invited = async {
        let mut conn = app.pool.get().await?;
        if queries::has_people(&mut conn).await? {
            return anyhow::Ok(None);
        }
        Ok(Some(queries::new_setup_link(&mut conn).await?))
    };
    match invited.await {
        Ok(Some(token)) => {
            tracing::info!("There is no account: everybody on this machine may do everything");
            // Not into the log, which is kept: the link opens the door to who has it.
            println!(
                "\n  To make the first account, open http://{address}/setup#{token}\n  It is good for 24 hours, once.\n"
            );
        }
        Ok(None) => {}
        Err(error) => tracing::warn!("No link for the first account could be made: {error:#}"),
    }
}

/// Throws away what has ended long ago. Any number of processes may do so.
pub async fn tend(app: &App) -> anyhow::Result<()> {
    app.access.limits.tidy();
    Ok(queries::sweep(&mut *app.pool.get().await?, app.config.access.audit_retention_days).await?)
}
