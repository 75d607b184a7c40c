//! People: accounts, the first of them, and what is thrown away of those that have ended.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::now, prelude::*, sql_types::Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::auth::{Person, PersonChange, Role, name_key};

use crate::{
    auth::{secrets, sessions::end_all as end_sessions},
    db,
    schema::{people, sessions, setup_links},
};

/// Who changes people takes this lock first, so that the last admin is the last whatever happens beside.
const PEOPLE_LOCK: i64 = 0x010A_D1F8;
/// How long a link for the first account is good.
const SETUP_HOURS: i64 = 24;

/// An account.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = people)]
pub struct PersonRow {
    pub id: i64,
    pub name: String,
    role: String,
    pub password_hash: String,
    pub enabled: bool,
    created_at: DateTime<Utc>,
    signed_in_at: Option<DateTime<Utc>>,
}

impl PersonRow {
    pub fn role(&self) -> Role {
        db::parse_enum(&self.role)
    }

    pub fn with_sessions(self, sessions: i64) -> Person {
        Person {
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

pub async fn has_people(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(people::table.select(people::id))).get_result(conn).await
}

pub async fn list_people(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Person>> {
    let rows: Vec<PersonRow> = PersonRow::query().order(people::name_key).load(conn).await?;
    let counts: Vec<(i64, i64)> = sessions::table
        .filter(sessions::expires_at.gt(now))
        .group_by(sessions::person_id)
        .select((sessions::person_id, diesel::dsl::count_star()))
        .load(conn)
        .await?;
    let count = |id| counts.iter().find(|(person, _)| *person == id).map_or(0, |(_, count)| *count);
    Ok(rows.into_iter().map(|row| (count(row.id), row)).map(|(count, row)| row.with_sessions(count)).collect())
}

pub async fn person(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<PersonRow>> {
    db::optional(PersonRow::query().filter(people::id.eq(id)).first(conn).await)
}

pub async fn person_named(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<PersonRow>> {
    db::optional(PersonRow::query().filter(people::name_key.eq(name_key(name))).first(conn).await)
}

/// Makes an account. Gives `None` where the name is taken.
pub async fn insert_person(
    conn: &mut AsyncPgConnection,
    name: &str,
    role: Role,
    password_hash: &str,
) -> QueryResult<Option<PersonRow>> {
    let made = diesel::insert_into(people::table)
        .values((
            people::name.eq(name.trim()),
            people::name_key.eq(name_key(name)),
            people::role.eq(role.as_str()),
            people::password_hash.eq(password_hash),
        ))
        .on_conflict_do_nothing()
        .returning(PersonRow::as_returning())
        .get_result(conn)
        .await;
    db::optional(made)
}

/// Makes the first account, an admin, and closes every link for it. Gives `None` where there is an account already.
pub async fn insert_first(
    conn: &mut AsyncPgConnection,
    name: &str,
    password_hash: &str,
) -> QueryResult<Option<PersonRow>> {
    conn.transaction(async |conn| {
        lock_people(conn).await?;
        if has_people(conn).await? {
            return Ok(None);
        }
        diesel::delete(setup_links::table).execute(conn).await?;
        insert_person(conn, name, Role::Admin, password_hash).await
    })
    .await
}

async fn lock_people(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({PEOPLE_LOCK})")).await
}

/// What became of a change of people.
pub enum Changed<T> {
    Done(T),
    Absent,
    /// It would leave nobody who can manage people.
    LastAdmin,
}

/// Changes an account, and ends its sessions.
pub async fn update_person(
    conn: &mut AsyncPgConnection,
    id: i64,
    change: &PersonChange,
    password_hash: Option<String>,
) -> QueryResult<Changed<PersonRow>> {
    conn.transaction(async |conn| {
        lock_people(conn).await?;
        let Some(row) = person(conn, id).await? else { return Ok(Changed::Absent) };
        let role = change.role.unwrap_or(row.role());
        let enabled = change.enabled.unwrap_or(row.enabled);
        if !(role == Role::Admin && enabled) && is_last_admin(conn, id).await? {
            return Ok(Changed::LastAdmin);
        }
        let changed = diesel::update(people::table.find(id))
            .set((
                people::role.eq(role.as_str()),
                people::enabled.eq(enabled),
                people::password_hash.eq(password_hash.unwrap_or(row.password_hash)),
            ))
            .returning(PersonRow::as_returning())
            .get_result(conn)
            .await?;
        end_sessions(conn, id, None).await?;
        Ok(Changed::Done(changed))
    })
    .await
}

/// Deletes an account with its sessions.
pub async fn delete_person(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Changed<()>> {
    conn.transaction(async |conn| {
        lock_people(conn).await?;
        if is_last_admin(conn, id).await? {
            return Ok(Changed::LastAdmin);
        }
        let deleted = diesel::delete(people::table.find(id)).execute(conn).await?;
        Ok(if deleted > 0 { Changed::Done(()) } else { Changed::Absent })
    })
    .await
}

/// Whether all admins that may sign in are this one.
async fn is_last_admin(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let admins = people::table.filter(people::role.eq(Role::Admin.as_str()).and(people::enabled));
    let ids: Vec<i64> = admins.select(people::id).load(conn).await?;
    Ok(ids == [id])
}

/// Sets a password, and ends the sessions but `keep`.
pub async fn set_password(
    conn: &mut AsyncPgConnection,
    person_id: i64,
    password_hash: &str,
    keep: Option<i64>,
) -> QueryResult<()> {
    conn.transaction(async |conn| {
        let new = people::password_hash.eq(password_hash);
        diesel::update(people::table.find(person_id)).set(new).execute(conn).await?;
        end_sessions(conn, person_id, keep).await
    })
    .await
}

/// A link by which the first account can be made: gives its token.
pub async fn new_setup_link(conn: &mut AsyncPgConnection) -> QueryResult<String> {
    let token = secrets::new_token();
    diesel::insert_into(setup_links::table)
        .values((
            setup_links::token_hash.eq(secrets::hash(&token)),
            setup_links::expires_at.eq(Utc::now() + TimeDelta::hours(SETUP_HOURS)),
        ))
        .execute(conn)
        .await?;
    Ok(token)
}

pub async fn is_setup_token(conn: &mut AsyncPgConnection, token: &str) -> QueryResult<bool> {
    let good = setup_links::table.find(secrets::hash(token)).filter(setup_links::expires_at.gt(now));
    diesel::select(diesel::dsl::exists(good)).get_result(conn).await
}

/// Throws away what has ended long ago: sessions after 30 days, wrong passwords after one, audit entries after
/// `audit_days`.
pub async fn sweep(conn: &mut AsyncPgConnection, audit_days: u16) -> QueryResult<()> {
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
