//! Sessions of users, in their browsers.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::{InnerJoin, now},
    prelude::*,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::auth::{Session, name_key};

use crate::{
    auth::{principal::UserSession, secrets},
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

/// Starts a session. Returns the token for the cookie.
pub async fn start(
    conn: &mut AsyncPgConnection,
    user_id: i64,
    address: &str,
    user_agent: &str,
    hours: u32,
) -> QueryResult<String> {
    let token = secrets::new_token();
    conn.transaction(async |conn| {
        let signed_in = users::signed_in_at.eq(now);
        diesel::update(users::table.find(user_id)).set(signed_in).execute(conn).await?;
        let user_agent = user_agent.chars().filter(|char| !char.is_control()).take(MAX_USER_AGENT_CHARS);
        diesel::insert_into(sessions::table)
            .values((
                sessions::token_hash.eq(secrets::hash(&token)),
                sessions::user_id.eq(user_id),
                sessions::address.eq(address),
                sessions::user_agent.eq(user_agent.collect::<String>()),
                sessions::expires_at.eq(Utc::now() + TimeDelta::hours(hours.into())),
            ))
            .execute(conn)
            .await
    })
    .await?;
    Ok(token)
}

/// Returns the active session with this token, and records that it was used.
pub async fn authenticate(
    conn: &mut AsyncPgConnection,
    token: &str,
    idle: TimeDelta,
) -> QueryResult<Option<UserSession>> {
    let found = ActiveRow::query()
        .filter(sessions::token_hash.eq(secrets::hash(token)).and(sessions::expires_at.gt(now)).and(users::enabled))
        .first(conn)
        .await;
    let Some(ActiveRow { session_id, last_used_at, expires_at, user_id, name, role }) = db::optional(found)? else {
        return Ok(None);
    };
    let at = Utc::now();
    if at - last_used_at > idle {
        return Ok(None);
    }
    if at - last_used_at > TimeDelta::minutes(1) {
        diesel::update(sessions::table.find(session_id)).set(sessions::last_used_at.eq(now)).execute(conn).await?;
    }
    let idle_until = (at + idle).min(expires_at);
    Ok(Some(UserSession { user_id, name, role: db::parse_enum(&role), session_id, idle_until, expires_at }))
}

/// Whether a session is active. Does not count as use.
pub async fn is_active(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let active = sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(id).and(sessions::expires_at.gt(now)).and(users::enabled));
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
pub async fn list(conn: &mut AsyncPgConnection, user: &UserSession) -> QueryResult<Vec<Session>> {
    let rows: Vec<SessionRow> = SessionRow::query()
        .filter(sessions::user_id.eq(user.user_id).and(sessions::expires_at.gt(now)))
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
