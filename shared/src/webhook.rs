//! Webhooks: other systems that are told when a person changes a product.
//!
//! | route, under `/api/v1` | takes | gives |
//! |---|---|---|
//! | `GET /webhooks` | | [`WebhookList`] |
//! | `POST /webhooks` | [`WebhookInput`] | 201 [`NewWebhook`], with the secret, this once |
//! | `GET /webhooks/{id}` | | [`Webhook`] |
//! | `PATCH /webhooks/{id}` | [`WebhookChange`] | [`Webhook`] |
//! | `DELETE /webhooks/{id}` | | 204; its deliveries go with it |
//! | `POST /webhooks/{id}/rotate` | | [`RotatedSecret`], with the new secret, this once |
//! | `POST /webhooks/{id}/test` | [`TestRequest`] | [`DeliveryDetail`] of the one attempt that was made on the spot |
//! | `POST /webhooks/{id}/replay` | [`ReplayRequest`] | [`ReplayOutcome`] |
//! | `GET /webhooks/deliveries` | query `webhook`, `status`, `kind`, `since`, `before`, `limit` (1 to 200, 50) | [`DeliveryPage`], newest first |
//! | `GET /webhooks/deliveries/{id}` | | [`DeliveryDetail`] |
//! | `POST /webhooks/deliveries/{id}/redeliver` | | [`Delivery`], pending again, with the same `event_id` |
//! | `GET /webhooks/events` | | Server-Sent Events named `delivery`: [`Delivery`] after each attempt; no replay |
//!
//! A URL that may not be called is refused with 422 `invalid` and the field `url`; so are an empty or unknown choice of
//! events (`events`) and a description that is too long (`description`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::problem::FieldError;

/// Longest URL of a webhook, in bytes.
pub const MAX_URL_BYTES: usize = 2_000;
/// Longest description of a webhook, in characters.
pub const MAX_WEBHOOK_DESCRIPTION_CHARS: usize = 200;
/// Most webhooks of an installation.
pub const MAX_WEBHOOKS: i64 = 100;

/// What a webhook is told of; the `type` of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WebhookEvent {
    #[serde(rename = "product.created")]
    ProductCreated,
    #[serde(rename = "product.updated")]
    ProductUpdated,
    #[serde(rename = "product.deleted")]
    ProductDeleted,
    #[serde(rename = "import.completed")]
    ImportCompleted,
    #[serde(rename = "import.failed")]
    ImportFailed,
    /// Sent by *Send test* only; nobody subscribes to it.
    #[serde(rename = "webhook.test")]
    Test,
}

impl WebhookEvent {
    /// The word that stands in JSON, in the database and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProductCreated => "product.created",
            Self::ProductUpdated => "product.updated",
            Self::ProductDeleted => "product.deleted",
            Self::ImportCompleted => "import.completed",
            Self::ImportFailed => "import.failed",
            Self::Test => "webhook.test",
        }
    }

    /// What a webhook can ask for.
    pub const CHOICES: [Self; 5] =
        [Self::ProductCreated, Self::ProductUpdated, Self::ProductDeleted, Self::ImportCompleted, Self::ImportFailed];
}

/// Why a webhook is not called any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// A person switched it off.
    ByHand,
    /// The receiver answered 410: it does not want to be called.
    Gone,
    /// Nothing but failures for five days.
    Failing,
}

impl DisabledReason {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by_hand",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// A receiver, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    pub id: i64,
    /// As the parser of the WHATWG writes it.
    pub url: String,
    /// For people; empty where there is none.
    pub description: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// While it is not, nothing new is written for it, and what is pending waits.
    pub enabled: bool,
    /// Set while it is not enabled.
    pub disabled_reason: Option<DisabledReason>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// Until then messages are signed with the secret before the last rotation as well.
    pub old_secret_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub health: WebhookHealth,
}

/// How a receiver has been doing. Tests do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookHealth {
    /// Attempts of the last 24 hours.
    pub attempts: i64,
    /// Those of them that the receiver took (2xx); divided by `attempts`, the success rate.
    pub succeeded: i64,
    /// 95 % of the attempts of the last 24 hours took at most so long, in milliseconds; absent where there were none.
    pub p95_ms: Option<i64>,
    /// Deliveries that wait for an attempt, the first or another.
    pub pending: i64,
    /// Time of the first failure since anything was taken; absent where the last attempt succeeded.
    pub failing_since: Option<DateTime<Utc>>,
    /// The last 50 deliveries that were attempted, oldest first.
    pub recent: Vec<RecentDelivery>,
}

