//! Events of an import, as a client receives them while it runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    import::{Counts, Import, ImportPhase},
    job::JobStatus,
};

/// Kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The import was created, and waits for a worker.
    Queued,
    /// A worker claimed it for the first time.
    Started,
    /// A worker claimed it again, after a pause, a shutdown or a crash.
    Resumed,
    /// The file was fetched from its URL and stored.
    Fetched,
    /// The scan is finished: `rows_total` is known.
    Scanned,
    /// The figures changed, or the worker reports that it is alive.
    Progress,
    /// A worker released it, for the reason in `error`; it will be resumed.
    Interrupted,
    /// Cancellation was requested.
    Cancelling,
    /// The import had failed, and a user retries it from where it stopped.
    Retried,
    Completed,
    Failed,
    Cancelled,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl EventKind {
    /// The value in JSON, in the database and in the `event` field of the stream.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Resumed => "resumed",
            Self::Fetched => "fetched",
            Self::Scanned => "scanned",
            Self::Progress => "progress",
            Self::Interrupted => "interrupted",
            Self::Cancelling => "cancelling",
            Self::Retried => "retried",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Every known kind, in the usual order within an import.
    pub const ALL: [Self; 12] = [
        Self::Queued,
        Self::Started,
        Self::Resumed,
        Self::Fetched,
        Self::Scanned,
        Self::Progress,
        Self::Interrupted,
        Self::Cancelling,
        Self::Retried,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];
}

/// One numbered event of an import. It carries the whole state: the newest event is enough to show the import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportEvent {
    /// 1, 2, 3 ... without a gap; also the `id` field of the stream.
    pub seq: i64,
    pub kind: EventKind,
    pub at: DateTime<Utc>,
    pub status: JobStatus,
    pub phase: Option<ImportPhase>,
    pub rows_total: Option<i64>,
    /// As in [`Import`].
    pub size_bytes: Option<i64>,
    /// As in [`Import`].
    #[serde(default)]
    pub bytes_fetched: i64,
    pub bytes_scanned: i64,
    pub counts: Counts,
    pub error: Option<String>,
    /// As in [`Import`].
    #[serde(default)]
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// The first message of every connection, without a number, under the name `state`: the import as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportState {
    /// The server's clock, which the times of the events are based on.
    pub now: DateTime<Utc>,
    pub import: Import,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_str_is_the_serialized_value() {
        for kind in EventKind::ALL.into_iter().chain([EventKind::Unknown]) {
            assert_eq!(serde_json::to_value(kind).expect("serializes"), kind.as_str());
        }
    }

    #[test]
    fn an_unknown_kind_is_not_an_error() {
        assert_eq!(serde_json::from_str::<EventKind>("\"paused\"").expect("decodes"), EventKind::Unknown);
    }
}
