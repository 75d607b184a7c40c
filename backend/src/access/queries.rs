//! People, their sessions, and keys.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::now, prelude::*, sql_types::Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::{ApiKey, KeyInput, Person, PersonChange, Role, Scope, Session, access::name_key};

use crate::{
    access::{caller::PersonCaller, secrets},
    db,
    schema::{api_keys, people, sessions, setup_links},
};

/// Characters of a `User-Agent` that are kept.
const MAX_AGENT_CHARS: usize = 200;
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
        db::word(&self.role)
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

// Sessions

/// Begins a session. Gives the token for the cookie.
pub async fn begin_session(
    conn: &mut AsyncPgConnection,
    person_id: i64,
    address: &str,
    agent: &str,
    hours: u32,
) -> QueryResult<String> {
    let token = secrets::new_token();
    conn.transaction(async |conn| {
        let signed_in = people::signed_in_at.eq(now);
        diesel::update(people::table.find(person_id)).set(signed_in).execute(conn).await?;
        diesel::insert_into(sessions::table)
            .values((
                sessions::token_hash.eq(secrets::hash(&token)),
                sessions::person_id.eq(person_id),
                sessions::address.eq(address),
                sessions::agent.eq(agent
                    .chars()
                    .filter(|char| !char.is_control())
                    .take(MAX_AGENT_CHARS)
                    .collect::<String>()),
                sessions::expires_at.eq(Utc::now() + TimeDelta::hours(hours.into())),
            ))
            .execute(conn)
            .await
    })
    .await?;
    Ok(token)
}

/// Whose session has this token, if it has not ended; it counts as used.
pub async fn session(conn: &mut AsyncPgConnection, token: &str, idle: TimeDelta) -> QueryResult<Option<PersonCaller>> {
    let found: Option<(i64, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, i64, String, String)> = db::optional(
        sessions::table
            .inner_join(people::table)
            .filter(
                sessions::token_hash.eq(secrets::hash(token)).and(sessions::expires_at.gt(now)).and(people::enabled),
            )
            .select((
                sessions::id,
                sessions::last_used_at,
                sessions::expires_at,
                diesel::dsl::sql::<diesel::sql_types::Timestamptz>("now()"),
                people::id,
                people::name,
                people::role,
            ))
            .first(conn)
            .await,
    )?;
    let Some((session_id, used_at, expires_at, at, id, name, role)) = found else { return Ok(None) };
    if at - used_at > idle {
        return Ok(None);
    }
    if at - used_at > TimeDelta::minutes(1) {
        diesel::update(sessions::table.find(session_id)).set(sessions::last_used_at.eq(now)).execute(conn).await?;
    }
    let idle_until = (at + idle).min(expires_at);
    Ok(Some(PersonCaller { id, name, role: db::word(&role), session_id, idle_until, expires_at }))
}

/// Whether a session still opens something; asking is not using it.
pub async fn session_lives(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let alive = sessions::table
        .inner_join(people::table)
        .filter(sessions::id.eq(id).and(sessions::expires_at.gt(now)).and(people::enabled));
    diesel::select(diesel::dsl::exists(alive)).get_result(conn).await
}

/// Whether this person has signed in from here before; ended sessions are kept a while for this.
pub async fn has_signed_in_from(conn: &mut AsyncPgConnection, name: &str, address: &str) -> QueryResult<bool> {
    let before = sessions::table
        .inner_join(people::table)
        .filter(people::name_key.eq(name_key(name)).and(sessions::address.eq(address)));
    diesel::select(diesel::dsl::exists(before)).get_result(conn).await
}