/// One bar of the chart of a webhook's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecentDelivery {
    pub id: i64,
    /// `pending` here means: failed so far, and tried again.
    pub status: DeliveryStatus,
    /// Of the last attempt, in milliseconds.
    pub duration_ms: i64,
    /// Of the last attempt.
    pub at: DateTime<Utc>,
}

/// All webhooks, by id. There are at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookList {
    pub items: Vec<Webhook>,
}

/// A webhook to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    /// `http` or `https`, at most 2,000 bytes, without user name and password; its host must have public addresses only.
    pub url: String,
    /// At most 200 characters.
    #[serde(default)]
    pub description: String,
    /// At least one; `webhook.test` is none that can be chosen.
    pub events: Vec<WebhookEvent>,
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

impl WebhookInput {
    /// What is wrong with it, field by field, as far as can be told without asking where the host is.
    pub fn check(&self) -> Vec<FieldError> {
        let error = |field: &str, message: String| FieldError { field: field.into(), message };
        let mut errors = Vec::new();
        let lower = self.url.trim().to_ascii_lowercase();
        if lower.is_empty() {
            errors.push(error("url", "is missing".into()));
        } else if !lower.starts_with("http://") && !lower.starts_with("https://") {
            errors.push(error("url", "must begin with https:// or http://".into()));
        } else if self.url.len() > MAX_URL_BYTES {
            errors.push(error("url", format!("has {} bytes; at most {MAX_URL_BYTES} are allowed", self.url.len())));
        }
        let chars = self.description.chars().count();
        if chars > MAX_WEBHOOK_DESCRIPTION_CHARS {
            let max = MAX_WEBHOOK_DESCRIPTION_CHARS;
            errors.push(error("description", format!("has {chars} characters; at most {max} are allowed")));
        }
        if self.description.contains('\0') {
            errors.push(error("description", "contains a NUL character, which cannot be stored".into()));
        }
        if self.events.is_empty() {
            errors.push(error("events", "choose at least one".into()));
        }
        if self.events.contains(&WebhookEvent::Test) {
            errors.push(error("events", "webhook.test cannot be chosen; it is sent by a test".into()));
        }
        errors
    }
}

/// What is to change of a webhook. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct WebhookChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<WebhookEvent>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl WebhookChange {
    /// `webhook` as it will be.
    #[must_use]
    pub fn apply(self, webhook: WebhookInput) -> WebhookInput {
        WebhookInput {
            url: self.url.unwrap_or(webhook.url),
            description: self.description.unwrap_or(webhook.description),
            events: self.events.unwrap_or(webhook.events),
            enabled: self.enabled.unwrap_or(webhook.enabled),
        }
    }
}

/// A webhook that was just made, and its secret, which is not shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewWebhook {
    pub webhook: Webhook,
    /// `whsec_` and 32 random bytes in base64: what a verifier of Standard Webhooks takes.
    pub secret: String,
}

/// The secret that signs from now on. It is not shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotatedSecret {
    pub secret: String,
    /// Until then the secret before signs as well: 24 hours.
    pub old_secret_until: DateTime<Utc>,
}

/// What a test should send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TestRequest {
    /// A made-up message of this kind; `webhook.test` where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<WebhookEvent>,
}

/// Which failed deliveries should be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Those made at this moment or later.
    pub since: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplayOutcome {
    /// Deliveries that are pending again.
    pub deliveries: i64,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Waits for its first attempt, or for another.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// All attempts are used up, or it was a test.
    Failed,
}

impl DeliveryStatus {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What became of an attempt that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AttemptError {
    /// The host has no address, or the name server did not answer.
    #[serde(rename = "E_DNS")]
    Dns,
    /// No connection, or no TLS on it.
    #[serde(rename = "E_CONNECT")]
    Connect,
    /// The deadline over all of it passed.
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    /// What came was not HTTP, or ended too early.
    #[serde(rename = "E_HTTP")]
    Http,
    /// The URL or an address of its host may not be called.
    #[serde(rename = "E_FORBIDDEN")]
    Forbidden,
}

impl AttemptError {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "E_DNS",
            Self::Connect => "E_CONNECT",
            Self::Timeout => "E_TIMEOUT",
            Self::Http => "E_HTTP",
            Self::Forbidden => "E_FORBIDDEN",
        }
    }
}

