//! Reading, creating and changing webhooks.

use chrono::{DateTime, Utc};
use diesel::{dsl::now, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::webhook::{DeliveryStatus, DisabledReason, Webhook, WebhookEvent, WebhookHealth, WebhookInput};

use crate::{
    db,
    schema::{webhook_deliveries, webhooks},
};

/// A row of `webhooks`.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = webhooks)]
pub struct WebhookRow {
    pub id: i64,
    pub url: String,
    pub description: String,
    events: Vec<String>,
    pub secret: String,
    pub old_secret: Option<String>,
    pub old_secret_until: Option<DateTime<Utc>>,
    pub enabled: bool,
    disabled_reason: Option<String>,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl WebhookRow {
    /// Returns the webhook with its health.
    pub fn with(self, health: WebhookHealth) -> Webhook {
        Webhook {
            id: self.id,
            url: self.url,
            description: self.description,
            events: self.events.iter().map(|event| db::parse_enum(event)).collect(),
            enabled: self.enabled,
            disabled_reason: self.disabled_reason.as_deref().map(db::parse_enum::<DisabledReason>),
            disabled_at: self.disabled_at,
            old_secret_until: self.old_secret_until.filter(|until| *until > Utc::now()),
            created_at: self.created_at,
            updated_at: self.updated_at,
            health,
        }
    }

    /// Returns what a client can change. Events of a newer version are left out; [`update`] keeps them.
    pub fn input(&self) -> WebhookInput {
        WebhookInput {
            url: self.url.clone(),
            description: self.description.clone(),
            events: self
                .events
                .iter()
                .map(|event| db::parse_enum(event))
                .filter(|event| *event != WebhookEvent::Unknown)
                .collect(),
            enabled: self.enabled,
        }
    }
}

/// Returns all webhooks, by id.
pub async fn list(conn: &mut AsyncPgConnection) -> QueryResult<Vec<WebhookRow>> {
    WebhookRow::query().order(webhooks::id).load(conn).await
}

/// Returns whether any enabled webhook subscribes to `event`. Saves the work of building messages for no subscriber; which
/// deliveries are written is decided by [`super::fan_out`].
pub async fn has_subscriber(conn: &mut AsyncPgConnection, event: WebhookEvent) -> QueryResult<bool> {
    let subscribers = webhooks::table.filter(webhooks::enabled.and(webhooks::events.contains(vec![event.as_str()])));
    diesel::select(diesel::dsl::exists(subscribers)).get_result(conn).await
}

/// Returns the number of webhooks. Until the caller's transaction ends, no other one is inserted.
pub async fn count_locked(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    conn.batch_execute("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE").await?;
    webhooks::table.count().get_result(conn).await
}

pub async fn get(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<WebhookRow>> {
    db::optional(WebhookRow::query().filter(webhooks::id.eq(id)).first(conn).await)
}

/// Returns a webhook and locks it until the caller's transaction ends.
pub async fn lock(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<WebhookRow>> {
    db::optional(WebhookRow::query().filter(webhooks::id.eq(id)).for_no_key_update().first(conn).await)
}

pub async fn insert(conn: &mut AsyncPgConnection, new: &WebhookInput, secret: &str) -> QueryResult<WebhookRow> {
    let disabled = (!new.enabled).then_some(DisabledReason::Manual.as_str());
    diesel::insert_into(webhooks::table)
        .values((
            webhooks::url.eq(&new.url),
            webhooks::description.eq(&new.description),
            webhooks::events.eq(names(&new.events)),
            webhooks::secret.eq(secret),
            webhooks::enabled.eq(new.enabled),
            webhooks::disabled_reason.eq(disabled),
            webhooks::disabled_at.eq(disabled.map(|_| Utc::now())),
        ))
        .returning(WebhookRow::as_returning())
        .get_result(conn)
        .await
}

fn names(events: &[WebhookEvent]) -> Vec<&'static str> {
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    events.into_iter().map(WebhookEvent::as_str).collect()
}

/// Changes a webhook that the caller has locked. Once it is enabled, its pending deliveries are attempted.
pub async fn update(
    conn: &mut AsyncPgConnection,
    before: &WebhookRow,
    input: &WebhookInput,
) -> QueryResult<WebhookRow> {
    let target = webhooks::table.find(before.id);
    let events = (input.events != before.input().events).then(|| webhooks::events.eq(names(&input.events)));
    if input.enabled && !before.enabled {
        diesel::update(target)
            .set((
                webhooks::enabled.eq(true),
                webhooks::disabled_reason.eq(None::<String>),
                webhooks::disabled_at.eq(None::<DateTime<Utc>>),
                webhooks::enabled_at.eq(now),
            ))
            .execute(conn)
            .await?;
    } else if !input.enabled && before.enabled {
        diesel::update(target)
            .set((
                webhooks::enabled.eq(false),
                webhooks::disabled_reason.eq(DisabledReason::Manual.as_str()),
                webhooks::disabled_at.eq(now),
            ))
            .execute(conn)
            .await?;
    }
    diesel::update(target)
        .set((
            webhooks::url.eq(&input.url),
            webhooks::description.eq(&input.description),
            events,
            webhooks::updated_at.eq(now),
        ))
        .returning(WebhookRow::as_returning())
        .get_result(conn)
        .await
}

/// Deletes a webhook with its deliveries and attempts. Returns whether it existed.
pub async fn delete(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    Ok(diesel::delete(webhooks::table.find(id)).execute(conn).await? > 0)
}

/// Replaces the secret. The previous one signs as well until the time that is returned; `None` where there is no such
/// webhook.
pub async fn rotate(conn: &mut AsyncPgConnection, id: i64, secret: &str) -> QueryResult<Option<DateTime<Utc>>> {
    let until =
        diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>>("now() + interval '24 hours'");
    let rotated = diesel::update(webhooks::table.find(id))
        .set((
            webhooks::old_secret.eq(webhooks::secret.nullable()),
            webhooks::secret.eq(secret),
            webhooks::old_secret_until.eq(until),
            webhooks::updated_at.eq(now),
        ))
        .returning(webhooks::old_secret_until.assume_not_null())
        .get_result(conn)
        .await;
    db::optional(rotated)
}

/// Returns how many deliveries to enabled webhooks are due, for the metrics. What a worker has leased is not due.
pub async fn due_count(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    webhook_deliveries::table
        .inner_join(webhooks::table)
        .filter(webhook_deliveries::status.eq(DeliveryStatus::Pending.as_str()))
        .filter(webhook_deliveries::wake_at.le(now).and(webhooks::enabled))
        .count()
        .get_result(conn)
        .await
}