pub async fn list_sessions(conn: &mut AsyncPgConnection, person: &PersonCaller) -> QueryResult<Vec<Session>> {
    let rows: Vec<(i64, String, String, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>)> = sessions::table
        .filter(sessions::person_id.eq(person.id).and(sessions::expires_at.gt(now)))
        .select((
            sessions::id,
            sessions::address,
            sessions::agent,
            sessions::created_at,
            sessions::last_used_at,
            sessions::expires_at,
        ))
        .order(sessions::last_used_at.desc())
        .load(conn)
        .await?;
    let session = |(id, address, agent, created_at, last_used_at, expires_at)| Session {
        id,
        current: id == person.session_id,
        address,
        agent,
        created_at,
        last_used_at,
        expires_at,
    };
    Ok(rows.into_iter().map(session).collect())
}

/// Ends one session of a person. Gives whether it was there.
pub async fn end_session(conn: &mut AsyncPgConnection, person_id: i64, id: i64) -> QueryResult<bool> {
    let of_person =
        sessions::table.find(id).filter(sessions::person_id.eq(person_id).and(sessions::expires_at.gt(now)));
    Ok(diesel::update(of_person).set(sessions::expires_at.eq(now)).execute(conn).await? > 0)
}

/// Ends all sessions of a person, but `keep`.
pub async fn end_sessions(conn: &mut AsyncPgConnection, person_id: i64, keep: Option<i64>) -> QueryResult<()> {
    let open = sessions::table.filter(
        sessions::person_id.eq(person_id).and(sessions::expires_at.gt(now)).and(sessions::id.ne(keep.unwrap_or(0))),
    );
    diesel::update(open).set(sessions::expires_at.eq(now)).execute(conn).await.map(drop)
}

// Keys

#[derive(HasQuery)]
#[diesel(table_name = api_keys)]
struct KeyRow {
    id: i64,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    created_by: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.iter().map(|scope| db::word(scope)).collect(),
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

pub async fn list_keys(conn: &mut AsyncPgConnection) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = KeyRow::query().order(api_keys::id.desc()).load(conn).await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Keeps a key that was made by [`secrets::new_key`].
pub async fn insert_key(
    conn: &mut AsyncPgConnection,
    key: &str,
    input: &KeyInput,
    created_by: &str,
) -> QueryResult<ApiKey> {
    let expires_at = input.expires_in_days.map(|days| Utc::now() + TimeDelta::days(days.into()));
    let scopes: Vec<_> =
        Scope::ALL.into_iter().filter(|scope| input.scopes.contains(scope)).map(Scope::as_str).collect();
    let row: KeyRow = diesel::insert_into(api_keys::table)
        .values((
            api_keys::name.eq(input.name.trim()),
            api_keys::prefix.eq(secrets::shown(key)),
            api_keys::key_hash.eq(secrets::hash(key)),
            api_keys::scopes.eq(scopes),
            api_keys::created_by.eq(created_by),
            api_keys::expires_at.eq(expires_at),
        ))
        .returning(KeyRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

pub async fn delete_key(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    Ok(diesel::delete(api_keys::table.find(id)).execute(conn).await? > 0)
}

/// The key that this is, if it opens anything; it counts as used.
pub async fn key(conn: &mut AsyncPgConnection, key: &str) -> QueryResult<Option<ApiKey>> {
    let found = KeyRow::query().filter(api_keys::key_hash.eq(secrets::hash(key)).and(is_valid())).first(conn).await;
    let Some(row) = db::optional(found)? else { return Ok(None) };
    if row.last_used_at.is_none_or(|used| Utc::now() - used > TimeDelta::minutes(1)) {
        diesel::update(api_keys::table.find(row.id)).set(api_keys::last_used_at.eq(now)).execute(conn).await?;
    }
    Ok(Some(row.into()))
}

/// Whether a key still opens something; asking is not using it.
pub async fn key_lives(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(api_keys::table.filter(api_keys::id.eq(id).and(is_valid()))))
        .get_result(conn)
        .await
}

#[diesel::dsl::auto_type]
fn is_valid() -> _ {
    let forever: diesel::dsl::IsNull<api_keys::expires_at> = api_keys::expires_at.is_null();
    let still: diesel::dsl::Gt<api_keys::expires_at, now> = api_keys::expires_at.gt(now);
    forever.or(still).assume_not_null()
}

// The first account

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
