//! `loadify key create` and `loadify set-password`, for who has a shell and no account.

use actix_web::http::StatusCode;
use anyhow::Context;
use clap::{Args, Subcommand};
use shared::auth::{self, KeyInput, Scope};

use crate::{
    auth::{audit, keys, passwords, queries, secrets},
    config::DatabaseConfig,
    db,
};

/// Where an entry of the audit log says it came from.
const SHELL: &str = "shell";

#[derive(Args)]
pub struct KeyCommand {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Subcommand)]
enum KeyAction {
    /// Make a key and print it, this once
    Create {
        #[command(flatten)]
        database: DatabaseConfig,
        /// What it is for
        name: String,
        /// products:read, products:write, imports, webhooks or admin; may be given several times
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Days until it expires; without it, it does not
        #[arg(long)]
        days: Option<u32>,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

/// Makes a key.
pub async fn create_key(command: KeyCommand) -> anyhow::Result<()> {
    let KeyAction::Create { database, name, scopes, days } = command.action;
    let input = KeyInput { name, scopes, expires_in_days: days };
    if let Some(error) = input.check().first() {
        anyhow::bail!("the {} {}", error.field, error.message);
    }
    let mut conn = db::connect(&database).await?;
    let secret = secrets::new_key();
    let entry = audit::begin(&mut conn, SHELL, "key.create", "/keys", SHELL, None).await?;
    let key = keys::insert(&mut conn, &secret, &input, SHELL).await?;
    audit::finish(&mut conn, entry, StatusCode::CREATED.as_u16(), Some(&format!("/keys/{}", key.id))).await?;
    println!("{secret}");
    Ok(())
}

#[derive(Args)]
pub struct PasswordCommand {
    #[command(flatten)]
    database: DatabaseConfig,
    /// Name of the account
    name: String,
}

/// Sets the password of an account to the first line of the standard input, and ends its sessions.
pub async fn set_password(command: PasswordCommand) -> anyhow::Result<()> {
    let mut password = String::new();
    eprintln!("New password of {}:", command.name);
    std::io::stdin().read_line(&mut password).context("the password is read from the standard input")?;
    let password = password.trim_end_matches(['\n', '\r']);
    if let Some(error) = auth::check_password("password", password, &command.name) {
        anyhow::bail!("the password {}", error.message);
    }
    let mut conn = db::connect(&command.database).await?;
    let person = queries::person_named(&mut conn, &command.name).await?;
    let person = person.with_context(|| format!("nobody is called {}", command.name))?;
    let target = format!("/people/{}", person.id);
    audit::begin(&mut conn, SHELL, "person.set_password", &target, SHELL, Some(StatusCode::NO_CONTENT)).await?;
    queries::set_password(&mut conn, person.id, &passwords::hash(password)?, None).await?;
    eprintln!("Done; all sessions of {} have ended.", person.name);
    Ok(())
}
