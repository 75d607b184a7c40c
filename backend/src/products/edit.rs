//! One product: made, read, changed, deleted, and brought back.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncConnection;
use shared::{
    bulk::{MAX_NAMED, RestoreOutcome, RestoreRequest},
    problem::{FieldError, Problem},
    product::{Product, ProductChange, ProductInput},
};

use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    products::{
        changes,
        headers::{self, IfMatch},
        queries,
        row::ProductRow,
    },
};

/// A product as it is answered with, under the tag of its version.
fn shown(mut response: actix_web::HttpResponseBuilder, row: ProductRow) -> HttpResponse {
    response.insert_header((header::ETAG, headers::etag(row.version))).json(Product::from(row))
}

fn missing(id: i64) -> ApiError {
    ApiError::NotFound(format!("product {id}"))
}

/// Add a product.
#[utoipa::path(post, path = "/products", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), request_body = ProductInput, responses(
    (status = 201, body = Product, headers(
        ("Location" = String, description = "The product"), ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "Its SKU is taken"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create_product(
    app: Data<App>,
    input: Json<ProductInput>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let input = input.into_inner().normalised();
    refuse(input.check())?;
    let client = headers::client(request.headers());
    let conn = &mut *app.db().await?;
    let created =
        conn.transaction(async |conn| ApiResult::Ok(changes::create(conn, &input, client.as_deref()).await?)).await;
    match created {
        Ok(row) => {
            let mut response = HttpResponse::Created();
            response.insert_header((header::LOCATION, format!("/api/v1/products/{}", row.id)));
            Ok(shown(response, row))
        }
        Err(error) => Err(explained(conn, error, &input.sku).await),
    }
}

/// Get a product.
#[utoipa::path(get, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Number of the product"),
    ("If-None-Match" = Option<String>, Header, description = "The ETag of the version that is known already"),
), responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 304, description = "It is as it is known"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn get_product(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let row = queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?;
    if headers::is_known(request.headers(), row.version) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, headers::etag(row.version))).finish());
    }
    Ok(shown(HttpResponse::Ok(), row))
}

/// Replace a product.
///
/// What the body does not say is emptied; a product that does not say whether it is active is.
#[utoipa::path(put, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Number of the product"),
    ("If-Match" = String, Header, description = "The ETag of the version that is replaced, or `*`"),
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), request_body = ProductInput, responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "It is at another version"),
    (status = 428, body = Problem, content_type = "application/problem+json", description = "If-Match is missing"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn replace_product(
    app: Data<App>,
    id: Path<i64>,
    input: Json<ProductInput>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let edit = Edit::Whole(input.into_inner());
    write(&app, *id, &edit, &IfMatch::required(request.headers())?, headers::client(request.headers())).await
}

/// Change a product.
///
/// A merge patch (RFC 7396): what the body does not say stays. A change that changes nothing leaves the version as it is.
#[utoipa::path(patch, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Number of the product"),
    ("If-Match" = String, Header, description = "The ETag of the version that is changed, or `*`"),
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), request_body(content((ProductChange = "application/merge-patch+json"), (ProductChange = "application/json"))), responses(
    (status = 200, body = Product, headers(("ETag" = String, description = "Its version, in quotes"))),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "It is at another version"),
    (status = 428, body = Problem, content_type = "application/problem+json", description = "If-Match is missing"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn change_product(
    app: Data<App>,
    id: Path<i64>,
    change: Json<ProductChange>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let edit = Edit::Part(change.into_inner());
    write(&app, *id, &edit, &IfMatch::required(request.headers())?, headers::client(request.headers())).await
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

async fn write(app: &App, id: i64, edit: &Edit, known: &IfMatch, client: Option<String>) -> ApiResult<HttpResponse> {
    let conn = &mut *app.db().await?;
    let written = conn
        .transaction(async |conn| {
            let before = queries::lock(conn, &[id]).await?.pop().ok_or_else(|| missing(id))?;
            known.check(before.version)?;
            let is = ProductInput::from(Product::from(before.clone()));
            let wanted = edit.apply(is.clone());
            if wanted == is {
                return Ok(before);
            }
            let wanted = wanted.normalised();
            // What an import has let in, and nobody touches, does not hinder.
            let old = is.check();
            refuse(wanted.check().into_iter().filter(|error| !old.contains(error)).collect())?;
            ApiResult::Ok(changes::update(conn, before, &wanted, client.as_deref()).await?)
        })
        .await;
    match written {
        Ok(row) => Ok(shown(HttpResponse::Ok(), row)),
        Err(error) => {
            let sku = match edit {
                Edit::Whole(input) => &input.sku,
                Edit::Part(change) => change.sku.as_deref().unwrap_or_default(),
            };
            Err(explained(conn, error, sku).await)
        }
    }
}

/// Delete a product.
///
/// For an hour it can be brought back: `POST /products/restore`.
#[utoipa::path(delete, path = "/products/{id}", tag = "products", params(
    ("id" = i64, Path, description = "Number of the product"),
    ("If-Match" = Option<String>, Header, description = "The ETag of the version that may be deleted; without, any"),
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), responses(
    (status = 204),
    (status = 412, body = Problem, content_type = "application/problem+json", description = "It is at another version"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn delete_product(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let id = *id;
    let (known, client) = (IfMatch::of(request.headers()), headers::client(request.headers()));
    app.db()
        .await?
        .transaction(async |conn| {
            let row = queries::lock(conn, &[id]).await?.pop().ok_or_else(|| missing(id))?;
            if let Some(known) = &known {
                known.check(row.version)?;
            }
            ApiResult::Ok(changes::delete(conn, vec![row], true, client.as_deref()).await?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Bring deleted products back.
///
/// They get their numbers again, and are as they were. This goes for products that were deleted one by one or by their
/// numbers, within the last hour.
#[utoipa::path(post, path = "/products/restore", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), request_body = RestoreRequest, responses(
    (status = 200, body = RestoreOutcome),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
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
/// [`ApiError::Invalid`] unless these are 1 to 1,000.
pub fn check_ids(ids: &[i64]) -> ApiResult<()> {
    if (1..=MAX_NAMED).contains(&ids.len()) {
        return Ok(());
    }
    Err(ApiError::invalid("ids", format!("are {}; must be 1 to {MAX_NAMED}", ids.len())))
}

fn refuse(errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(errors)) }
}

/// Finds out who has the SKU, where that is what is wrong.
async fn explained(conn: &mut diesel_async::AsyncPgConnection, error: ApiError, sku: &str) -> ApiError {
    let taken = |error: &Error| matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _));
    let ApiError::Internal(source) = &error else { return error };
    if !source.downcast_ref().is_some_and(taken) {
        return error;
    }
    match queries::by_sku(conn, sku).await {
        Ok(Some(row)) => ApiError::SkuTaken { sku: row.sku, id: row.id, name: row.name },
        Ok(None) => ApiError::Conflict("another product had this SKU a moment ago; try again".into()),
        Err(error) => error.into(),
    }
}
