//! Passwords: Argon2id hashes, and back-off after failed sign-ins.

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
    config::AuthConfig,
    http::{ApiError, ApiResult},
};

/// Hashes computed at the same time: each takes 19 MiB and some 30 ms of a core.
const MAX_CONCURRENT_HASHES: usize = 2;
/// How long a sign-in waits for its turn.
const HASH_QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Computes and verifies hashes with the defaults of the crate, which OWASP recommends: Argon2id, 19 MiB, 2 passes.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Hash of no password: verified for unknown names, so that the response takes the same time.
    dummy_hash: String,
}

impl Passwords {
    pub fn new() -> anyhow::Result<Self> {
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES));
        Ok(Self { permits, dummy_hash: hash(&super::secrets::new_token())? })
    }

    /// Returns the PHC string of a new password.
    pub async fn hash(&self, password: String) -> ApiResult<String> {
        self.run_limited(move || hash(&password)).await
    }

    /// Whether `password` has this hash. Takes the same time if `known_hash` is `None`.
    pub async fn verify(&self, password: String, known_hash: Option<String>) -> ApiResult<bool> {
        let exists = known_hash.is_some();
        let known_hash = known_hash.unwrap_or_else(|| self.dummy_hash.clone());
        let matches = self.run_limited(move || {
            let parsed = PasswordHash::new(&known_hash)
                .map_err(|error| anyhow::anyhow!("a stored password hash is malformed: {error}"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        });
        Ok(matches.await? && exists)
    }

    async fn run_limited<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> ApiResult<T> {
        let waiting = tokio::time::timeout(HASH_QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(ApiError::TooManyRequests { what: "concurrent sign-ins", wait_seconds: 5 });
        };
        let finished = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        finished.await.map_err(|error| ApiError::Internal(error.into()))?.map_err(ApiError::Internal)
    }
}

/// Returns the PHC string of a password.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("a password cannot be hashed: {error}"))?.to_string())
}

/// Exponential back-off: after `free_attempts` failures each attempt waits twice as long, from 1 s to `max_wait_seconds`.
struct BackOff {
    free_attempts: i32,
    max_wait_seconds: i32,
}

/// A sign-in attempt in progress. It counts as failed until [`Attempt::succeed`].
pub struct Attempt {
    address_key: String,
    account_key: String,
}

impl Attempt {
    /// Counts an attempt for the account `name_key` from `network`, before the password is verified, so that concurrent
    /// attempts are all counted. `from_known_address` says that the owner has signed in from there before: such addresses are
    /// counted separately, so that an attacker elsewhere cannot lock the owner out.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] while earlier failures delay this attempt; then nothing is counted.
    pub async fn begin(
        conn: &mut AsyncPgConnection,
        config: &AuthConfig,
        name_key: &str,
        network: &str,
        from_known_address: bool,
    ) -> ApiResult<Self> {
        let of_account = BackOff {
            free_attempts: config.sign_in_account_tries,
            max_wait_seconds: config.sign_in_account_pause_seconds,
        };
        let of_address = BackOff {
            free_attempts: config.sign_in_address_tries,
            max_wait_seconds: config.sign_in_address_pause_seconds,
        };
        let address_key = format!("address {network}");
        let account_key =
            if from_known_address { format!("account {name_key} at {network}") } else { format!("account {name_key}") };
        let counted = conn
            .transaction(async |conn| {
                for (key, back_off) in [(&address_key, of_address), (&account_key, of_account)] {
                    if let Some(seconds) = count_failure(conn, key, &back_off).await? {
                        return Err(AttemptError::Wait { seconds });
                    }
                }
                Ok(())
            })
            .await;
        match counted {
            Ok(()) => Ok(Self { address_key, account_key }),
            Err(AttemptError::Wait { seconds }) => {
                Err(ApiError::TooManyRequests { what: "wrong passwords", wait_seconds: seconds })
            }
            Err(AttemptError::Database(error)) => Err(error.into()),
        }
    }

    /// Resets the count of the account. That of the address only loses this attempt, or an attacker with an account could
    /// reset it between guesses at the passwords of others.
    pub async fn succeed(self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        diesel::sql_query(
            "UPDATE sign_in_failures SET failures = greatest(failures - 1, 0), blocked_until = now() WHERE key = $1",
        )
        .bind::<Text, _>(&self.address_key)
        .execute(conn)
        .await?;
        let reset = diesel::sql_query("DELETE FROM sign_in_failures WHERE key = $1");
        reset.bind::<Text, _>(&self.account_key).execute(conn).await.map(drop)
    }
}

enum AttemptError {
    Wait { seconds: u64 },
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for AttemptError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

#[derive(QueryableByName)]
struct BlockedRow {
    #[diesel(sql_type = Timestamptz)]
    blocked_until: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

/// Counts one more failure, or returns the seconds to wait, without counting, if it is too early for another attempt.
async fn count_failure(conn: &mut AsyncPgConnection, key: &str, back_off: &BackOff) -> QueryResult<Option<u64>> {
    let counted = diesel::sql_query(format!(
        "INSERT INTO sign_in_failures AS f (key, failures, last_at, blocked_until) VALUES ($1, 1, now(), now()) \
         ON CONFLICT (key) DO UPDATE SET last_at = now(), \
             failures = CASE WHEN f.last_at < now() - interval '1 day' THEN 1 ELSE f.failures + 1 END, \
             blocked_until = CASE WHEN f.last_at < now() - interval '1 day' OR f.failures + 1 < {free} THEN now() \
                 ELSE now() + make_interval(secs => least({longest}, 2 ^ least(f.failures + 1 - {free}, 20))) END \
         WHERE f.blocked_until <= now()",
        free = back_off.free_attempts,
        longest = back_off.max_wait_seconds,
    ))
    .bind::<Text, _>(key)
    .execute(conn)
    .await?;
    if counted > 0 {
        return Ok(None);
    }
    let row: BlockedRow = diesel::sql_query("SELECT blocked_until, now() AS now FROM sign_in_failures WHERE key = $1")
        .bind::<Text, _>(key)
        .get_result(conn)
        .await?;
    let wait = (row.blocked_until - row.now).to_std().unwrap_or_default();
    Ok(Some(wait.as_secs() + 1))
}
