//! `loadify key create` and `loadify set-password`, for operators with a shell and no account.

use actix_web::http::StatusCode;
use anyhow::Context;
use clap::{Args, Subcommand};
use shared::auth::{self, KeyInput, Scope};

use crate::{
    auth::{audit, keys, passwords, secrets, users},
    config::DatabaseConfig,
    db,
};

/// Actor and address in the audit log.
const SHELL: &str = "shell";

#[derive(Args)]
pub struct KeyCommand {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Subcommand)]
enum KeyAction {
    /// Create a key and print it; it is not shown again
    Create {
        #[command(flatten)]
        database: DatabaseConfig,
        /// Name of the key, for example the program that uses it
        name: String,
        /// products:read, products:write, imports, webhooks or admin; can be repeated
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Days until the key expires; without it, the key does not expire
        #[arg(long)]
        days: Option<u32>,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

/// Creates a key.
pub async fn create_key(command: KeyCommand) -> anyhow::Result<()> {
    let KeyAction::Create { database, name, scopes, days } = command.action;
    let input = KeyInput { name, scopes, expires_in_days: days };
    if let Some(error) = input.check().first() {
        anyhow::bail!("the {} {}", error.field, error.message);
    }
    let mut conn = db::connect(&database).await?;
    let secret = secrets::new_key();
    let entry = audit::begin(&mut conn, SHELL, "key.create", "/keys", SHELL, None).await?;
    let key = keys::insert(&mut conn, &secret, &input, keys::Owner::Shell).await?;
    audit::finish(&mut conn, entry, StatusCode::CREATED.as_u16(), Some(&format!("/keys/{}", key.id))).await?;
    println!("{secret}");
    Ok(())
}

#[derive(Args)]
pub struct PasswordCommand {
    #[command(flatten)]
    database: DatabaseConfig,
    /// Name of the user
    name: String,
}

/// Sets the password of a user to the first line of the standard input, and ends their sessions.
pub async fn set_password(command: PasswordCommand) -> anyhow::Result<()> {
    let mut password = String::new();
    eprintln!("New password of {}:", command.name);
    std::io::stdin().read_line(&mut password).context("cannot read the password from the standard input")?;
    let password = password.trim_end_matches(['\n', '\r']);
    if let Some(error) = auth::check_password("password", password, &command.name) {
        anyhow::bail!("the password {}", error.message);
    }
    let mut conn = db::connect(&command.database).await?;
    let user = users::find_by_name(&mut conn, &command.name).await?;
    let user = user.with_context(|| format!("there is no user {}", command.name))?;
    let target = format!("/users/{}", user.id);
    audit::begin(&mut conn, SHELL, "user.set_password", &target, SHELL, Some(StatusCode::NO_CONTENT)).await?;
    users::set_password(&mut conn, user.id, &passwords::hash(password)?, None).await?;
    eprintln!("The password of {} is set; all their sessions have ended.", user.name);
    Ok(())
}
