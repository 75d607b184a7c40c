//! Background jobs: imports, and changes of many products.

use serde::{Deserialize, Serialize};

/// Status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// No worker has claimed it yet.
    Queued,
    /// A worker has claimed it; it may be between two workers, or wait for its next attempt.
    Running,
    Completed,
    Failed,
    Cancelled,
    /// A status that this version does not know.
    #[serde(other)]
    Unknown,
}

impl JobStatus {
    /// The value in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the job has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_str_is_the_serialized_value() {
        use JobStatus::{Cancelled, Completed, Failed, Queued, Running, Unknown};
        for status in [Queued, Running, Completed, Failed, Cancelled, Unknown] {
            assert_eq!(serde_json::to_value(status).expect("serializes"), status.as_str());
        }
    }

    #[test]
    fn an_unknown_status_is_not_an_error() {
        assert_eq!(serde_json::from_str::<JobStatus>("\"paused\"").expect("decodes"), JobStatus::Unknown);
    }
}
