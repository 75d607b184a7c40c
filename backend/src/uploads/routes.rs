//! `/uploads`.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header,
    middleware::from_fn,
    web::{Data, Path, Payload},
};
use shared::{detect, problem::Problem};

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult},
    imports,
    uploads::{
        digest::{Algorithm, Running},
        hold::{self, Hold},
        layer,
        protocol::{self, BadHeader, Length, Metadata},
        queries::{self, NewUpload, UploadRow},
        receive::{self, Announced, Received},
    },
};
use shared::auth::Permission::WriteImports;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(tell_capabilities).wrap(|route| route.wrap(from_fn(layer::speak))), Rule::PUBLIC)
        .add(operation!(tell_capabilities_of_upload).wrap(|route| route.wrap(from_fn(layer::speak))), Rule::PUBLIC)
        .add(
            operation!(create_upload).wrap(|route| route.wrap(from_fn(layer::speak))),
            Rule::requires(WriteImports).audited("upload.create"),
        )
        .add(operation!(get_offset).wrap(|route| route.wrap(from_fn(layer::speak))), Rule::requires(WriteImports))
        .add(operation!(append_bytes).wrap(|route| route.wrap(from_fn(layer::speak))), Rule::requires(WriteImports))
        .add(
            operation!(delete_upload).wrap(|route| route.wrap(from_fn(layer::speak))),
            Rule::requires(WriteImports).audited("upload.delete"),
        );
}

impl From<BadHeader> for ApiError {
    fn from(error: BadHeader) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// The value of a header, if it is there.
fn value<'a>(request: &'a HttpRequest, name: &'static str) -> ApiResult<Option<&'a str>> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::BadRequest(format!("{name} has characters beyond ASCII")))?;
    Ok(Some(text.trim()))
}

fn bytes(request: &HttpRequest, name: &'static str) -> ApiResult<Option<i64>> {
    Ok(value(request, name)?.map(|text| protocol::bytes(name, text)).transpose()?)
}

/// What a request that has a body says about it.
fn announced(request: &HttpRequest, length: Option<i64>) -> ApiResult<Announced> {
    let checksum = value(request, protocol::UPLOAD_CHECKSUM)?.map(protocol::checksum).transpose()?;
    // RFC 9112, section 6.3: a request without either header has no body.
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let body = bytes(request, "Content-Length")?.or((!chunked).then_some(0));
    Ok(Announced { checksum, length, body })
}

/// Takes the body in a task of its own: where the client goes away, the request is dropped, and what has arrived would
/// be dropped with it.
async fn receive(app: &Data<App>, hold: Hold, body: Payload, announced: Announced) -> ApiResult<Received> {
    let app = Arc::clone(app);
    let tracker = app.running.clone();
    let receiving = actix_web::rt::spawn(tracker.track_future(receive::receive(app, hold, body, announced)));
    receiving.await.map_err(|error| ApiError::Internal(error.into()))?
}

/// The part of a path that names an upload, if it can be one.
fn id_of(path: &str) -> ApiResult<&str> {
    let is_id = path.len() == 32 && path.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(path) } else { Err(hold::missing(path)) }
}

/// Where the upload stands, in the headers that PATCH, POST and HEAD have in common.
fn say_state(response: &mut HttpResponseBuilder, upload: &UploadRow) {
    response.insert_header((protocol::UPLOAD_OFFSET, upload.received));
    match upload.import_id {
        Some(id) => response.insert_header((protocol::IMPORT, format!("/api/v1/imports/{id}"))),
        None => response.insert_header((protocol::UPLOAD_EXPIRES, protocol::expires(upload.expires_at))),
    };
}

fn say_outcome(response: &mut HttpResponseBuilder, received: &Received) {
    say_state(response, &received.upload);
    if received.is_short {
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

/// Tell what of tus is spoken here.
#[utoipa::path(options, path = "/uploads", tag = "uploads", responses((status = 204, description = "See the headers", headers(
    ("Tus-Version" = String, description = "1.0.0"),
    ("Tus-Extension" = String, description = "Extensions of the protocol"),
    ("Tus-Max-Size" = i64, description = "Largest file, in bytes"),
    ("Tus-Checksum-Algorithm" = String, description = "What Upload-Checksum may name"),
))))]
pub async fn tell_capabilities(app: Data<App>) -> HttpResponse {
    capabilities(&app)
}

