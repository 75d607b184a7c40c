//! Sessions of users, in their browsers.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::{InnerJoin, now},
    prelude::*,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::auth::{Role, Session, name_key};

use crate::{
    auth::{principal::UserSession, secrets},
    config::AuthConfig,
    db,
    schema::{sessions, users},
};

/// Longest `User-Agent` that is stored, in characters.
const MAX_USER_AGENT_CHARS: usize = 200;

/// A session that has not ended, with its user.
#[derive(HasQuery)]
#[diesel(base_query = sessions::table.inner_join(users::table), base_query_type = InnerJoin<sessions::table, users::table>)]
struct ActiveRow {
    #[diesel(select_expression = sessions::id)]
    session_id: i64,
    #[diesel(select_expression = sessions::last_used_at)]
    last_used_at: DateTime<Utc>,
    #[diesel(select_expression = sessions::expires_at)]
    expires_at: DateTime<Utc>,
    #[diesel(select_expression = users::id)]
    user_id: i64,
    #[diesel(select_expression = users::name)]
    name: String,
    #[diesel(select_expression = users::role)]
    role: String,
}

#[derive(HasQuery)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: i64,
    address: String,
    user_agent: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Starts a session, and ends the least recently used ones of the user above the limit. Returns the token for the cookie.
pub async fn start(
    conn: &mut AsyncPgConnection,
    config: &AuthConfig,
    user_id: i64,
    address: &str,
    user_agent: &str,
) -> QueryResult<String> {
    let token = secrets::new_token();
    conn.transaction(async |conn| {
        // Also locks the row, so that concurrent sign-ins of the user do not exceed the limit.
        let signed_in = users::signed_in_at.eq(now);
        diesel::update(users::table.find(user_id)).set(signed_in).execute(conn).await?;
        let user_agent = user_agent.chars().filter(|char| !char.is_control()).take(MAX_USER_AGENT_CHARS);
        diesel::insert_into(sessions::table)
            .values((
                sessions::token_hash.eq(secrets::hash(&token)),
                sessions::user_id.eq(user_id),
                sessions::address.eq(address),
                sessions::user_agent.eq(user_agent.collect::<String>()),
                sessions::expires_at.eq(Utc::now() + TimeDelta::hours(config.session_hours.into())),
            ))
            .execute(conn)
            .await?;
        end_excess(conn, config, user_id).await
    })
    .await?;
    Ok(token)
}

/// Ends the least recently used sessions of a user above the limit.
async fn end_excess(conn: &mut AsyncPgConnection, config: &AuthConfig, user_id: i64) -> QueryResult<()> {
    let excess: Vec<i64> = sessions::table
        .filter(sessions::user_id.eq(user_id).and(is_open(config.session_idle())))
        .order((sessions::last_used_at.desc(), sessions::id.desc()))
        .offset(config.max_sessions_per_user.into())
        .select(sessions::id)
        .load(conn)
        .await?;
    let excess = sessions::table.filter(sessions::id.eq_any(excess));
    diesel::update(excess).set(sessions::expires_at.eq(now)).execute(conn).await.map(drop)
}

/// The condition that a session has neither ended nor been idle for too long.
#[diesel::dsl::auto_type(no_type_alias)]
pub fn is_open(idle: TimeDelta) -> _ {
    let used_since: DateTime<Utc> = Utc::now() - idle;
    sessions::expires_at.gt(now).and(sessions::last_used_at.gt(used_since))
}

/// Returns the open session with this token. A request that `counts_as_use` keeps it open for another idle period.
pub async fn authenticate(
    conn: &mut AsyncPgConnection,
    token: &str,
    idle: TimeDelta,
    counts_as_use: bool,
) -> QueryResult<Option<UserSession>> {
    let found = ActiveRow::query()
        .filter(sessions::token_hash.eq(secrets::hash(token)).and(users::enabled).and(is_open(idle)))
        .first(conn)
        .await;
    let Some(mut row) = db::optional(found)? else { return Ok(None) };
    let at = Utc::now();
    // Not written at each request, but often enough for a short idle time.
    if counts_as_use && at - row.last_used_at > (idle / 10).min(TimeDelta::minutes(1)) {
        diesel::update(sessions::table.find(row.session_id)).set(sessions::last_used_at.eq(now)).execute(conn).await?;
        row.last_used_at = at;
    }
    Ok(Some(UserSession {
        user_id: row.user_id,
        name: row.name,
        role: Role::parse(&row.role),
        session_id: row.session_id,
        idle_until: (row.last_used_at + idle).min(row.expires_at),
        expires_at: row.expires_at,
    }))
}

/// Whether a session is open. Does not count as use.
pub async fn is_active(conn: &mut AsyncPgConnection, id: i64, idle: TimeDelta) -> QueryResult<bool> {
    let active =
        sessions::table.inner_join(users::table).filter(sessions::id.eq(id).and(users::enabled).and(is_open(idle)));
    diesel::select(diesel::dsl::exists(active)).get_result(conn).await
}

/// Whether this user has signed in from this address before. Ended sessions are kept for a month for this.
pub async fn has_signed_in_from(conn: &mut AsyncPgConnection, name: &str, address: &str) -> QueryResult<bool> {
    let before = sessions::table
        .inner_join(users::table)
        .filter(users::name_key.eq(name_key(name)).and(sessions::address.eq(address)));
    diesel::select(diesel::dsl::exists(before)).get_result(conn).await
}

/// Returns the open sessions of a user, the last used one first.
pub async fn list(conn: &mut AsyncPgConnection, user: &UserSession, idle: TimeDelta) -> QueryResult<Vec<Session>> {
    let rows: Vec<SessionRow> = SessionRow::query()
        .filter(sessions::user_id.eq(user.user_id).and(is_open(idle)))
        .order(sessions::last_used_at.desc())
        .load(conn)
        .await?;
    let session = |row: SessionRow| Session {
        id: row.id,
        current: row.id == user.session_id,
        address: row.address,
        user_agent: row.user_agent,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(session).collect())
}

/// Ends one session of a user. Returns whether it was open.
pub async fn end(conn: &mut AsyncPgConnection, user_id: i64, id: i64) -> QueryResult<bool> {
    let session = sessions::table.find(id).filter(sessions::user_id.eq(user_id).and(sessions::expires_at.gt(now)));
    Ok(diesel::update(session).set(sessions::expires_at.eq(now)).execute(conn).await? > 0)
}

/// Ends all sessions of a user except `keep`.
pub async fn end_all(conn: &mut AsyncPgConnection, user_id: i64, keep: Option<i64>) -> QueryResult<()> {
    let open = sessions::user_id
        .eq(user_id)
        .and(sessions::expires_at.gt(now))
        .and(sessions::id.nullable().is_distinct_from(keep));
    diesel::update(sessions::table.filter(open)).set(sessions::expires_at.eq(now)).execute(conn).await.map(drop)
}
