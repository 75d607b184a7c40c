//! An import: one file, from its upload to the last of its rows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::JobStatus;

/// What a running import does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Fetches the file from its URL.
    Fetch,
    /// Reads the whole file once: counts its rows and finds the last row of each SKU.
    Scan,
    /// Writes the products.
    Load,
    /// A phase that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ImportPhase {
    /// The value in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Scan => "scan",
            Self::Load => "load",
            Self::Unknown => "unknown",
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
    /// Name shown in the history. Default: the last segment of the URL's path.
    pub file_name: Option<String>,
}

/// The result of an import, by row. `read` is the sum of the others: every row is accounted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Rows of the file that have been processed, without the header.
    pub read: i64,
    /// Rows that created a product.
    pub created: i64,
    /// Rows that changed an existing product.
    pub updated: i64,
    /// Rows equal to the product that was there already: nothing was written.
    pub unchanged: i64,
    /// Rows whose SKU appears again further down in the file; the last row of a SKU is imported.
    pub duplicates: i64,
    /// Rows that could not be imported; each is listed with its reason.
    pub rejected: i64,
}

impl Counts {
    /// Whether every row that was read is accounted for exactly once.
    pub const fn adds_up(&self) -> bool {
        self.read == self.created + self.updated + self.unchanged + self.duplicates + self.rejected
    }
}

/// One import and its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Import {
    pub id: i64,
    pub file_name: String,
    /// Size of the file in bytes. While the file is fetched: the size that its server announced; absent if it did not.
    pub size_bytes: Option<i64>,
    /// SHA-256 of the file in lower-case hexadecimal; absent until the file is fetched.
    pub sha256: Option<String>,
    pub status: JobStatus,
    /// Present while the import runs.
    pub phase: Option<ImportPhase>,
    /// Cancellation was requested; the import stops after the batches in progress.
    pub cancelling: bool,
    /// Rows in the file without the header; known after the scan.
    pub rows_total: Option<i64>,
    /// Bytes of the file that the scan has read.
    pub bytes_scanned: i64,
    pub counts: Counts,
    /// Number of the last event of this import (see `/events`).
    pub last_seq: i64,
    /// Why the import failed, or what it waits for.
    pub error: Option<String>,
    /// Time of the next attempt, if the import was interrupted and waits.
    #[serde(default)]
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// When the file was removed from storage (setting `FILE_RETENTION_DAYS`).
    pub file_removed_at: Option<DateTime<Utc>>,
    /// When the list of rejected rows and all events but the last one were removed (setting `IMPORT_DETAILS_RETENTION_DAYS`).
    #[serde(default)]
    pub details_removed_at: Option<DateTime<Utc>>,
    /// URL that the file was fetched from, without its query; absent if the file was uploaded.
    #[serde(default)]
    pub source_url: Option<String>,
    /// Bytes of the file that were fetched from that URL.
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
    TooManyAttributes,
    NulCharacter,
    InvalidUtf8,
    /// More fields than the header has, or the file ends inside the row.
    Ragged,
    /// A quote is opened and not closed; reading continues at the next line.
    UnclosedQuote,
    /// A closing quote is followed by more text; reading continues at the next line.
    TextAfterQuote,
    /// The record is larger than 1 MiB; reading continues at the next line.
    RecordTooLarge,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

impl RowErrorCode {
    /// Every reason that this version knows.
    pub const ALL: [Self; 10] = [
        Self::MissingSku,
        Self::MissingName,
        Self::TooLong,
        Self::TooManyAttributes,
        Self::NulCharacter,
        Self::InvalidUtf8,
        Self::Ragged,
        Self::UnclosedQuote,
        Self::TextAfterQuote,
        Self::RecordTooLarge,
    ];

    /// The value in JSON, in the database and in the CSV of rejected rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingSku => "missing_sku",
            Self::MissingName => "missing_name",
            Self::TooLong => "too_long",
            Self::TooManyAttributes => "too_many_attributes",
            Self::NulCharacter => "nul_character",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Ragged => "ragged",
            Self::UnclosedQuote => "unclosed_quote",
            Self::TextAfterQuote => "text_after_quote",
            Self::RecordTooLarge => "record_too_large",
            Self::Unknown => "unknown",
        }
    }
}

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectedRow {
    /// Row of the file, from 1; the header, blank rows and repetitions of the header do not count.
    pub row_no: i64,
    /// Line of the file on which the row starts, from 1; the header is on line 1. Quoted line breaks make it run ahead of the row.
    pub line: i64,
    /// Header of the invalid column, if the reason concerns one column.
    pub column: Option<String>,
    pub code: RowErrorCode,
    pub message: String,
    /// The row as in the file, truncated; bytes that are not UTF-8 are replaced by U+FFFD. Absent beyond the first 100,000
    /// rejected rows of an import.
    pub raw: Option<String>,
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
    fn as_str_is_the_serialized_value() {
        for phase in [ImportPhase::Fetch, ImportPhase::Scan, ImportPhase::Load, ImportPhase::Unknown] {
            assert_eq!(serde_json::to_value(phase).expect("serializes"), phase.as_str());
        }
        for code in RowErrorCode::ALL.into_iter().chain([RowErrorCode::Unknown]) {
            assert_eq!(serde_json::to_value(code).expect("serializes"), code.as_str());
        }
    }

    #[test]
    fn values_of_a_later_version_decode_as_unknown() {
        assert_eq!(serde_json::from_str::<ImportPhase>("\"plan\"").expect("decodes"), ImportPhase::Unknown);
        assert_eq!(serde_json::from_str::<RowErrorCode>("\"bad_price\"").expect("decodes"), RowErrorCode::Unknown);
    }

    #[test]
    fn a_row_that_is_not_accounted_for_is_noticed() {
        let mut counts = Counts { read: 15, created: 5, updated: 4, unchanged: 3, duplicates: 2, rejected: 1 };
        assert!(counts.adds_up());
        counts.read += 1;
        assert!(!counts.adds_up());
    }
}
