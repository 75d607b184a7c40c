//! An import: one file on its way into the catalogue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where an import stands. The last three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl ImportStatus {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing will happen to this import any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a running import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Gets the file from its URL.
    Fetch,
    /// Reads the whole file once, to know its number of rows and the last row of each SKU.
    Survey,
    /// Writes the products.
    Load,
}

impl ImportPhase {
    /// The word that stands in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Survey => "survey",
            Self::Load => "load",
        }
    }
}

/// A file to fetch and import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportFromUrl {
    /// `https://` or `http://`, in a public network, readable without signing in.
    pub url: String,
    /// For the history; the last part of the URL unless it is given.
    pub file_name: Option<String>,
}

/// The balance sheet: what became of the rows that were read. `read` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Rows of the file that are dealt with, without the header.
    pub read: i64,
    /// Rows that made a new product.
    pub created: i64,
    /// Rows that changed an existing product.
    pub updated: i64,
    /// Rows whose product already was as the row says: nothing was written.
    pub unchanged: i64,
    /// Rows that are followed by another row with the same SKU; the last one counts.
    pub repeated: i64,
    /// Rows that could not be imported; each is listed with its reason.
    pub rejected: i64,
}

impl Counts {
    /// Whether each row that was read is accounted for, once.
    pub const fn adds_up(&self) -> bool {
        self.read == self.created + self.updated + self.unchanged + self.repeated + self.rejected
    }
}

/// One import and its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Import {
    pub id: i64,
    pub file_name: String,
    /// Size of the file, in bytes; while it is fetched, what its server says, or 0.
    pub size_bytes: i64,
    /// SHA-256 of the file, in lower-case hexadecimal; empty until it is fetched.
    pub sha256: String,
    pub status: ImportStatus,
    /// Set while it runs.
    pub phase: Option<ImportPhase>,
    /// A person asked for it to stop; it does after the batches in hand.
    pub cancelling: bool,
    /// Rows in the file without the header; known once the survey is through.
    pub rows_total: Option<i64>,
    /// Bytes of the file that the survey has read.
    pub bytes_surveyed: i64,
    pub counts: Counts,
    /// Number of the last event of this import (see `/events`).
    pub last_seq: i64,
    /// Why it failed, or what it waits for.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// When the file was removed from storage, some weeks after the end.
    pub file_removed_at: Option<DateTime<Utc>>,
    /// Where the file was fetched from, if it was not uploaded; without the query.
    #[serde(default)]
    pub source_url: Option<String>,
    /// Bytes of the file that have come from there.
    #[serde(default)]
    pub bytes_fetched: i64,
}

/// One page of imports, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportPage {
    pub items: Vec<Import>,
    /// `before` of the page that follows; absent on the last page.
    pub next: Option<i64>,
}

/// Why a row was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RowErrorCode {
    MissingSku,
    MissingName,
    TooLong,
    NulCharacter,
    InvalidUtf8,
    /// More or fewer fields than the header has.
    Ragged,
    /// A quote is opened and never closed; reading goes on at the next line.
    UnclosedQuote,
    /// A record larger than the reader takes; reading goes on at the next line.
    RecordTooLarge,
}

impl RowErrorCode {
    /// The word that stands in JSON, in the database and in the CSV of rejected rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingSku => "missing_sku",
            Self::MissingName => "missing_name",
            Self::TooLong => "too_long",
            Self::NulCharacter => "nul_character",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Ragged => "ragged",
            Self::UnclosedQuote => "unclosed_quote",
            Self::RecordTooLarge => "record_too_large",
        }
    }
}

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectedRow {
    /// Row of the file, from 1; the header does not count.
    pub row_no: i64,
    /// Line of the file on which the row starts, from 1; the header is line 1. Quoted newlines make it run ahead of the row.
    pub line: i64,
    /// Header of the column at fault, where one is.
    pub column: Option<String>,
    pub code: RowErrorCode,
    pub message: String,
    /// The row as it stands in the file, shortened; what is not UTF-8 is replaced by U+FFFD.
    pub raw: String,
}

/// One page of rejected rows, in file order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectedPage {
    pub items: Vec<RejectedRow>,
    /// `after` of the page that follows; absent on the last page.
    pub next: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_database_are_those_of_json() {
        for status in [
            ImportStatus::Queued,
            ImportStatus::Running,
            ImportStatus::Completed,
            ImportStatus::Failed,
            ImportStatus::Cancelled,
        ] {
            assert_eq!(serde_json::to_value(status).expect("serialises"), status.as_str());
        }
        for phase in [ImportPhase::Fetch, ImportPhase::Survey, ImportPhase::Load] {
            assert_eq!(serde_json::to_value(phase).expect("serialises"), phase.as_str());
        }
    }

    #[test]
    fn a_row_that_is_missing_from_the_balance_is_noticed() {
        let mut counts = Counts { read: 15, created: 5, updated: 4, unchanged: 3, repeated: 2, rejected: 1 };
        assert!(counts.adds_up());
        counts.read += 1;
        assert!(!counts.adds_up());
    }
}