/// One message on its way to one webhook: a line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    pub id: i64,
    pub webhook_id: i64,
    /// `webhook-id` of the message: the same for all webhooks and on every attempt.
    pub event_id: String,
    pub kind: WebhookEvent,
    pub status: DeliveryStatus,
    /// Sent by *Send test*.
    pub test: bool,
    /// Attempts that have ended.
    pub attempts: i64,
    /// Answer to the last attempt, if there was one.
    pub last_code: Option<u16>,
    /// Why there was none.
    pub last_error: Option<AttemptError>,
    /// Of the last attempt, in milliseconds.
    pub last_duration_ms: Option<i64>,
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// While it is pending: not before this moment.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// One page of deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryPage {
    pub items: Vec<Delivery>,
    /// `before` of the page that follows; absent on the last page.
    pub next: Option<i64>,
}

/// A delivery with its message and all of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryDetail {
    pub delivery: Delivery,
    /// Where the webhook is now; an earlier attempt may have gone elsewhere.
    pub url: String,
    /// The body of every request, byte by byte what was signed.
    pub payload: String,
    /// Oldest first.
    pub log: Vec<Attempt>,
}

/// One attempt, as it went over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// 1, 2, 3 ...; a number is missing where a worker died in the middle.
    pub no: i64,
    pub at: DateTime<Utc>,
    pub url: String,
    /// The one address that was called.
    pub address: Option<String>,
    pub code: Option<u16>,
    pub error: Option<AttemptError>,
    /// What happened, for a person, where it is not a success.
    pub message: Option<String>,
    /// All of it, in milliseconds.
    pub duration_ms: i64,
    pub timings: Timings,
    pub request_headers: Vec<Header>,
    pub response_headers: Vec<Header>,
    /// The first 16 KiB; what is not UTF-8 is replaced by U+FFFD.
    pub response_body: Option<String>,
    /// The answer was longer than what is kept of it.
    pub truncated: bool,
}

/// Parts of the duration, in microseconds. What did not happen is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timings {
    /// The name server's answer; absent where the host is an address.
    pub dns_us: Option<i64>,
    /// TCP and TLS; absent where a connection was still open.
    pub connect_us: Option<i64>,
    /// From the request to the head of the answer.
    pub first_byte_us: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::{
        AttemptError::{Connect, Dns, Forbidden, Http, Timeout},
        *,
    };

    #[test]
    fn the_words_of_the_database_are_those_of_json() {
        let json = |value: serde_json::Result<serde_json::Value>| value.expect("serialises");
        for kind in WebhookEvent::CHOICES.into_iter().chain([WebhookEvent::Test]) {
            assert_eq!(json(serde_json::to_value(kind)), kind.as_str());
        }
        for reason in [DisabledReason::ByHand, DisabledReason::Gone, DisabledReason::Failing] {
            assert_eq!(json(serde_json::to_value(reason)), reason.as_str());
        }
        for status in [DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed] {
            assert_eq!(json(serde_json::to_value(status)), status.as_str());
        }
        for error in [Dns, Connect, Timeout, Http, Forbidden] {
            assert_eq!(json(serde_json::to_value(error)), error.as_str());
        }
    }

    #[test]
    fn a_webhook_is_checked_field_by_field() {
        let good = WebhookInput {
            url: "HTTPS://example.com/hook".into(),
            description: String::new(),
            events: vec![WebhookEvent::ProductUpdated],
            enabled: true,
        };
        assert_eq!(good.check(), []);
        let fields = |input: WebhookInput| input.check().into_iter().map(|error| error.field).collect::<Vec<_>>();
        assert_eq!(fields(WebhookInput { url: "ftp://x".into(), events: vec![], ..good.clone() }), ["url", "events"]);
        assert_eq!(fields(WebhookInput { description: "ä".repeat(201), ..good.clone() }), ["description"]);
        assert_eq!(fields(WebhookInput { events: vec![WebhookEvent::Test], ..good }), ["events"]);
    }
}
