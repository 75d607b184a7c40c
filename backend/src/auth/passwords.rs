//! Passwords: Argon2id, and how often one may be wrong.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString, rand_core::OsRng},
};
use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Text, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use tokio::sync::Semaphore;

use crate::{
    config::AccessConfig,
    http::{ApiError, ApiResult},
};

/// Hashes made at the same time: each takes 19 MiB and some 30 ms of a core.
const AT_ONCE: usize = 2;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes and compares hashes, with the defaults of the crate, which are OWASP's: Argon2id, 19 MiB, 2 passes.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    /// Of no password: compared where there is no account, which takes as long as if there were.
    nobody: String,
}

impl Passwords {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { places: Arc::new(Semaphore::new(AT_ONCE)), nobody: hash(&super::secrets::new_token())? })
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: String) -> ApiResult<String> {
        self.turn(move || hash(&password)).await
    }

    /// Whether `password` is the one that was hashed. Takes the same time where `known` is absent.
    pub async fn verify(&self, password: String, known: Option<String>) -> ApiResult<bool> {
        let exists = known.is_some();
        let known = known.unwrap_or_else(|| self.nobody.clone());
        let right = self.turn(move || {
            let known = PasswordHash::new(&known).map_err(|error| anyhow::anyhow!("a hash cannot be read: {error}"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &known).is_ok())
        });
        Ok(right.await? && exists)
    }

    async fn turn<T: Send + 'static>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> ApiResult<T> {
        let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned());
        let Ok(Ok(place)) = waiting.await else {
            return Err(ApiError::TooManyRequests { what: "people are signing in at this moment", wait_seconds: 5 });
        };
        let worked = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        worked.await.map_err(|error| ApiError::Internal(error.into()))?.map_err(ApiError::Internal)
    }
}

/// The PHC string of a password.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("a password cannot be hashed: {error}"))?.to_string())
}

/// How long the next guess waits after so many wrong ones: it doubles, from a second to the longest, in seconds.
struct Pauses {
    free: i32,
    longest: i32,
}

/// A guess that is under way: it counts as wrong until it is right.
pub struct Guess {
    keys: Vec<String>,
}

impl Guess {
    /// Takes a turn for a guess at the password of the account `name_key` from `address`, before the password is looked
    /// at: any number of guesses at once are counted, all of them. `known_here` says that the owner has signed in from
    /// there before: such addresses are counted apart, so that who guesses cannot keep the owner out.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] while earlier ones keep it waiting; then nothing is counted.
    pub async fn begin(
        conn: &mut AsyncPgConnection,
        config: &AccessConfig,
        name_key: &str,
        address: &str,
        known_here: bool,
    ) -> ApiResult<Self> {
        let (for_account, for_address) = (
            Pauses { free: config.sign_in_account_tries, longest: config.sign_in_account_pause_seconds },
            Pauses { free: config.sign_in_address_tries, longest: config.sign_in_address_pause_seconds },
        );
        let account =
            if known_here { format!("account {name_key} at {address}") } else { format!("account {name_key}") };
        let pairs = [(format!("address {address}"), for_address), (account, for_account)];
        let waiting = conn
            .transaction(async |conn| {
                for (key, pauses) in &pairs {
                    if let Some(until) = count(conn, key, pauses).await? {
                        return Err(Held::Waits(until));
                    }
                }
                Ok(())
            })
            .await;
        match waiting {
            Ok(()) => Ok(Self { keys: pairs.into_iter().map(|(key, _)| key).collect() }),
            Err(Held::Waits(seconds)) => {
                Err(ApiError::TooManyRequests { what: "passwords were wrong", wait_seconds: seconds })
            }
            Err(Held::Failed(error)) => Err(error.into()),
        }
    }

    /// The password was right: the account's count begins anew. That of the address does not, or who has an account of
    /// their own could guess at others' without end.
    pub async fn succeed(self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let (address, account) = (&self.keys[0], &self.keys[1]);
        diesel::sql_query(
            "UPDATE sign_in_failures SET failures = greatest(failures - 1, 0), blocked_until = now() WHERE key = $1",
        )
        .bind::<Text, _>(address)
        .execute(conn)
        .await?;
        diesel::sql_query("DELETE FROM sign_in_failures WHERE key = $1").bind::<Text, _>(account).execute(conn).await?;
        Ok(())
    }
}

enum Held {
    Waits(u64),
    Failed(diesel::result::Error),
}

impl From<diesel::result::Error> for Held {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

#[derive(QueryableByName)]
struct Until {
    #[diesel(sql_type = Timestamptz)]
    blocked_until: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

/// Counts one more wrong password. Gives the seconds to wait, uncounted, where it is too soon for another.
async fn count(conn: &mut AsyncPgConnection, key: &str, pauses: &Pauses) -> QueryResult<Option<u64>> {
    let counted = diesel::sql_query(format!(
        "INSERT INTO sign_in_failures AS f (key, failures, last_at, blocked_until) VALUES ($1, 1, now(), now()) \
         ON CONFLICT (key) DO UPDATE SET last_at = now(), \
             failures = CASE WHEN f.last_at < now() - interval '1 day' THEN 1 ELSE f.failures + 1 END, \
             blocked_until = CASE WHEN f.last_at < now() - interval '1 day' OR f.failures + 1 < {free} THEN now() \
                 ELSE now() + make_interval(secs => least({longest}, 2 ^ least(f.failures + 1 - {free}, 20))) END \
         WHERE f.blocked_until <= now()",
        free = pauses.free,
        longest = pauses.longest,
    ))
    .bind::<Text, _>(key)
    .execute(conn)
    .await?;
    if counted > 0 {
        return Ok(None);
    }
    let row: Until = diesel::sql_query("SELECT blocked_until, now() AS now FROM sign_in_failures WHERE key = $1")
        .bind::<Text, _>(key)
        .get_result(conn)
        .await?;
    let wait = (row.blocked_until - row.now).to_std().unwrap_or_default();
    Ok(Some(wait.as_secs() + 1))
}
