//! `/uploads`.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header,
    middleware::from_fn,
    web::{Data, Path, Payload},
};
use diesel_async::AsyncConnection;
use shared::{csv, problem::Problem};

use crate::auth::{RequestContext, Rule};
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult},
    imports,
    storage::{self, Quotas, ReserveError, StoredFile},
    uploads::{
        append,
        chunk_writer::{Appended, PatchHeaders},
        digest::{Algorithm, Running},
        lock::{self, Lock},
        middleware::negotiate_version,
        protocol::{self, HeaderError, Length, Metadata},
        queries::{self, NewUpload, UploadRow},
    },
};
use shared::auth::Permission::WriteImports;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(get_capabilities).wrap(|route| route.wrap(from_fn(negotiate_version))), Rule::PUBLIC)
        .add(operation!(get_upload_capabilities).wrap(|route| route.wrap(from_fn(negotiate_version))), Rule::PUBLIC)
        .add(
            operation!(create_upload).wrap(|route| route.wrap(from_fn(negotiate_version))),
            Rule::requires(WriteImports).audited("upload.create"),
        )
        .add(operation!(get_offset).wrap(|route| route.wrap(from_fn(negotiate_version))), Rule::requires(WriteImports))
        .add(
            operation!(append_bytes).wrap(|route| route.wrap(from_fn(negotiate_version))),
            Rule::requires(WriteImports),
        )
        .add(
            operation!(delete_upload).wrap(|route| route.wrap(from_fn(negotiate_version))),
            Rule::requires(WriteImports).audited("upload.delete"),
        );
}

impl From<HeaderError> for ApiError {
    fn from(error: HeaderError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// The value of a header, if the request has it.
fn value<'a>(request: &'a HttpRequest, name: &'static str) -> ApiResult<Option<&'a str>> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| ApiError::BadRequest(format!("{name} has characters other than visible ASCII")))?;
    Ok(Some(text.trim()))
}

fn bytes(request: &HttpRequest, name: &'static str) -> ApiResult<Option<i64>> {
    Ok(value(request, name)?.map(|text| protocol::bytes(name, text)).transpose()?)
}

/// The headers of a request that describe its body.
fn patch_headers(request: &HttpRequest, length: Option<i64>) -> ApiResult<PatchHeaders> {
    let checksum = value(request, protocol::UPLOAD_CHECKSUM)?.map(protocol::checksum).transpose()?;
    // RFC 9112, section 6.3: a request without either header has no body.
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let body = bytes(request, "Content-Length")?.or((!chunked).then_some(0));
    Ok(PatchHeaders { checksum, length, body })
}

/// Appends the body in a task of its own: when the client disconnects, the request is dropped, and what has arrived would be
/// dropped with it.
async fn append(app: &Data<App>, lock: Lock, body: Payload, headers: PatchHeaders) -> ApiResult<Appended> {
    let app = Arc::clone(app);
    let tracker = app.running.clone();
    let appending = actix_web::rt::spawn(tracker.track_future(append::append(app, lock, body, headers)));
    appending.await.map_err(|error| ApiError::Internal(error.into()))?
}

/// The last part of a path, if it can be the id of an upload.
fn id_of(path: &str) -> ApiResult<&str> {
    let is_id = path.len() == 32 && path.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(path) } else { Err(lock::not_found(path)) }
}

/// Adds the headers that PATCH, POST and HEAD have in common.
fn add_state(response: &mut HttpResponseBuilder, upload: &UploadRow) {
    response.insert_header((protocol::UPLOAD_OFFSET, upload.received));
    match upload.import_id {
        Some(id) => response.insert_header((protocol::IMPORT, format!("/api/v1/imports/{id}"))),
        None => response.insert_header((protocol::UPLOAD_EXPIRES, protocol::expires(upload.expires_at))),
    };
}

fn add_outcome(response: &mut HttpResponseBuilder, appended: &Appended) {
    add_state(response, &appended.upload);
    if appended.is_short {
        response.force_close();
    }
}

