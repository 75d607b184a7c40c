//! What webhooks report.

use serde::{Deserialize, Serialize};

/// What a webhook reports; the `type` of a message.
///
/// To add an event, extend this enum, its constants and its functions, and the messages of the backend; the page and the
/// OpenAPI document follow from them.
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
    /// Sent by *Send test* only; cannot be subscribed to.
    #[serde(rename = "webhook.test")]
    Test,
    /// An event of a newer version.
    #[serde(rename = "unknown", other)]
    Unknown,
}

impl WebhookEvent {
    /// The events that a webhook can subscribe to.
    pub const SUBSCRIBABLE: [Self; 5] =
        [Self::ProductCreated, Self::ProductUpdated, Self::ProductDeleted, Self::ImportCompleted, Self::ImportFailed];

    /// The events of a new webhook, until its user chooses others.
    pub const DEFAULT: [Self; 3] = [Self::ProductCreated, Self::ProductUpdated, Self::ProductDeleted];

    /// Returns every event that is sent, and [`Self::Test`] last.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::SUBSCRIBABLE.into_iter().chain([Self::Test])
    }

    /// Returns the name in JSON, in the database and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProductCreated => "product.created",
            Self::ProductUpdated => "product.updated",
            Self::ProductDeleted => "product.deleted",
            Self::ImportCompleted => "import.completed",
            Self::ImportFailed => "import.failed",
            Self::Test => "webhook.test",
            Self::Unknown => "unknown",
        }
    }

    /// Returns what has happened when this is sent.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ProductCreated => "A product was added by a person or the API",
            Self::ProductUpdated => "A product was changed by a person or the API",
            Self::ProductDeleted => "A product was deleted by a person or the API",
            Self::ImportCompleted => "An import was completed, with its result",
            Self::ImportFailed => "An import failed, with the reason",
            Self::Test => "A test was sent from the webhook's page or the API",
            Self::Unknown => "An event of a newer version of Loadify",
        }
    }
}
