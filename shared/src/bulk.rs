//! Changes of many products at once, and the news of changes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{job::JobStatus, search::ProductFilter};

/// Most products that one request may name one by one.
pub const MAX_NAMED: usize = 1_000;

/// What to do with many products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    Activate,
    Deactivate,
    Delete,
}

impl BulkAction {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
        }
    }
}

/// Which products, and what to do with them: either `ids` or `filter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    pub action: BulkAction,
    /// 1 to 1,000 products, done at once, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// All products that match: done piece by piece, as a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<ProductFilter>,
}

/// What a request that named its products has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkOutcome {
    /// Products that are now other than before; the rest were so already, or are not there.
    pub changed: i64,
}

/// A change of all products that match a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkJob {
    pub id: i64,
    pub action: BulkAction,
    pub filter: ProductFilter,
    pub status: JobStatus,
    /// Products that matched when it began.
    pub total: i64,
    /// Products that are dealt with.
    pub done: i64,
    /// Products that are now other than before.
    pub changed: i64,
    /// Why it failed, or what it waits for.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Jobs, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkJobList {
    /// At most 50.
    pub items: Vec<BulkJob>,
}

/// Deleted products that are wanted back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// 1 to 1,000 products.
    pub ids: Vec<i64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreOutcome {
    /// These are back, with the same ids.
    pub restored: Vec<i64>,
    /// These are not: another product has their SKU now, or they were deleted too long ago.
    pub lost: Vec<i64>,
}

/// What deleting the whole catalogue has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeletedAll {
    pub deleted: i64,
}

/// Sent as event `changed` of `/products/events` when somebody has changed products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogueNews {
    /// How many products, or absent where nobody counted.
    pub count: Option<i64>,
    /// Which, where they are at most 100.
    pub ids: Vec<i64>,
    /// The `X-Client-Id` of the request, so that a client knows its own changes.
    pub client: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_database_are_those_of_json() {
        for action in [BulkAction::Activate, BulkAction::Deactivate, BulkAction::Delete] {
            assert_eq!(serde_json::to_value(action).expect("serialises"), action.as_str());
        }
    }
}
