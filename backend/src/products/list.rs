//! `GET /products` and what belongs to it: the list, its count, the state of its index.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Json, Query},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::{
    problem::Problem,
    search::{IndexState, MAX_QUERY_CHARS, ProductFilter, ProductPage, ProductSort, Total},
};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    products::{
        cursor::Window,
        search::{self, Page},
    },
};

/// The conditions of [`ProductFilter`] as they stand in an address. One by one, since the query's reader cannot nest.
#[derive(Deserialize, IntoParams)]
pub struct FilterParams {
    /// Words, each of which must occur in SKU, name or description, anywhere in a word and in any case
    #[serde(default)]
    #[param(max_length = 200)]
    q: String,
    /// Only active, or only inactive products
    active: Option<bool>,
    /// Only products with, or only those without a description
    has_description: Option<bool>,
    /// Created at this moment or later
    created_from: Option<DateTime<Utc>>,
    /// Created before this moment
    created_to: Option<DateTime<Utc>>,
    /// Last changed at this moment or later
    updated_from: Option<DateTime<Utc>>,
    /// Last changed before this moment
    updated_to: Option<DateTime<Utc>>,
    /// Number of the import that last created or changed the product
    import: Option<i64>,
}

impl FilterParams {
    /// # Errors
    /// [`ApiError::Invalid`] where the search text cannot be one.
    pub fn filter(self) -> ApiResult<ProductFilter> {
        let filter = ProductFilter {
            q: self.q,
            active: self.active,
            has_description: self.has_description,
            created_from: self.created_from,
            created_to: self.created_to,
            updated_from: self.updated_from,
            updated_to: self.updated_to,
            import: self.import,
        };
        check_filter(&filter)?;
        Ok(filter)
    }
}

/// # Errors
/// [`ApiError::Invalid`] where the search text is too long or cannot occur in a text.
pub fn check_filter(filter: &ProductFilter) -> ApiResult<()> {
    if filter.q.chars().count() > MAX_QUERY_CHARS {
        return Err(ApiError::invalid("q", format!("must have at most {MAX_QUERY_CHARS} characters")));
    }
    if filter.q.contains('\0') {
        return Err(ApiError::invalid("q", "must not contain a NUL character"));
    }
    Ok(())
}

#[derive(Deserialize, IntoParams)]
pub struct ListParams {
    /// Order; with a minus, the other way round
    #[serde(default)]
    sort: ProductSort,
    /// `next` or `previous` of another page of the same list
    cursor: Option<String>,
    /// Products on the page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: usize,
}

fn default_limit() -> usize {
    50
}

/// List products.
///
/// A product whose SKU is exactly what is searched for comes first, the others follow in the order of `sort`. Pages do not
/// shift when products come and go: a product that nobody touches is seen once. The pages around this one are also named by
/// `Link` (RFC 8288).
#[utoipa::path(get, path = "/products", tag = "products", params(FilterParams, ListParams), responses(
    (status = 200, body = ProductPage, headers(("Link" = String, description = "The first, next and previous page"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list_products(
    app: Data<App>,
    filter: Query<FilterParams>,
    list: Query<ListParams>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let filter = filter.into_inner().filter()?;
    if !(1..=200).contains(&list.limit) {
        return Err(ApiError::invalid("limit", "must be 1 to 200"));
    }
    let window = match &list.cursor {
        None => Window::First,
        Some(cursor) => Window::decode(cursor, &filter, list.sort)
            .ok_or_else(|| ApiError::BadRequest("the cursor does not belong to this list; begin without one".into()))?,
    };
    let Page { rows, total, next, previous } = search::page(&app, &filter, list.sort, &window, list.limit).await?;
    let encode = |window: Option<Window>| window.map(|window| window.encode(&filter, list.sort));
    let (next, previous) = (encode(next), encode(previous));
    let links = links(&request, next.as_deref(), previous.as_deref());
    let page = ProductPage { items: rows.into_iter().map(Into::into).collect(), total, next, previous };
    Ok(HttpResponse::Ok().insert_header((header::LINK, links)).json(page))
}

/// The addresses of the pages around this one.
fn links(request: &HttpRequest, next: Option<&str>, previous: Option<&str>) -> String {
    let link = |cursor: Option<&str>, relation: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(
            url::form_urlencoded::parse(request.query_string().as_bytes()).filter(|(name, _)| name != "cursor"),
        );
        query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        format!("<{}?{}>; rel=\"{relation}\"", request.path(), query.finish())
    };
    [Some(link(None, "first")), next.map(|at| link(Some(at), "next")), previous.map(|at| link(Some(at), "prev"))]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Count products.
///
/// Exactly, however many they are: for some filters this takes as long as reading the whole catalogue.
#[utoipa::path(get, path = "/products/count", tag = "products", params(FilterParams), responses(
    (status = 200, body = Total),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn count_products(app: Data<App>, filter: Query<FilterParams>) -> ApiResult<Json<Total>> {
    let filter = filter.into_inner().filter()?;
    Ok(Json(Total { count: search::count(&app, &filter).await?, exact: true }))
}

/// Tell how far the catalogue is sorted in.
///
/// After an import of many products some orders and filters are slower until nothing is pending. Nothing is missing from
/// any list meanwhile.
#[utoipa::path(get, path = "/products/index", tag = "products", responses(
    (status = 200, body = IndexState),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn product_index(app: Data<App>) -> ApiResult<Json<IndexState>> {
    Ok(Json(IndexState { pending: search::pending(&mut *app.db().await?).await? }))
}
