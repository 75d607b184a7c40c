//! API keys, by which programs authenticate.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::now, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::auth::{ApiKey, KeyInput, Scope};

use crate::{auth::secrets, db, schema::api_keys};

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
            scopes: row.scopes.iter().map(|scope| db::parse_enum(scope)).collect(),
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Returns all keys, newest first.
pub async fn list(conn: &mut AsyncPgConnection) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = KeyRow::query().order(api_keys::id.desc()).load(conn).await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Stores a key that [`secrets::new_key`] returned.
pub async fn insert(
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
            api_keys::prefix.eq(secrets::prefix(key)),
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

/// Revokes a key. Returns whether it existed.
pub async fn delete(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    Ok(diesel::delete(api_keys::table.find(id)).execute(conn).await? > 0)
}

/// Returns the valid key with this secret, and records that it was used.
pub async fn authenticate(conn: &mut AsyncPgConnection, key: &str) -> QueryResult<Option<ApiKey>> {
    let found = KeyRow::query().filter(api_keys::key_hash.eq(secrets::hash(key)).and(is_valid())).first(conn).await;
    let Some(row) = db::optional(found)? else { return Ok(None) };
    if row.last_used_at.is_none_or(|used| Utc::now() - used > TimeDelta::minutes(1)) {
        diesel::update(api_keys::table.find(row.id)).set(api_keys::last_used_at.eq(now)).execute(conn).await?;
    }
    Ok(Some(row.into()))
}

/// Whether a key is valid. Does not count as use.
pub async fn is_active(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(api_keys::table.filter(api_keys::id.eq(id).and(is_valid()))))
        .get_result(conn)
        .await
}

#[diesel::dsl::auto_type]
fn is_valid() -> _ {
    let does_not_expire: diesel::dsl::IsNull<api_keys::expires_at> = api_keys::expires_at.is_null();
    let expires_later: diesel::dsl::Gt<api_keys::expires_at, now> = api_keys::expires_at.gt(now);
    does_not_expire.or(expires_later).assume_not_null()
}
