//! What the browser hears while an import goes on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::import::{Counts, Import, ImportPhase, ImportStatus};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The file is stored; a worker will take it.
    Queued,
    /// A worker has taken it for the first time.
    Started,
    /// A worker has taken it up again, after a pause, a shutdown or a crash.
    Resumed,
    /// The file has come from its URL, and is stored.
    Fetched,
    /// The survey is through: `rows_total` is known.
    Surveyed,
    /// The figures moved, or the worker says that it is alive.
    Progress,
    /// A worker let go of it, for the reason in `error`; it will be taken up again.
    Interrupted,
    /// A person asked for it to stop.
    Cancelling,
    Completed,
    Failed,
    Cancelled,
}

impl EventKind {
    /// The word that stands in JSON, in the database and in the `event` field of the stream.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Resumed => "resumed",
            Self::Fetched => "fetched",
            Self::Surveyed => "surveyed",
            Self::Progress => "progress",
            Self::Interrupted => "interrupted",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Every kind, in the order in which an import usually meets them.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Started,
        Self::Resumed,
        Self::Fetched,
        Self::Surveyed,
        Self::Progress,
        Self::Interrupted,
        Self::Cancelling,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];
}

/// One numbered event of an import. It carries the whole state, so the newest one is enough to draw the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportEvent {
    /// 1, 2, 3 ... without a gap; also the `id` field of the stream.
    pub seq: i64,
    pub kind: EventKind,
    pub at: DateTime<Utc>,
    pub status: ImportStatus,
    pub phase: Option<ImportPhase>,
    pub rows_total: Option<i64>,
    /// As in [`Import`]; absent in events of earlier versions.
    #[serde(default)]
    pub size_bytes: i64,
    /// As in [`Import`].
    #[serde(default)]
    pub bytes_fetched: i64,
    pub bytes_surveyed: i64,
    pub counts: Counts,
    pub error: Option<String>,
}

/// Sent first on every connection, without a number, under the name `state`: the import as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportState {
    /// The server's clock, to which the times of the events belong.
    pub now: DateTime<Utc>,
    pub import: Import,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_stream_are_those_of_json() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("serialises"), kind.as_str());
        }
    }
}