/// Tell what of tus is spoken here, at the address of an upload.
#[utoipa::path(options, path = "/uploads/{id}", tag = "uploads", params(("id" = String, Path, description = "Of the upload")),
    responses((status = 204, description = "As at /uploads")))]
pub async fn tell_capabilities_of_upload(app: Data<App>) -> HttpResponse {
    capabilities(&app)
}

/// What a request to create an upload asks for.
struct Creation {
    length: Option<i64>,
    /// As it was sent.
    metadata: Option<String>,
    file_name: String,
    /// The body is the beginning of the file.
    with_upload: bool,
}

fn creation(request: &HttpRequest, max_bytes: u64) -> ApiResult<Creation> {
    if request.headers().contains_key(protocol::UPLOAD_CONCAT) {
        let why = "Upload-Concat is not offered here: send the file as one upload, one block after the other";
        return Err(ApiError::BadRequest(why.into()));
    }
    let length =
        protocol::length(value(request, protocol::UPLOAD_LENGTH)?, value(request, protocol::UPLOAD_DEFER_LENGTH)?)?;
    let length = match length {
        Length::Known(0) => return Err(no_data()),
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
        return Err(wrong_type(kind));
    }
    let Metadata { filename, .. } = read;
    Ok(Creation {
        length,
        metadata: metadata.map(str::to_owned),
        file_name: imports::kept_name(&filename.unwrap_or_default()),
        with_upload,
    })
}

/// The refusal of an empty file, in the words of the one that looks at files.
fn no_data() -> ApiError {
    match detect::inspect(&[], true) {
        Err(problem) => problem.into(),
        Ok(_) => ApiError::Internal(anyhow::anyhow!("an empty file was taken for a table")),
    }
}

fn wrong_type(kind: &str) -> ApiError {
    let wanted = protocol::CONTENT_TYPE;
    ApiError::UnsupportedMediaType(format!("the body must be declared as Content-Type: {wanted}, not \"{kind}\""))
}

