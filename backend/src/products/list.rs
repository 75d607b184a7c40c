//! `GET /products`, the count of products, and the state of the index.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::header,
    web::{Data, Json},
};
use serde::{Deserialize, de::DeserializeOwned};
use shared::search::{IndexState, ProductCount, ProductFilter, ProductPage, ProductSort};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    products::{
        cursor::Cursor,
        search::{self, query::Page},
    },
};

/// A filter and the other parameters of a query string. Names that neither of them has are refused: a misspelt condition would
/// otherwise list every product.
pub struct Filtered<P = NoParams> {
    pub filter: ProductFilter,
    pub params: P,
}

/// For operations whose only parameters are those of the filter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

impl<P: DeserializeOwned> FromRequest for Filtered<P> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

impl<P: DeserializeOwned> Filtered<P> {
    /// The conditions are read apart from the other parameters, since the format cannot nest structures.
    fn parse(query: &str) -> ApiResult<Self> {
        let (mut filter, mut others) = (query_string(), query_string());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let part = if ProductFilter::FIELDS.contains(&name.as_ref()) { &mut filter } else { &mut others };
            part.append_pair(&name, &value);
        }
        let filter: ProductFilter = parse(&filter.finish())?;
        check_filter(&filter)?;
        Ok(Self { filter, params: parse(&others.finish())? })
    }
}

fn query_string() -> url::form_urlencoded::Serializer<'static, String> {
    url::form_urlencoded::Serializer::new(String::new())
}

fn parse<T: DeserializeOwned>(query: &str) -> ApiResult<T> {
    let parsed = actix_web::web::Query::<T>::from_query(query);
    let parsed =
        parsed.map_err(|error| ApiError::BadRequest(format!("a query parameter is not valid: {error}; see /api/docs")));
    parsed.map(actix_web::web::Query::into_inner)
}

/// # Errors
/// [`ApiError::Invalid`] if the search text breaks a rule.
pub fn check_filter(filter: &ProductFilter) -> ApiResult<()> {
    filter.check().map_or(Ok(()), |error| Err(ApiError::Invalid(vec![error])))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// The order; with a minus, reversed
    #[serde(default)]
    sort: ProductSort,
    /// `next` or `previous` of another page of the same list
    cursor: Option<String>,
    /// Maximum number of products on the page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: usize,
}

fn default_limit() -> usize {
    50
}

/// List products.
///
/// A product whose SKU equals the search text comes first, the others follow in the order of `sort`. Pages do not shift when
/// products are added or deleted: a product that is not changed appears exactly once. The header `Link` (RFC 8288) also names
/// the neighbouring pages. `/products/count` returns the number of products that match.
#[utoipa::path(get, path = "/products", tag = "products", params(ProductFilter, ListParams), responses(
    (status = 200, body = ProductPage, headers(("Link" = String, description = "The first, next and previous page"))),
))]
pub async fn list_products(
    app: Data<App>,
    query: Filtered<ListParams>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let Filtered { filter, params: ListParams { sort, cursor, limit } } = query;
    if !(1..=200).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be 1 to 200"));
    }
    let cursor = match cursor {
        None => Cursor::First,
        Some(text) => Cursor::decode(&text, &filter, sort).ok_or_else(|| {
            ApiError::BadRequest("the cursor does not belong to this list; start without a cursor".into())
        })?,
    };
    let Page { rows, next, previous } = search::page(&app, &filter, sort, &cursor, limit).await?;
    let encode = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.encode(&filter, sort));
    let (next, previous) = (encode(next), encode(previous));
    let links = links(&request, next.as_deref(), previous.as_deref());
    let page = ProductPage { items: rows.into_iter().map(Into::into).collect(), next, previous };
    Ok(HttpResponse::Ok().insert_header((header::LINK, links)).json(page))
}

/// The URLs of the neighbouring pages.
fn links(request: &HttpRequest, next: Option<&str>, previous: Option<&str>) -> String {
    let link = |cursor: Option<&str>, relation: &str| {
        let mut query = query_string();
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
/// The count is exact. For some filters this takes as long as reading the whole catalogue.
#[utoipa::path(get, path = "/products/count", tag = "products", params(ProductFilter), responses(
    (status = 200, body = ProductCount),
))]
pub async fn count_products(app: Data<App>, query: Filtered) -> ApiResult<Json<ProductCount>> {
    Ok(Json(ProductCount { count: search::count(&app, &query.filter).await? }))
}

/// Get the state of the index.
///
/// After an import of many products some orders and filters are slower until the lag is 0. Lists are complete at any time.
#[utoipa::path(get, path = "/products/index", tag = "products", responses(
    (status = 200, body = IndexState),
))]
pub async fn product_index(app: Data<App>) -> ApiResult<Json<IndexState>> {
    Ok(Json(IndexState { lag: search::lag(&mut *app.db().await?).await? }))
}
