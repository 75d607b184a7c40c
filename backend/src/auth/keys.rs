//! API keys, by which programs authenticate. A key ends with its owner.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::now,
    prelude::*,
    sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::auth::{ApiKey, KeyInput, Role, Scope};

use crate::{
    auth::{
        principal::{KeyPrincipal, Principal},
        secrets,
    },
    db,
    schema::api_keys,
};

/// All keys with their owners, and whether they are valid.
const SELECT: &str = "\
SELECT k.id, k.name, k.prefix, k.scopes, k.owner, k.user_id, k.created_at, k.expires_at, k.last_used_at, \
    u.name AS user_name, u.role AS user_role, \
    (k.expires_at IS NULL OR k.expires_at > now()) \
    AND CASE k.owner WHEN 'user' THEN u.enabled WHEN 'open_mode' THEN NOT EXISTS (SELECT FROM users) ELSE true END \
        AS active \
FROM api_keys k LEFT JOIN users u ON u.id = k.user_id";

/// Who a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    User(i64),
    /// The operator, who has a shell and the credentials of the database.
    Shell,
    /// Any program on this machine. Ends when the first user is created.
    OpenMode,
}

impl Owner {
    /// Returns the owner of the keys that a principal creates: of a key, its own owner.
    pub fn of(principal: &Principal) -> Self {
        match principal {
            Principal::User(user) => Self::User(user.user_id),
            Principal::Key(key) => key.owner,
            Principal::Anonymous | Principal::LocalTrusted => Self::OpenMode,
        }
    }

    const fn columns(self) -> (&'static str, Option<i64>) {
        match self {
            Self::User(id) => ("user", Some(id)),
            Self::Shell => ("shell", None),
            Self::OpenMode => ("open_mode", None),
        }
    }
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    prefix: String,
    #[diesel(sql_type = Array<Text>)]
    scopes: Vec<String>,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    user_id: Option<i64>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_used_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    user_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_role: Option<String>,
    #[diesel(sql_type = Bool)]
    active: bool,
}

impl KeyRow {
    fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().map(|scope| Scope::parse(scope)).collect()
    }

    fn owner(&self) -> Owner {
        match (self.user_id, self.owner.as_str()) {
            (Some(id), _) => Owner::User(id),
            (None, "shell") => Owner::Shell,
            (None, _) => Owner::OpenMode,
        }
    }
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        let owner = match row.owner() {
            Owner::User(_) => row.user_name.clone().unwrap_or_default(),
            Owner::Shell => "shell".into(),
            Owner::OpenMode => "local".into(),
        };
        Self {
            id: row.id,
            scopes: row.scopes(),
            name: row.name,
            prefix: row.prefix,
            owner,
            active: row.active,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Returns all keys, newest first.
pub async fn list(conn: &mut AsyncPgConnection) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = diesel::sql_query(format!("{SELECT} ORDER BY k.id DESC")).load(conn).await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Stores a key that [`secrets::new_key`] returned.
pub async fn insert(conn: &mut AsyncPgConnection, key: &str, input: &KeyInput, owner: Owner) -> QueryResult<ApiKey> {
    let expires_at = input.expires_in_days.map(|days| Utc::now() + TimeDelta::days(days.into()));
    let scopes: Vec<_> =
        Scope::ALL.into_iter().filter(|scope| input.scopes.contains(scope)).map(Scope::as_str).collect();
    let (owner, user_id) = owner.columns();
    let id: i64 = diesel::insert_into(api_keys::table)
        .values((
            api_keys::name.eq(input.name.trim()),
            api_keys::prefix.eq(secrets::prefix(key)),
            api_keys::key_hash.eq(secrets::hash(key)),
            api_keys::scopes.eq(scopes),
            api_keys::owner.eq(owner),
            api_keys::user_id.eq(user_id),
            api_keys::expires_at.eq(expires_at),
        ))
        .returning(api_keys::id)
        .get_result(conn)
        .await?;
    let row: KeyRow =
        diesel::sql_query(format!("{SELECT} WHERE k.id = $1")).bind::<BigInt, _>(id).get_result(conn).await?;
    Ok(row.into())
}

/// Revokes a key. Returns whether it existed.
pub async fn delete(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    Ok(diesel::delete(api_keys::table.find(id)).execute(conn).await? > 0)
}

/// Deletes the keys that were created in open mode, which end with it.
pub async fn delete_open_mode_keys(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let of_open_mode = api_keys::table.filter(api_keys::owner.eq(Owner::OpenMode.columns().0));
    diesel::delete(of_open_mode).execute(conn).await.map(drop)
}

/// Returns the principal of a valid key, and records that the key was used.
pub async fn authenticate(conn: &mut AsyncPgConnection, key: &str) -> QueryResult<Option<KeyPrincipal>> {
    let query = diesel::sql_query(format!("{SELECT} WHERE k.key_hash = $1")).bind::<Binary, _>(secrets::hash(key));
    let found: Option<KeyRow> = db::optional(db::prepared(query).get_result(conn).await)?;
    let Some(row) = found.filter(|row| row.active) else { return Ok(None) };
    if row.last_used_at.is_none_or(|used| Utc::now() - used > TimeDelta::minutes(1)) {
        diesel::update(api_keys::table.find(row.id)).set(api_keys::last_used_at.eq(now)).execute(conn).await?;
    }
    let (scopes, owner) = (row.scopes(), row.owner());
    let owner_role = row.user_role.as_deref().map(Role::parse);
    Ok(Some(KeyPrincipal { id: row.id, name: row.name, scopes, owner, owner_role }))
}

/// Whether a key is valid. Does not count as use.
pub async fn is_active(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let query = diesel::sql_query(format!("{SELECT} WHERE k.id = $1")).bind::<BigInt, _>(id);
    let found: Option<KeyRow> = db::optional(db::prepared(query).get_result(conn).await)?;
    Ok(found.is_some_and(|row| row.active))
}