/// Begin an upload.
///
/// Its address is in `Location`; send the file there with PATCH, in one request or many, and ask with HEAD where to go on
/// after an interruption. With `Content-Type: application/offset+octet-stream`, the body is the beginning of the file, or
/// all of it. When the last byte has arrived, the file is imported: `Loadify-Import` says where to watch that.
#[utoipa::path(post, path = "/uploads", tag = "uploads", params(
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
    ("Upload-Length" = Option<i64>, Header, description = "Size of the file, in bytes"),
    ("Upload-Defer-Length" = Option<i64>, Header, description = "1, where the size is not known yet"),
    ("Upload-Metadata" = Option<String>, Header, description = "filename and filetype, each followed by a space and its value in base64"),
    ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256, a space, and the digest of the body in base64"),
), request_body(content = Option<Vec<u8>>, content_type = "application/offset+octet-stream"), responses(
    (status = 201, description = "Begun", headers(
        ("Location" = String, description = "Address of the upload"),
        ("Upload-Offset" = i64, description = "Bytes of the body that are kept, if it had any"),
        ("Upload-Expires" = String, description = "When the upload is thrown away if nothing more arrives"),
        ("Loadify-Import" = String, description = "The import, if the file is whole"),
    )),
    (status = 460, body = Problem, content_type = "application/problem+json", description = "The body does not have its checksum"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create_upload(app: Data<App>, request: HttpRequest, body: Payload) -> ApiResult<HttpResponse> {
    let Creation { length, metadata, file_name, with_upload } = creation(&request, app.config.max_upload_bytes)?;
    let announced = announced(&request, None)?;
    imports::admit(&app).await?;
    let id = format!("{:032x}", rand::random::<u128>());
    let state = Running::default().state();
    let new = NewUpload { id: &id, file_name: &file_name, metadata: metadata.as_deref(), length, hash: &state };
    let upload = queries::insert(&mut *app.db().await?, &new, app.config.upload_expiry_hours).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/api/v1/uploads/{id}")));
    if !with_upload {
        response.insert_header((protocol::UPLOAD_EXPIRES, protocol::expires(upload.expires_at)));
        return Ok(response.finish());
    }
    let hold = hold::acquire(&app, &id, 0).await?;
    match receive(&app, hold, body, announced).await {
        Ok(received) => {
            say_outcome(&mut response, &received);
            Ok(response.finish())
        }
        Err(error) => {
            // Nobody knows its address.
            queries::delete(&mut *app.db().await?, &id).await?;
            Err(error)
        }
    }
}

/// Ask how much of an upload has arrived.
///
/// A request that is still sending to it is ended, what it has sent is kept and counted.
#[utoipa::path(head, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
), responses(
    (status = 200, description = "See the headers", headers(
        ("Upload-Offset" = i64, description = "Bytes that are kept"),
        ("Upload-Length" = i64, description = "Size of the file, if it is known"),
        ("Upload-Defer-Length" = i64, description = "1, if it is not"),
        ("Upload-Metadata" = String, description = "As it was sent"),
        ("Upload-Expires" = String, description = "When the upload is thrown away if nothing more arrives"),
        ("Loadify-Import" = String, description = "The import, if the file is whole"),
    )),
    (status = 404, description = "There is no such upload"),
    (status = 410, description = "It has expired"),
    (status = 412, description = "Tus-Resumable is missing or other than 1.0.0"),
    (status = 422, description = "The file cannot be imported; PATCH tells why"),
))]
pub async fn get_offset(app: Data<App>, id: Path<String>) -> ApiResult<HttpResponse> {
    let upload = hold::settle(&app, id_of(&id)?).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    say_state(&mut response, &upload);
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
/// The body begins at `Upload-Offset`, which must be where the upload ends. What arrives counts, even if the connection
/// breaks; unless a checksum was sent, then the body counts whole or not at all.
#[utoipa::path(patch, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
    ("Upload-Offset" = i64, Header, description = "Where the body begins in the file"),
    ("Upload-Length" = Option<i64>, Header, description = "Size of the file, where it was deferred"),
    ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256, a space, and the digest of the body in base64"),
), request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"), responses(
    (status = 204, description = "Kept", headers(
        ("Upload-Offset" = i64, description = "Bytes that are kept; where to go on"),
        ("Upload-Expires" = String, description = "When the upload is thrown away if nothing more arrives"),
        ("Loadify-Import" = String, description = "The import, if the file is whole"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The upload is at another offset, or another request has taken over", headers(
        ("Upload-Offset" = i64, description = "Where to go on"),
    )),
    (status = 460, body = Problem, content_type = "application/problem+json", description = "The body does not have its checksum"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn append_bytes(
    app: Data<App>,
    id: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> ApiResult<HttpResponse> {
    let kind = value(&request, "Content-Type")?.unwrap_or_default();
    if !protocol::is_offset_stream(kind) {
        return Err(wrong_type(kind));
    }
    let missing = || ApiError::BadRequest("Upload-Offset is missing; ask for it with HEAD".into());
    let offset = bytes(&request, protocol::UPLOAD_OFFSET)?.ok_or_else(missing)?;
    let announced = announced(&request, bytes(&request, protocol::UPLOAD_LENGTH)?)?;
    let body_bytes = announced.body;
    let id = id_of(&id)?;
    let received = match hold::acquire(&app, id, offset).await {
        Ok(hold) => receive(&app, hold, body, announced).await?,
        // The upload is there and takes nothing: it may be whole.
        Err(error @ ApiError::OffsetConflict { offset: end, .. }) if end == offset => {
            after_the_end(&app, id, body_bytes).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    let mut response = HttpResponse::NoContent();
    say_outcome(&mut response, &received);
    Ok(response.finish())
}

/// A client that has not heard that its file is whole may append nothing to it, and hears it then. `None` if it is not.
async fn after_the_end(app: &App, id: &str, body: Option<i64>) -> ApiResult<Option<Received>> {
    let found = queries::get(&mut *app.db().await?, id).await?;
    match found.filter(|upload| upload.import_id.is_some()) {
        Some(upload) if body == Some(0) => Ok(Some(Received { upload, is_short: false })),
        Some(_) => Err(ApiError::TooLarge { max_bytes: 0 }),
        None => Ok(None),
    }
}

/// Give up an upload.
///
/// What has arrived of it is deleted. If it was whole, its import goes on.
#[utoipa::path(delete, path = "/uploads/{id}", tag = "uploads", params(
    ("id" = String, Path, description = "Of the upload"),
    ("Tus-Resumable" = String, Header, description = "1.0.0"),
), responses(
    (status = 204, description = "Given up"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn delete_upload(app: Data<App>, id: Path<String>) -> ApiResult<HttpResponse> {
    let id = id_of(&id)?;
    if queries::delete(&mut *app.db().await?, id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(hold::missing(id))
}
