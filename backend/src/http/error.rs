//! Errors of handlers, sent as problem details (RFC 9457).
//!
//! A function that can fail in one way returns an error type of its own. [`ApiError`] is for handlers, with one variant per
//! meaning. Internal causes are logged once, here, and never sent.

use actix_web::{
    HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web,
};
use shared::{
    csv::FileError,
    problem::{ErrorCode, FieldError, Problem},
};

use crate::{
    db,
    storage::{ReserveError, StorageError},
    telemetry,
};

/// A status of the checksum extension of tus; HTTP has none for it.
const CHECKSUM_MISMATCH: u16 = 460;

pub type ApiResult<T> = Result<T, ApiError>;

/// The errors of handlers.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0} does not exist")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error(
        "the request seems to come from a page of another site; programs send a key as `Authorization: Bearer ldf_…`"
    )]
    CrossSite,
    #[error("too many {what}; try again in {wait_seconds} s")]
    TooManyRequests { what: &'static str, wait_seconds: u64 },
    #[error("some parameters are not valid")]
    Invalid(Vec<FieldError>),
    #[error("{0}")]
    BadRequest(String),
    #[error("the SKU {sku} belongs to product {id}, \"{name}\"; change that one, or choose another SKU")]
    SkuTaken { sku: String, id: i64, name: String },
    #[error("If-Match is missing; send the ETag of the version that you want to change")]
    PreconditionRequired,
    #[error(
        "the product was changed in the meantime and is at version {version}; get it and repeat the change on that version"
    )]
    PreconditionFailed { version: i64 },
    #[error("the header Tus-Resumable: 1.0.0 is missing; this is the supported version of tus")]
    TusVersion,
    #[error("{why}; the upload is at offset {offset}, continue from there")]
    OffsetConflict { offset: i64, why: &'static str },
    #[error("the body does not match the checksum that was sent with it and was discarded; send it again")]
    ChecksumMismatch,
    #[error("{0}")]
    Gone(String),
    #[error("no data was received for {seconds} seconds; {advice}")]
    Silent { seconds: u64, advice: &'static str },
    #[error("the method is not allowed; allowed are: {allow}")]
    MethodNotAllowed { allow: String },
    #[error("{0}")]
    UnsupportedMediaType(String),
    #[error("the body is larger than {max_bytes} bytes, the maximum of this operation")]
    TooLarge { max_bytes: u64 },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the connection ended after {received} bytes; send the file again")]
    UploadIncomplete { received: u64 },
    /// There is no room for a file; the code says why.
    #[error("{detail}")]
    InsufficientStorage { code: ErrorCode, detail: String },
    #[error("{0} is not available at the moment; nothing was changed, try again in a few seconds")]
    Unavailable(&'static str),
    #[error("an internal error occurred and was logged{}", by_id())]
    Internal(#[source] anyhow::Error),
}

/// The responses that every operation may have; added to the document of each.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "describes responses, is never made")]
pub enum ErrorResponses {
    /// The request is refused; `code` and `detail` say why
    #[response(status = "4XX", content_type = "application/problem+json")]
    ClientError(Problem),
    /// The server failed or is overloaded; nothing was changed
    #[response(status = "5XX", content_type = "application/problem+json")]
    ServerError(Problem),
}

impl ApiError {
    /// `kind` with this id does not exist.
    pub fn not_found(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("{kind} {id}"))
    }

    /// One parameter that is not valid.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Conflict(_) | Self::OffsetConflict { .. } => ErrorCode::Conflict,
            Self::Unauthenticated(_) => ErrorCode::Unauthenticated,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::CrossSite => ErrorCode::CrossSite,
            Self::TooManyRequests { .. } => ErrorCode::TooManyRequests,
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::SkuTaken { .. } => ErrorCode::SkuTaken,
            Self::PreconditionRequired => ErrorCode::PreconditionRequired,
            Self::PreconditionFailed { .. } => ErrorCode::PreconditionFailed,
            Self::TusVersion => ErrorCode::UnsupportedVersion,
            Self::ChecksumMismatch => ErrorCode::ChecksumMismatch,
            Self::Gone(_) => ErrorCode::Gone,
            Self::MethodNotAllowed { .. } => ErrorCode::MethodNotAllowed,
            Self::UnsupportedMediaType(_) => ErrorCode::UnsupportedMediaType,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::File(problem) => problem.code,
            Self::UploadIncomplete { .. } | Self::Silent { .. } => ErrorCode::UploadIncomplete,
            Self::InsufficientStorage { code, .. } => *code,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Returns the body of the response.
    pub fn problem(&self) -> Problem {
        let status = self.status_code();
        Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Checksum Mismatch").into(),
            status: status.as_u16(),
            code: self.code(),
            detail: sentence(&self.to_string()),
            errors: if let Self::Invalid(errors) = self { errors.clone() } else { Vec::new() },
            product: if let Self::SkuTaken { id, .. } = self { Some(*id) } else { None },
            request_id: telemetry::current_id().filter(|_| status.is_server_error()),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Conflict(_) | Self::SkuTaken { .. } | Self::OffsetConflict { .. } => StatusCode::CONFLICT,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::PreconditionFailed { .. } | Self::TusVersion => StatusCode::PRECONDITION_FAILED,
            Self::Invalid(_) | Self::File(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadRequest(_) | Self::UploadIncomplete { .. } => StatusCode::BAD_REQUEST,
            Self::ChecksumMismatch => StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Gone(_) => StatusCode::GONE,
            Self::Silent { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InsufficientStorage { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Internal(source) = self {
            tracing::error!("Request failed: {source:#}");
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unavailable(_) => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            Self::TooManyRequests { wait_seconds, .. } => {
                response.insert_header((header::RETRY_AFTER, wait_seconds.to_string()));
            }
            // Required by RFC 9110, section 15.5.6.
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            // Required by RFC 9110, section 15.5.2.
            Self::Unauthenticated(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"Loadify\""));
            }
            _ => {}
        }
        if let Self::OffsetConflict { offset, .. } = self {
            response.insert_header(("Upload-Offset", *offset));
        }
        response.content_type("application/problem+json").json(self.problem())
    }
}

impl From<diesel::result::Error> for ApiError {
    fn from(error: diesel::result::Error) -> Self {
        if db::is_unavailable(&error) {
            tracing::warn!("The database is unavailable: {error}");
            return Self::Unavailable("the database");
        }
        if db::is_invalid_value(&error) {
            return Self::BadRequest(format!("the request has a value that cannot be stored: {error}"));
        }
        Self::Internal(error.into())
    }
}

impl From<db::GetConnectionError> for ApiError {
    fn from(error: db::GetConnectionError) -> Self {
        tracing::warn!("No database connection: {error}");
        Self::Unavailable("the database")
    }
}

impl From<object_store::Error> for ApiError {
    fn from(error: object_store::Error) -> Self {
        tracing::error!("Storage failed: {error}");
        Self::Unavailable("the file storage")
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::DiskFull { .. } => {
                tracing::error!("{error}");
                Self::InsufficientStorage { code: ErrorCode::DiskFull, detail: error.to_string() }
            }
            StorageError::Damaged { .. } => {
                tracing::error!("Storage failed: {error}");
                Self::Unavailable("the file storage")
            }
            StorageError::Store(error) => error.into(),
        }
    }
}

impl From<ReserveError> for ApiError {
    fn from(error: ReserveError) -> Self {
        let code = match error {
            ReserveError::UserQuota { .. } => ErrorCode::UserQuotaExceeded,
            ReserveError::TotalQuota { .. } => ErrorCode::StorageQuotaExceeded,
            ReserveError::Database(error) => return error.into(),
        };
        Self::InsufficientStorage { code, detail: error.to_string() }
    }
}

/// Returns what a user can report to the operator.
fn by_id() -> String {
    telemetry::current_id().map_or_else(String::new, |id| format!(" under the request id {id}"))
}

/// Returns the text of an error, which is in lower case for logs, as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Sets the errors of extractors.
pub fn configure_extractors(config: &mut web::ServiceConfig) {
    let path =
        web::PathConfig::default().error_handler(|_, request| ApiError::NotFound(request.path().to_owned()).into());
    let query = web::QueryConfig::default().error_handler(|error, _| {
        ApiError::BadRequest(format!("a query parameter is not valid: {error}; see /api/docs")).into()
    });
    config.app_data(path).app_data(query);
}

/// Adds problem details to the errors that actix makes by itself, such as 408.
pub async fn explain_bare_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    // Those of actix are empty, or plain text.
    let kinds = ["application/problem+json", "application/json"];
    let explained =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|found| kinds.iter().any(|kind| found == kind));
    let status = response.status();
    if explained || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response.map_into_left_body());
    }
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::NotFound(response.request().path().to_owned()),
        status if status.is_client_error() => ApiError::BadRequest(format!("the request was refused: {status}")),
        status => ApiError::Internal(anyhow::anyhow!("a response without a reason: {status}")),
    };
    let (request, bare) = response.into_parts();
    let mut explained = error.error_response();
    if let Some(allowed) = bare.headers().get(header::ALLOW) {
        explained.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    Ok(ServiceResponse::new(request, explained).map_into_right_body())
}
