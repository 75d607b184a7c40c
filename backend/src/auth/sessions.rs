//! Sessions of people, in their browsers.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::{InnerJoin, now},
    prelude::*,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::auth::{Session, name_key};

use crate::{
    auth::{caller::PersonCaller, secrets},
    db,
    schema::{people, sessions},
};

/// Characters of a `User-Agent` that are kept.
const MAX_AGENT_CHARS: usize = 200;

/// A session that has not ended, and whose it is.
#[derive(HasQuery)]
#[diesel(base_query = sessions::table.inner_join(people::table), base_query_type = InnerJoin<sessions::table, people::table>)]
struct OpenRow {
    #[diesel(select_expression = sessions::id)]
    session_id: i64,
    #[diesel(select_expression = sessions::last_used_at)]
    used_at: DateTime<Utc>,
    #[diesel(select_expression = sessions::expires_at)]
    expires_at: DateTime<Utc>,
    #[diesel(select_expression = people::id)]
    id: i64,
    #[diesel(select_expression = people::name)]
    name: String,
    #[diesel(select_expression = people::role)]
    role: String,
}

#[derive(HasQuery)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: i64,
    address: String,
    agent: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Begins a session. Gives the token for the cookie.
pub async fn begin(
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
pub async fn find(conn: &mut AsyncPgConnection, token: &str, idle: TimeDelta) -> QueryResult<Option<PersonCaller>> {
    let found = OpenRow::query()
        .filter(sessions::token_hash.eq(secrets::hash(token)).and(sessions::expires_at.gt(now)).and(people::enabled))
        .first(conn)
        .await;
    let Some(OpenRow { session_id, used_at, expires_at, id, name, role }) = db::optional(found)? else {
        return Ok(None);
    };
    let at = Utc::now();
    if at - used_at > idle {
        return Ok(None);
    }
    if at - used_at > TimeDelta::minutes(1) {
        diesel::update(sessions::table.find(session_id)).set(sessions::last_used_at.eq(now)).execute(conn).await?;
    }
    let idle_until = (at + idle).min(expires_at);
    Ok(Some(PersonCaller { id, name, role: db::parse_enum(&role), session_id, idle_until, expires_at }))
}

/// Whether a session still opens something; asking is not using it.
pub async fn lives(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
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

pub async fn list(conn: &mut AsyncPgConnection, person: &PersonCaller) -> QueryResult<Vec<Session>> {
    let rows: Vec<SessionRow> = SessionRow::query()
        .filter(sessions::person_id.eq(person.id).and(sessions::expires_at.gt(now)))
        .order(sessions::last_used_at.desc())
        .load(conn)
        .await?;
    let session = |row: SessionRow| Session {
        id: row.id,
        current: row.id == person.session_id,
        address: row.address,
        agent: row.agent,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(session).collect())
}

/// Ends one session of a person. Gives whether it was there.
pub async fn end(conn: &mut AsyncPgConnection, person_id: i64, id: i64) -> QueryResult<bool> {
    let of_person =
        sessions::table.find(id).filter(sessions::person_id.eq(person_id).and(sessions::expires_at.gt(now)));
    Ok(diesel::update(of_person).set(sessions::expires_at.eq(now)).execute(conn).await? > 0)
}

/// Ends all sessions of a person, but `keep`.
pub async fn end_all(conn: &mut AsyncPgConnection, person_id: i64, keep: Option<i64>) -> QueryResult<()> {
    let open = sessions::table.filter(
        sessions::person_id.eq(person_id).and(sessions::expires_at.gt(now)).and(sessions::id.ne(keep.unwrap_or(0))),
    );
    diesel::update(open).set(sessions::expires_at.eq(now)).execute(conn).await.map(drop)
}
