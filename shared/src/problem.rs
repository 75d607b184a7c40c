//! Errors in HTTP responses: problem details (RFC 9457).

use serde::{Deserialize, Serialize};

/// A stable code for what went wrong. Programs may branch on it; texts may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be read: bad JSON, a parameter of the wrong kind.
    BadRequest,
    /// The request is not authenticated, or its session or key has ended: sign in, or send a valid key.
    Unauthenticated,
    /// The role of the user, or the scopes of the key, do not allow it.
    Forbidden,
    /// A page of another site sent the request, or it does not show that it comes from a page of this site.
    CrossSite,
    /// Too many requests, or sign-ins that failed; try again after `Retry-After` seconds.
    TooManyRequests,
    NotFound,
    MethodNotAllowed,
    /// The state of the object does not allow it, for example cancelling an import that has ended.
    Conflict,
    /// Another product has this SKU; `product` says which.
    SkuTaken,
    /// `If-Match` is missing: send the version that you know.
    PreconditionRequired,
    /// The product has changed in the meantime: get it again.
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    /// Fields are not valid; `errors` lists them.
    Invalid,
    /// The file has no data.
    EmptyFile,
    /// The file is not text in UTF-8.
    NotText,
    /// The first line of the file does not name a `sku` column.
    NoSkuColumn,
    /// The first line of the file does not name a `name` column.
    NoNameColumn,
    /// The first line of the file names a column twice.
    RepeatedColumn,
    /// The first line of the file is too long, or has an open quote, so it is not a header.
    NoHeader,
    /// The header has too many columns, or a name that is too long.
    HeaderTooLarge,
    /// The upload ended before it was complete.
    UploadIncomplete,
    /// The request does not use tus 1.0.0: `Tus-Resumable` is missing, or names another version.
    UnsupportedVersion,
    /// The bytes are not those that the client meant to send.
    ChecksumMismatch,
    /// The object existed, and has expired.
    Gone,
    /// The files of this user in storage leave no room for another: cancel unfinished uploads, or wait.
    UserQuotaExceeded,
    /// All files in storage together leave no room for another.
    StorageQuotaExceeded,
    /// The disk of the file storage is almost full.
    DiskFull,
    /// A required component does not respond; try again after `Retry-After` seconds.
    Unavailable,
    Internal,
    /// A code that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// One field that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Name of the field or parameter.
    pub field: String,
    pub message: String,
}

/// Body of every response with a status of 400 or more, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` identifies the kind of problem (RFC 9457, section 4.2.1).
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    pub code: ErrorCode,
    /// What went wrong this time, and what to do.
    pub detail: String,
    /// The fields at fault, where `code` is `invalid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The product that has the SKU already, where `code` is `sku_taken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<i64>,
    /// Id of the request in the log, if `status` is 500 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