fn capabilities(app: &App) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((protocol::TUS_VERSION, protocol::VERSION))
        .insert_header((protocol::TUS_EXTENSION, protocol::EXTENSIONS))
        .insert_header((protocol::TUS_MAX_SIZE, app.config.max_upload_bytes))
        .insert_header((protocol::TUS_CHECKSUM_ALGORITHM, Algorithm::ALL))
        .finish()
}

/// Report the supported tus version and extensions.
#[utoipa::path(options, path = "/uploads", tag = "uploads", responses((status = 204, description = "Supported", headers(
    ("Tus-Version" = String, description = "1.0.0"),
    ("Tus-Extension" = String, description = "Extensions of the protocol"),
    ("Tus-Max-Size" = i64, description = "Largest file, in bytes"),
    ("Tus-Checksum-Algorithm" = String, description = "Algorithms for Upload-Checksum"),
))))]
pub async fn get_capabilities(app: Data<App>) -> HttpResponse {
    capabilities(&app)
}

/// Report the supported tus version and extensions, at the URL of an upload.
#[utoipa::path(options, path = "/uploads/{id}", tag = "uploads", params(("id" = String, Path, description = "Id of the upload")),
    responses((status = 204, description = "As for /uploads")))]
pub async fn get_upload_capabilities(app: Data<App>) -> HttpResponse {
    capabilities(&app)
}

/// The content of a request to create an upload.
struct Creation {
    length: Option<i64>,
    /// `Upload-Metadata` as it was sent.
    metadata: Option<String>,
    file_name: String,
    /// The body is the beginning of the file.
    with_upload: bool,
}

fn creation(request: &HttpRequest, max_bytes: u64) -> ApiResult<Creation> {
    if request.headers().contains_key(protocol::UPLOAD_CONCAT) {
        let why = "Upload-Concat is not supported; send the file as one upload, one chunk after the other";
        return Err(ApiError::BadRequest(why.into()));
    }
    let length =
        protocol::length(value(request, protocol::UPLOAD_LENGTH)?, value(request, protocol::UPLOAD_DEFER_LENGTH)?)?;
    let length = match length {
        Length::Known(0) => return Err(empty_file()),
        Length::Known(bytes) if bytes.unsigned_abs() > max_bytes => return Err(ApiError::TooLarge { max_bytes }),
        Length::Known(bytes) => Some(bytes),
        Length::Deferred => None,
    };
    let metadata = value(request, protocol::UPLOAD_METADATA)?;
    let read = metadata.map(protocol::metadata).transpose()?.unwrap_or_default();
    let kind = value(request, "Content-Type")?.unwrap_or_default();
    let with_upload = protocol::is_offset_stream(kind);
    let has_body = bytes(request, "Content-Length")?.is_some_and(|bytes| bytes > 0);
    if has_body && !with_upload {
        return Err(wrong_content_type(kind));
    }
    let Metadata { filename, .. } = read;
    Ok(Creation {
        length,
        metadata: metadata.map(str::to_owned),
        file_name: imports::kept_name(&filename.unwrap_or_default()),
        with_upload,
    })
}

/// The error for an empty file, in the same words as for a file that is imported directly.
fn empty_file() -> ApiError {
    match csv::inspect(&[], true) {
        Err(problem) => problem.into(),
        Ok(_) => ApiError::Internal(anyhow::anyhow!("an empty file was accepted")),
    }
}

fn wrong_content_type(kind: &str) -> ApiError {
    let expected = protocol::CONTENT_TYPE;
    ApiError::UnsupportedMediaType(format!("Content-Type must be {expected}, not \"{kind}\""))
}

