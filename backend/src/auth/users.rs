//! User accounts.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::auth::{Role, User, UserChange, name_key};

use crate::{
    auth::sessions::{end_all as end_sessions, is_open},
    db,
    schema::{sessions, users},
};

/// Every change of users takes this lock first, so that two concurrent changes cannot remove the last two admins.
const USERS_LOCK: i64 = 0x010A_D1F8;

/// A user account.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: i64,
    pub name: String,
    role: String,
    pub password_hash: String,
    pub enabled: bool,
    created_at: DateTime<Utc>,
    signed_in_at: Option<DateTime<Utc>>,
}

impl UserRow {
    pub fn role(&self) -> Role {
        Role::parse(&self.role)
    }

    /// Adds the number of open sessions.
    pub fn with_sessions(self, sessions: i64) -> User {
        User {
            id: self.id,
            role: self.role(),
            name: self.name,
            enabled: self.enabled,
            created_at: self.created_at,
            signed_in_at: self.signed_in_at,
            sessions,
        }
    }
}

/// Whether there is any user.
pub async fn exist(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(conn).await
}

/// Returns all users by name, with the number of their open sessions.
pub async fn list(conn: &mut AsyncPgConnection, idle: TimeDelta) -> QueryResult<Vec<User>> {
    let rows: Vec<UserRow> = UserRow::query().order(users::name_key).load(conn).await?;
    let counts: Vec<(i64, i64)> = sessions::table
        .filter(is_open(idle))
        .group_by(sessions::user_id)
        .select((sessions::user_id, diesel::dsl::count_star()))
        .load(conn)
        .await?;
    let count = |id| counts.iter().find(|(user, _)| *user == id).map_or(0, |(_, count)| *count);
    Ok(rows.into_iter().map(|row| (count(row.id), row)).map(|(count, row)| row.with_sessions(count)).collect())
}

pub async fn find(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<UserRow>> {
    db::optional(UserRow::query().filter(users::id.eq(id)).first(conn).await)
}

pub async fn find_by_name(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<UserRow>> {
    db::optional(UserRow::query().filter(users::name_key.eq(name_key(name))).first(conn).await)
}

/// Creates a user. Returns `None` if the name is taken.
pub async fn insert(
    conn: &mut AsyncPgConnection,
    name: &str,
    role: Role,
    password_hash: &str,
) -> QueryResult<Option<UserRow>> {
    let created = diesel::insert_into(users::table)
        .values((
            users::name.eq(name.trim()),
            users::name_key.eq(name_key(name)),
            users::role.eq(role.as_str()),
            users::password_hash.eq(password_hash),
        ))
        .on_conflict_do_nothing()
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await;
    db::optional(created)
}

/// Serializes changes of users until the transaction ends.
pub async fn lock(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({USERS_LOCK})")).await
}

/// The outcome of a change of a user.
pub enum ChangeOutcome<T> {
    Done(T),
    NotFound,
    /// Refused: no admin would be left.
    LastAdmin,
}

/// Changes a user, and ends their sessions.
pub async fn update(
    conn: &mut AsyncPgConnection,
    id: i64,
    change: &UserChange,
    password_hash: Option<String>,
) -> QueryResult<ChangeOutcome<UserRow>> {
    conn.transaction(async |conn| {
        lock(conn).await?;
        let Some(row) = find(conn, id).await? else { return Ok(ChangeOutcome::NotFound) };
        let role = change.role.unwrap_or(row.role());
        let enabled = change.enabled.unwrap_or(row.enabled);
        if !(role == Role::Admin && enabled) && is_last_admin(conn, id).await? {
            return Ok(ChangeOutcome::LastAdmin);
        }
        let changed = diesel::update(users::table.find(id))
            .set((
                users::role.eq(role.as_str()),
                users::enabled.eq(enabled),
                users::password_hash.eq(password_hash.unwrap_or(row.password_hash)),
            ))
            .returning(UserRow::as_returning())
            .get_result(conn)
            .await?;
        end_sessions(conn, id, None).await?;
        Ok(ChangeOutcome::Done(changed))
    })
    .await
}

/// Deletes a user with their sessions and keys.
pub async fn delete(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<ChangeOutcome<()>> {
    conn.transaction(async |conn| {
        lock(conn).await?;
        if is_last_admin(conn, id).await? {
            return Ok(ChangeOutcome::LastAdmin);
        }
        let deleted = diesel::delete(users::table.find(id)).execute(conn).await?;
        Ok(if deleted > 0 { ChangeOutcome::Done(()) } else { ChangeOutcome::NotFound })
    })
    .await
}

/// Whether this user is the only enabled admin.
async fn is_last_admin(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let admins = users::table.filter(users::role.eq(Role::Admin.as_str()).and(users::enabled));
    let ids: Vec<i64> = admins.select(users::id).load(conn).await?;
    Ok(ids == [id])
}

/// Sets a password, and ends all sessions except `keep_session`.
pub async fn set_password(
    conn: &mut AsyncPgConnection,
    user_id: i64,
    password_hash: &str,
    keep_session: Option<i64>,
) -> QueryResult<()> {
    conn.transaction(async |conn| {
        let password = users::password_hash.eq(password_hash);
        diesel::update(users::table.find(user_id)).set(password).execute(conn).await?;
        end_sessions(conn, user_id, keep_session).await
    })
    .await
}
