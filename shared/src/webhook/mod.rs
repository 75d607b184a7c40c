//! Webhooks: signed messages to other systems when a person or the API changes a product, or when an import ends.
//!
//! | route, under `/api/v1` | request | response |
//! |---|---|---|
//! | `GET /webhooks` | | [`WebhookList`] |
//! | `POST /webhooks` | [`WebhookInput`] | 201 [`NewWebhook`], with the secret, only here |
//! | `GET /webhooks/{id}` | | [`Webhook`] |
//! | `PATCH /webhooks/{id}` | [`WebhookChange`] | [`Webhook`] |
//! | `DELETE /webhooks/{id}` | | 204; its deliveries are deleted, too |
//! | `POST /webhooks/{id}/rotate` | | [`RotatedSecret`], with the new secret, only here |
//! | `POST /webhooks/{id}/test` | [`TestRequest`] | [`DeliveryDetail`] of the one attempt, which has ended |
//! | `POST /webhooks/{id}/replay` | [`ReplayRequest`] | [`ReplayOutcome`] |
//! | `GET /webhooks/deliveries` | query `webhook`, `status`, `kind`, `since`, `before`, `limit` (1 to 200, 50) | [`DeliveryPage`], newest first |
//! | `GET /webhooks/deliveries/{id}` | | [`DeliveryDetail`] |
//! | `POST /webhooks/deliveries/{id}/redeliver` | | [`Delivery`], pending again, with the same `event_id` |
//! | `GET /webhooks/events` | | Server-Sent Events named `delivery`: [`Delivery`] after each attempt; no replay |
//!
//! A URL that must not be called is refused with 422 `invalid` and the field `url`; so are an empty or unknown choice of
//! events (`events`) and a description that is too long (`description`).
//!
//! All enums are open: a client decodes a value that it does not know as `Unknown`.

mod delivery;
mod event;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::problem::FieldError;

pub use self::{
    delivery::{
        Attempt, AttemptError, Delivery, DeliveryDetail, DeliveryPage, DeliveryStatus, Header, MAX_LOGGED_ATTEMPTS,
        Timings,
    },
    event::WebhookEvent,
};

/// Upper limit of the URL of a webhook, in bytes.
pub const MAX_URL_BYTES: usize = 2_000;
/// Upper limit of the description of a webhook, in characters.
pub const MAX_WEBHOOK_DESCRIPTION_CHARS: usize = 200;
/// Upper limit of the webhooks of an installation.
pub const MAX_WEBHOOKS: i64 = 100;

/// Why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// By a person or the API.
    Manual,
    /// The receiver answered 410: it asks for no further messages.
    Gone,
    /// All attempts failed for five days.
    Failing,
    /// A reason of a newer version.
    #[serde(other)]
    Unknown,
}

impl DisabledReason {
    /// Returns the name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

/// A receiver, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    pub id: i64,
    /// Normalized by the WHATWG URL algorithm.
    pub url: String,
    /// For users; may be empty.
    pub description: String,
    /// What it reports.
    pub events: Vec<WebhookEvent>,
    /// While disabled, it gets no new messages, and pending deliveries wait.
    pub enabled: bool,
    /// Set while it is disabled.
    pub disabled_reason: Option<DisabledReason>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// Until then messages are signed with the previous secret as well.
    pub old_secret_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub health: WebhookHealth,
}

/// Recent results of a receiver, without tests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookHealth {
    /// Attempts in the last 24 hours.
    pub attempts: i64,
    /// Attempts among them that the receiver accepted (2xx); divided by `attempts`, the success rate.
    pub succeeded: i64,
    /// 95th percentile of the duration of attempts in the last 24 hours, in milliseconds; absent where there were none.
    pub p95_ms: Option<i64>,
    /// Deliveries that wait for an attempt, the first one or a retry.
    pub pending: i64,
    /// Time of the first failure since the last success; absent where the last attempt succeeded.
    pub failing_since: Option<DateTime<Utc>>,
    /// The last 50 deliveries that were attempted, oldest first.
    pub recent: Vec<RecentDelivery>,
}

/// One bar in the health chart of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecentDelivery {
    pub id: i64,
    /// `pending` here means: failed so far, and to be retried.
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

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    /// `http` or `https`, at most 2,000 bytes, without user name and password. Its host must have public addresses only.
    pub url: String,
    /// At most 200 characters.
    #[serde(default)]
    pub description: String,
    /// At least one. `webhook.test` cannot be chosen.
    pub events: Vec<WebhookEvent>,
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

impl WebhookInput {
    /// Returns the errors by field, without looking up the host.
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
        if self.events.contains(&WebhookEvent::Unknown) {
            let known = WebhookEvent::SUBSCRIBABLE.map(WebhookEvent::as_str).join(", ");
            errors.push(error("events", format!("contains an unknown event; known are {known}")));
        }
        errors
    }
}

/// A change of a webhook. Absent fields stay as they are.
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
    /// Returns `webhook` with the change applied.
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

/// A new webhook and its secret, which is not shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewWebhook {
    pub webhook: Webhook,
    /// `whsec_` and 32 random bytes in base64: the form that libraries for Standard Webhooks accept.
    pub secret: String,
}

/// The new secret, which is not shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotatedSecret {
    pub secret: String,
    /// Until then, for 24 hours, messages are signed with the previous secret as well.
    pub old_secret_until: DateTime<Utc>,
}

/// Options of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TestRequest {
    /// Event of the sample message; `webhook.test` where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<WebhookEvent>,
}

/// Which failed deliveries to send again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Deliveries created at this time or later.
    pub since: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplayOutcome {
    /// Number of deliveries that are pending again.
    pub deliveries: i64,
}

#[cfg(test)]
mod tests {
    use super::{
        AttemptError::{Connect, Dns, Forbidden, Http, Timeout},
        *,
    };

    #[test]
    fn names_in_the_database_are_those_of_json() {
        let json = |value: serde_json::Result<serde_json::Value>| value.expect("serialises");
        for event in WebhookEvent::all().chain([WebhookEvent::Unknown]) {
            assert_eq!(json(serde_json::to_value(event)), event.as_str());
        }
        for reason in [DisabledReason::Manual, DisabledReason::Gone, DisabledReason::Failing, DisabledReason::Unknown] {
            assert_eq!(json(serde_json::to_value(reason)), reason.as_str());
        }
        for status in
            [DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed, DeliveryStatus::Unknown]
        {
            assert_eq!(json(serde_json::to_value(status)), status.as_str());
        }
        for error in [Dns, Connect, Timeout, Http, Forbidden, AttemptError::Unknown] {
            assert_eq!(json(serde_json::to_value(error)), error.as_str());
        }
    }

    #[test]
    fn values_of_a_newer_version_are_decoded_as_unknown() {
        fn read<T: serde::de::DeserializeOwned>() -> T {
            serde_json::from_value("from.the.future".into()).expect("an open enum")
        }
        assert_eq!(read::<WebhookEvent>(), WebhookEvent::Unknown);
        assert_eq!(read::<DisabledReason>(), DisabledReason::Unknown);
        assert_eq!(read::<DeliveryStatus>(), DeliveryStatus::Unknown);
        assert_eq!(read::<AttemptError>(), AttemptError::Unknown);
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
        assert_eq!(fields(WebhookInput { events: vec![WebhookEvent::Test], ..good.clone() }), ["events"]);
        assert_eq!(fields(WebhookInput { events: vec![WebhookEvent::Unknown], ..good }), ["events"]);
    }
}
