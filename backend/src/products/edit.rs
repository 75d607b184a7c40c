//! Creating, reading, changing, deleting and restoring a product.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncConnection;
use shared::{
    bulk::{MAX_IDS, RestoreOutcome, RestoreRequest},
    problem::{FieldError, Problem},
    product::{Product, ProductChange, ProductInput},
};

use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    products::{
        changes::{self, Deletion},
        headers::{self, Versions},
        queries,
        row::ProductRow,
    },
};

/// A response with a product and the tag of its version.
fn respond(mut response: actix_web::HttpResponseBuilder, row: ProductRow) -> HttpResponse {
    response.insert_header(header::ETag(headers::etag(row.version))).json(Product::from(row))
}

fn not_found(id: i64) -> ApiError {
    ApiError::not_found("product", id)
}

/// Create a product.
#[utoipa::path(post, path = "/products", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), request_body = ProductInput, responses(
    (status = 201, body = Product, headers(
        ("Location" = String, description = "The product"), ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The SKU belongs to another product"),
))]
pub async fn create_product(
    app: Data<App>,
    input: Json<ProductInput>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let input = input.into_inner().normalised();
    check(input.check())?;
    let client = headers::client(request.headers());
    let conn = &mut *app.db().await?;
    let created =
        conn.transaction(async |conn| ApiResult::Ok(changes::create(conn, &input, client.as_deref()).await?)).await;
    match created {
        Ok(row) => {
            let mut response = HttpResponse::Created();
            response.insert_header((header::LOCATION, format!("/api/v1/products/{}", row.id)));
            Ok(respond(response, row))
        }
        Err(error) => Err(name_owner(conn, error, &input.sku).await),
    }
}

/// Get a product.
#[utoipa::path(get, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Product id"),
    ("If-None-Match" = Option<String>, Header, description = "The ETag of the version that the client has"),
), responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 304, description = "The client has the current version"),
))]
pub async fn get_product(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let row = queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?;
    if headers::has_version(&request, row.version) {
        return Ok(HttpResponse::NotModified().insert_header(header::ETag(headers::etag(row.version))).finish());
    }
    Ok(respond(HttpResponse::Ok(), row))
}

/// Replace a product.
///
/// Fields that are absent from the body are emptied; `active` becomes true.
#[utoipa::path(put, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Product id"),
    ("If-Match" = String, Header, description = "The ETag of the version to replace, or `*` for any version"),
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), request_body = ProductInput, responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "The product has another version"),
    (status = 428, body = Problem, content_type = "application/problem+json", description = "If-Match is missing"),
))]
pub async fn replace_product(
    app: Data<App>,
    id: Path<i64>,
    input: Json<ProductInput>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let edit = Edit::Whole(input.into_inner());
    write(&app, *id, &edit, &Versions::required(&request)?, headers::client(request.headers())).await
}

/// Change a product.
///
/// A merge patch (RFC 7396): fields that are absent from the body keep their values. If nothing changes, neither does the
/// version.
#[utoipa::path(patch, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Product id"),
    ("If-Match" = String, Header, description = "The ETag of the version to change, or `*` for any version"),
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), request_body(content((ProductChange = "application/merge-patch+json"), (ProductChange = "application/json"))), responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "The product has another version"),
    (status = 428, body = Problem, content_type = "application/problem+json", description = "If-Match is missing"),
))]
pub async fn change_product(
    app: Data<App>,
    id: Path<i64>,
    change: Json<ProductChange>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let edit = Edit::Part(change.into_inner());
    write(&app, *id, &edit, &Versions::required(&request)?, headers::client(request.headers())).await
}

enum Edit {
    Whole(ProductInput),
    Part(ProductChange),
}

impl Edit {
    fn apply(&self, product: ProductInput) -> ProductInput {
        match self {
            Self::Whole(input) => input.clone(),
            Self::Part(change) => change.clone().apply(product),
        }
    }
}

