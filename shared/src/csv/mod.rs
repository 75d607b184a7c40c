//! Reading product files: the dialect, the header, the mapping of columns, and where records begin and end.
//!
//! Pure, and in this crate, because the browser and the server read the same way: the browser checks a file before it
//! sends half a gigabyte, the server checks it because not every client is a browser. Fields are parsed by csv-core on
//! both sides (on the server inside of csv-async); everything around that is here, and nothing here depends on how the
//! stream is split into chunks.

mod dialect;
mod header;
mod mapping;
mod splitter;

use serde::{Deserialize, Serialize};

use crate::problem::ErrorCode;

pub use dialect::Dialect;
pub use header::{HEAD_BYTES, MAX_COLUMNS, inspect};
pub use mapping::Mapping;
pub use splitter::{MAX_EXCERPT_BYTES, MAX_RECORD_BYTES, MalformedError, RecordSplitter, Split};

/// How to save a file so that it can be imported.
pub const UTF8_ADVICE: &str = "Save it as CSV in UTF-8: in Excel with Save As, CSV UTF-8 (Comma delimited); in LibreOffice with Save As, Text CSV, character set Unicode (UTF-8); in Google Sheets with File, Download, Comma-separated values.";

/// How a file is read. Stored with the import, so that each pass reads the file the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFormat {
    pub dialect: Dialect,
    pub mapping: Mapping,
}

/// Where a record begins in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1; the header, blank rows and repetitions of the header do not count.
    pub row_no: i64,
    /// From 1; the header is on line 1 unless blank lines precede it.
    pub line: i64,
}

/// Why a file cannot be imported at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FileError {
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl FileError {
    fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
