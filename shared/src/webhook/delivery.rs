//! Deliveries, and the log of their attempts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::WebhookEvent;

/// Attempts in a [`DeliveryDetail`]: the newest ones.
pub const MAX_LOGGED_ATTEMPTS: i64 = 50;

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Waits for its first attempt, or for a retry.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// All attempts are used up, or it was a test.
    Failed,
    /// A status of a newer version.
    #[serde(other)]
    Unknown,
}

impl DeliveryStatus {
    /// Returns the name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an attempt got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AttemptError {
    /// The host has no address, or the name server did not answer.
    #[serde(rename = "E_DNS")]
    Dns,
    /// No TCP connection, or no TLS on it.
    #[serde(rename = "E_CONNECT")]
    Connect,
    /// The deadline passed.
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    /// The response was not HTTP, or ended early.
    #[serde(rename = "E_HTTP")]
    Http,
    /// The URL or an address of its host must not be called.
    #[serde(rename = "E_FORBIDDEN")]
    Forbidden,
    /// An error of a newer version.
    #[serde(rename = "E_UNKNOWN", other)]
    Unknown,
}

impl AttemptError {
    /// Returns the name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "E_DNS",
            Self::Connect => "E_CONNECT",
            Self::Timeout => "E_TIMEOUT",
            Self::Http => "E_HTTP",
            Self::Forbidden => "E_FORBIDDEN",
            Self::Unknown => "E_UNKNOWN",
        }
    }
}

/// One message to one webhook.
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
    /// Status of the response to the last attempt, if there was one.
    pub last_code: Option<u16>,
    /// Why there was no response.
    pub last_error: Option<AttemptError>,
    /// Of the last attempt, in milliseconds.
    pub last_duration_ms: Option<i64>,
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// Earliest time of the next attempt. Absent when there will be none, and while the webhook is disabled.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Pending, and the webhook is disabled: the next attempt is made after the webhook is enabled.
    pub paused: bool,
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

/// A delivery with its message and its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryDetail {
    pub delivery: Delivery,
    /// Current URL of the webhook; earlier attempts may have used another one.
    pub url: String,
    /// The body of every request, exactly as it was signed.
    pub payload: String,
    /// The newest 50 attempts, oldest first.
    pub log: Vec<Attempt>,
}

/// One attempt: the request and its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// 1, 2, 3 …; a number is missing where a worker was killed during the attempt.
    pub no: i64,
    pub at: DateTime<Utc>,
    pub url: String,
    /// Address that responded.
    pub address: Option<String>,
    pub code: Option<u16>,
    pub error: Option<AttemptError>,
    /// What happened, for users, where it is not a success.
    pub message: Option<String>,
    /// Total, in milliseconds.
    pub duration_ms: i64,
    pub timings: Timings,
    pub request_headers: Vec<Header>,
    pub response_headers: Vec<Header>,
    /// The first 16 KiB; bytes that are not UTF-8 are replaced by U+FFFD.
    pub response_body: Option<String>,
    /// Whether the body was longer than what is stored.
    pub truncated: bool,
}

/// Parts of the duration, in microseconds. Absent for what did not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timings {
    /// DNS lookup; absent where the host is an address.
    pub dns_us: Option<i64>,
    /// TCP and TLS; absent where an open connection was used.
    pub connect_us: Option<i64>,
    /// From the connection to the head of the response.
    pub first_byte_us: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Header {
    pub name: String,
    pub value: String,
}
