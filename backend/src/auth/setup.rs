//! The first user, and the links by which it can be created.

use chrono::{TimeDelta, Utc};
use diesel::{dsl::now, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::auth::Role;

use crate::{
    auth::{
        keys, secrets,
        users::{self, UserRow},
    },
    schema::setup_links,
};

/// For how long a setup link is valid.
const LINK_LIFETIME_HOURS: i64 = 24;

/// Creates the first user, an admin, and ends open mode: invalidates every setup link, and the keys
/// that were created in it. Returns `None` if there is a user already.
pub async fn insert_first_user(
    conn: &mut AsyncPgConnection,
    name: &str,
    password_hash: &str,
) -> QueryResult<Option<UserRow>> {
    conn.transaction(async |conn| {
        users::lock(conn).await?;
        if users::exist(conn).await? {
            return Ok(None);
        }
        diesel::delete(setup_links::table).execute(conn).await?;
        keys::delete_open_mode_keys(conn).await?;
        users::insert(conn, name, Role::Admin, password_hash).await
    })
    .await
}

/// Stores a new link. Returns its token.
pub async fn new_link(conn: &mut AsyncPgConnection) -> QueryResult<String> {
    let token = secrets::new_token();
    diesel::insert_into(setup_links::table)
        .values((
            setup_links::token_hash.eq(secrets::hash(&token)),
            setup_links::expires_at.eq(Utc::now() + TimeDelta::hours(LINK_LIFETIME_HOURS)),
        ))
        .execute(conn)
        .await?;
    Ok(token)
}

/// Whether a link with this token is valid.
pub async fn is_valid_token(conn: &mut AsyncPgConnection, token: &str) -> QueryResult<bool> {
    let link = setup_links::table.find(secrets::hash(token)).filter(setup_links::expires_at.gt(now));
    diesel::select(diesel::dsl::exists(link)).get_result(conn).await
}
