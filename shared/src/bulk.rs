//! Changes of many products at once, and events about changes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{job::JobStatus, search::ProductFilter};

/// Maximum number of ids in one request.
pub const MAX_IDS: usize = 1_000;

/// The change that is made to each product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    Activate,
    Deactivate,
    Delete,
    /// An action that this version does not know; cannot be requested.
    #[serde(other)]
    Unknown,
}

impl BulkAction {
    /// The actions that can be requested.
    pub const ALL: [Self; 3] = [Self::Activate, Self::Deactivate, Self::Delete];

    /// The value in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Unknown => "unknown",
        }
    }

    /// The action that reverts this one; `None` for deletions, which are restored by id.
    pub const fn reverse(self) -> Option<Self> {
        match self {
            Self::Activate => Some(Self::Deactivate),
            Self::Deactivate => Some(Self::Activate),
            Self::Delete | Self::Unknown => None,
        }
    }
}

/// The products, and the change that is made to them: either `ids`, or `filter`, or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    pub action: BulkAction,
    /// 1 to 1,000 products, changed in one transaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// All products that match, changed by a job in batches. An empty filter must be accompanied by `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<ProductFilter>,
    /// Confirms that every product is meant. Required if there are neither `ids` nor a condition in `filter`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// The number of products that are expected to match. If it differs, nothing is changed (409). Required with `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

/// The result of a change by ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkOutcome {
    /// Products that were changed. The others were in this state already, or do not exist.
    pub changed: i64,
}

/// A change of all products that match a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkJob {
    pub id: i64,
    pub action: BulkAction,
    pub filter: ProductFilter,
    /// The job whose changes this one reverts. Its products are those that the other job changed, regardless of `filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<i64>,
    pub status: JobStatus,
    /// Products that matched when the job was created.
    pub total: i64,
    /// Products that have been processed.
    pub done: i64,
    /// Products that have been changed.
    pub changed: i64,
    /// Why the job failed, or what it waits for.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl BulkJob {
    /// Whether `POST /products/jobs/{id}/undo` can revert what the job has done.
    pub const fn can_be_undone(&self) -> bool {
        self.status.is_final() && self.changed > 0 && self.action.reverse().is_some()
    }
}

/// Jobs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkJobList {
    /// At most 50.
    pub items: Vec<BulkJob>,
}

/// Deleted products to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// 1 to 1,000 products.
    pub ids: Vec<i64>,
}

/// The result of restoring deleted products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreOutcome {
    /// Products that exist again, with the same ids.
    pub restored: Vec<i64>,
    /// Products that could not be restored: their SKU now belongs to another product, or they were deleted more than an hour
    /// ago.
    pub lost: Vec<i64>,
}

/// The result of deleting all products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeletedAll {
    pub deleted: i64,
}

/// Sent as event `changed` of `/products/events` when products have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogueChange {
    /// Number of changed products; absent if it is not known.
    pub count: Option<i64>,
    /// Ids of the changed products, if they are at most 100.
    pub ids: Vec<i64>,
    /// The `X-Client-Id` of the request, so that a client recognizes its own changes.
    pub client: Option<String>,
}

impl CatalogueChange {
    /// A change of an unknown number of products.
    pub const fn uncounted(client: Option<String>) -> Self {
        Self { count: None, ids: Vec::new(), client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_values_equal_json() {
        for action in BulkAction::ALL.into_iter().chain([BulkAction::Unknown]) {
            assert_eq!(serde_json::to_value(action).expect("serialises"), action.as_str());
        }
        assert_eq!(serde_json::from_str::<BulkAction>("\"rename\"").expect("decodes"), BulkAction::Unknown);
    }
}