/// Create an upload.
///
/// Its URL is in `Location`. Send the file there with PATCH, in one request or many; after an interruption, ask with HEAD
/// where to resume. With `Content-Type: application/offset+octet-stream`, the body is the beginning of the file, or all of it.
/// When the last byte has arrived, the file is imported, and `Loadify-Import` has the path of the import.
#[utoipa::path(post, path = "/uploads", tag = "uploads", params(
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
    ("Upload-Length" = Option<i64>, Header, description = "Size of the file, in bytes"),
    ("Upload-Defer-Length" = Option<i64>, Header, description = "1 if the size is not known yet"),
    ("Upload-Metadata" = Option<String>, Header, description = "filename and filetype, each followed by a space and its value in base64"),
    ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256, a space, and the digest of the body in base64"),
), request_body(content = Option<Vec<u8>>, content_type = "application/offset+octet-stream"), responses(
    (status = 201, description = "Created", headers(
        ("Location" = String, description = "URL of the upload"),
        ("Upload-Offset" = i64, description = "Bytes of the body that are stored, if it had any"),
        ("Upload-Expires" = String, description = "When the upload is deleted if nothing more arrives"),
        ("Loadify-Import" = String, description = "Path of the import, if the file is complete"),
    )),
    (status = 507, body = Problem, content_type = "application/problem+json", description = "A quota or the disk of the file storage has no room for the file"),
    (status = 460, body = Problem, content_type = "application/problem+json", description = "The body does not match its checksum"),
))]
pub async fn create_upload(
    app: Data<App>,
    context: RequestContext,
    request: HttpRequest,
    body: Payload,
) -> ApiResult<HttpResponse> {
    let creation = creation(&request, app.config.max_upload_bytes)?;
    let headers = patch_headers(&request, None)?;
    imports::admit(&app).await?;
    let upload = insert(&app, context.principal.user_id(), &creation).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/api/v1/uploads/{}", upload.id)));
    if !creation.with_upload {
        response.insert_header((protocol::UPLOAD_EXPIRES, protocol::expires(upload.expires_at)));
        return Ok(response.finish());
    }
    let lock = lock::acquire(&app, &upload.id, 0).await?;
    match append(&app, lock, body, headers).await {
        Ok(appended) => {
            add_outcome(&mut response, &appended);
            Ok(response.finish())
        }
        Err(error) => {
            // No client knows its URL.
            queries::delete(&mut *app.db().await?, &upload.id).await?;
            Err(error)
        }
    }
}

/// Reserves room for the file, and creates its upload.
async fn insert(app: &App, user_id: Option<i64>, creation: &Creation) -> ApiResult<UploadRow> {
    let Creation { length, metadata, file_name, .. } = creation;
    // A file of unknown size is counted as it arrives.
    let bytes = length.unwrap_or(0);
    app.storage.check_free_space(bytes.unsigned_abs())?;
    let object_key = storage::new_object_key();
    let new = NewUpload {
        id: &format!("{:032x}", rand::random::<u128>()),
        object_key: &object_key,
        file_name,
        metadata: metadata.as_deref(),
        length: *length,
        hash_state: &Running::default().state(),
    };
    let file = StoredFile { object_key: &object_key, user_id, bytes };
    let conn = &mut *app.db().await?;
    let inserting = conn.transaction(async |conn| {
        storage::reserve(conn, &file, None, Quotas::of(&app.config)).await?;
        Ok::<_, ReserveError>(queries::insert(conn, &new, app.config.upload_expiry_hours).await?)
    });
    Ok(inserting.await?)
}

/// Get the offset of an upload.
///
/// A request that is still sending to it is ended; what it has sent is stored and counted.
#[utoipa::path(head, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Id of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
), responses(
    (status = 200, description = "The headers have the state", headers(
        ("Upload-Offset" = i64, description = "Bytes that are stored"),
        ("Upload-Length" = i64, description = "Size of the file, if it is known"),
        ("Upload-Defer-Length" = i64, description = "1 if it is not known"),
        ("Upload-Metadata" = String, description = "As it was sent at creation"),
        ("Upload-Expires" = String, description = "When the upload is deleted if nothing more arrives"),
        ("Loadify-Import" = String, description = "Path of the import, if the file is complete"),
    )),
    (status = 404, description = "The upload does not exist"),
    (status = 410, description = "It has expired"),
    (status = 412, description = "Tus-Resumable is missing or not 1.0.0"),
    (status = 422, description = "The file cannot be imported; a PATCH returns the reason"),
))]
pub async fn get_offset(app: Data<App>, id: Path<String>) -> ApiResult<HttpResponse> {
    let upload = lock::preempt(&app, id_of(&id)?).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    add_state(&mut response, &upload);
    match upload.length {
        Some(length) => response.insert_header((protocol::UPLOAD_LENGTH, length)),
        None => response.insert_header((protocol::UPLOAD_DEFER_LENGTH, "1")),
    };
    if let Some(metadata) = upload.metadata {
        response.insert_header((protocol::UPLOAD_METADATA, metadata));
    }
    Ok(response.finish())
}