async fn write(
    app: &App,
    id: i64,
    edit: &Edit,
    versions: &Versions,
    client: Option<String>,
) -> ApiResult<HttpResponse> {
    let conn = &mut *app.db().await?;
    let written = conn
        .transaction(async |conn| {
            let before = queries::lock(conn, &[id]).await?.pop().ok_or_else(|| not_found(id))?;
            versions.check(before.version)?;
            let current = ProductInput::from(Product::from(before.clone()));
            let wanted = edit.apply(current.clone());
            if wanted == current {
                return Ok(before);
            }
            let wanted = wanted.normalised();
            // Imports accept values that the form does not. Those that this change does not touch are not errors of it.
            let old = current.check();
            check(wanted.check().into_iter().filter(|error| !old.contains(error)).collect())?;
            ApiResult::Ok(changes::update(conn, before, &wanted, client.as_deref()).await?)
        })
        .await;
    match written {
        Ok(row) => Ok(respond(HttpResponse::Ok(), row)),
        Err(error) => {
            let sku = match edit {
                Edit::Whole(input) => &input.sku,
                Edit::Part(change) => change.sku.as_deref().unwrap_or_default(),
            };
            Err(name_owner(conn, error, sku).await)
        }
    }
}

/// Delete a product.
///
/// `POST /products/restore` reverts the deletion within an hour.
#[utoipa::path(delete, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Product id"),
    ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any version if absent"),
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), responses(
    (status = 204),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "The product has another version"),
))]
pub async fn delete_product(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let id = *id;
    let (versions, client) = (Versions::of(&request), headers::client(request.headers()));
    app.db()
        .await?
        .transaction(async |conn| {
            let row = queries::lock(conn, &[id]).await?.pop().ok_or_else(|| not_found(id))?;
            if let Some(versions) = &versions {
                versions.check(row.version)?;
            }
            ApiResult::Ok(changes::delete(conn, vec![row], Deletion::Restorable, client.as_deref()).await?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Restore deleted products.
///
/// They have the same ids and values as before. This applies to products that were deleted by id within the last hour.
#[utoipa::path(post, path = "/products/restore", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), request_body = RestoreRequest, responses(
    (status = 200, body = RestoreOutcome),
))]
pub async fn restore_products(
    app: Data<App>,
    wanted: Json<RestoreRequest>,
    request: HttpRequest,
) -> ApiResult<Json<RestoreOutcome>> {
    check_ids(&wanted.ids)?;
    let client = headers::client(request.headers());
    let mut conn = app.db().await?;
    let outcome = conn.transaction(async |conn| changes::restore(conn, &wanted.ids, client.as_deref()).await).await?;
    Ok(Json(outcome))
}

/// # Errors
/// [`ApiError::Invalid`] unless there are 1 to 1,000.
pub fn check_ids(ids: &[i64]) -> ApiResult<()> {
    if (1..=MAX_IDS).contains(&ids.len()) {
        return Ok(());
    }
    Err(ApiError::invalid("ids", format!("has {} ids; must be 1 to {MAX_IDS}", ids.len())))
}

/// # Errors
/// [`ApiError::Invalid`] if there are any.
fn check(errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(errors)) }
}

/// Turns a violation of the unique SKU into an error that names the product with that SKU.
async fn name_owner(conn: &mut diesel_async::AsyncPgConnection, error: ApiError, sku: &str) -> ApiError {
    let taken = |error: &Error| matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _));
    let ApiError::Internal(source) = &error else { return error };
    if !source.downcast_ref().is_some_and(taken) {
        return error;
    }
    match queries::by_sku(conn, sku).await {
        Ok(Some(row)) => ApiError::SkuTaken { sku: row.sku, id: row.id, name: row.name },
        Ok(None) => ApiError::Conflict("another product had this SKU until a moment ago; try again".into()),
        Err(error) => error.into(),
    }
}