/// Append bytes to an upload.
///
/// The body begins at `Upload-Offset`, which must be the current offset. What arrives is stored even if the connection breaks;
/// with `Upload-Checksum`, the body is stored whole or not at all.
#[utoipa::path(patch, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Id of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
    ("Upload-Offset" = i64, Header, description = "Offset in the file of the first byte of the body"),
    ("Upload-Length" = Option<i64>, Header, description = "Size of the file; required once if it was deferred at creation"),
    ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256, a space, and the digest of the body in base64"),
), request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"), responses(
    (status = 204, description = "Stored", headers(
        ("Upload-Offset" = i64, description = "Bytes that are stored; where to resume"),
        ("Upload-Expires" = String, description = "When the upload is deleted if nothing more arrives"),
        ("Loadify-Import" = String, description = "Path of the import, if the file is complete"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The upload is at another offset, or another request has taken over", headers(
        ("Upload-Offset" = i64, description = "Where to resume"),
    )),
    (status = 507, body = Problem, content_type = "application/problem+json", description = "A quota or the disk of the file storage has no room for the file"),
    (status = 460, body = Problem, content_type = "application/problem+json", description = "The body does not match its checksum"),
))]
pub async fn append_bytes(
    app: Data<App>,
    id: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> ApiResult<HttpResponse> {
    let kind = value(&request, "Content-Type")?.unwrap_or_default();
    if !protocol::is_offset_stream(kind) {
        return Err(wrong_content_type(kind));
    }
    let missing = || ApiError::BadRequest("Upload-Offset is missing; get the current offset with HEAD".into());
    let offset = bytes(&request, protocol::UPLOAD_OFFSET)?.ok_or_else(missing)?;
    let headers = patch_headers(&request, bytes(&request, protocol::UPLOAD_LENGTH)?)?;
    let body_bytes = headers.body;
    let id = id_of(&id)?;
    let appended = match lock::acquire(&app, id, offset).await {
        Ok(lock) => append(&app, lock, body, headers).await?,
        // The offset is right, but nothing is accepted: the file may be complete.
        Err(error @ ApiError::OffsetConflict { offset: end, .. }) if end == offset => {
            after_the_end(&app, id, body_bytes).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    let mut response = HttpResponse::NoContent();
    add_outcome(&mut response, &appended);
    Ok(response.finish())
}

/// Repeats the last response for a client that missed it and appends nothing to its complete file. `None` if the file is not
/// complete.
async fn after_the_end(app: &App, id: &str, body: Option<i64>) -> ApiResult<Option<Appended>> {
    let found = queries::get(&mut *app.db().await?, id).await?;
    match found.filter(|upload| upload.import_id.is_some()) {
        Some(upload) if body == Some(0) => Ok(Some(Appended { upload, is_short: false })),
        Some(_) => Err(ApiError::TooLarge { max_bytes: 0 }),
        None => Ok(None),
    }
}

/// Cancel an upload.
///
/// What has arrived of it is deleted. If the file was complete, its import continues.
#[utoipa::path(delete, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Id of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
), responses(
    (status = 204, description = "Cancelled"),
))]
pub async fn delete_upload(app: Data<App>, id: Path<String>) -> ApiResult<HttpResponse> {
    let id = id_of(&id)?;
    if queries::delete(&mut *app.db().await?, id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(lock::not_found(id))
}
