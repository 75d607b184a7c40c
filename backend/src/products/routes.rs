//! `/products`.

use actix_web::{
    get,
    web::{Data, Json, Query},
};
use serde::Deserialize;
use shared::{FieldError, Problem, ProductPage};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    app::App,
    error::{ApiError, ApiResult},
    products::queries::{self, Window},
};

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_products);
}

#[derive(Deserialize, IntoParams)]
struct ListProducts {
    /// `next` or `previous` of another page
    cursor: Option<String>,
    /// Products on the page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: usize,
}

fn default_limit() -> usize {
    50
}

/// List products, in the order in which they came into the catalogue.
#[utoipa::path(tag = "products", params(ListProducts), responses(
    (status = 200, body = ProductPage),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
#[get("/products")]
async fn list_products(app: Data<App>, query: Query<ListProducts>) -> ApiResult<Json<ProductPage>> {
    let invalid = |field: &str, message: &str| {
        ApiError::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    };
    if !(1..=200).contains(&query.limit) {
        return Err(invalid("limit", "must be 1 to 200"));
    }
    let window = match &query.cursor {
        None => Window::First,
        Some(cursor) => {
            parse(cursor).ok_or_else(|| invalid("cursor", "is not a cursor of this list; begin without one"))?
        }
    };
    let mut conn = app.db().await?;
    let (rows, more) = queries::page(&mut conn, window, query.limit).await?;
    let total = queries::count(&mut conn).await?;
    let backward = matches!(window, Window::Before(_));
    // Where a window was entered from, there is a page; whether there is one ahead was looked up.
    let (has_previous, has_next) = if backward { (more, true) } else { (window != Window::First, more) };
    let next = rows.last().filter(|_| has_next).map(|row| format!("after-{}", row.id));
    let previous = rows.first().filter(|_| has_previous).map(|row| format!("before-{}", row.id));
    Ok(Json(ProductPage { items: rows.into_iter().map(Into::into).collect(), total, next, previous }))
}

fn parse(cursor: &str) -> Option<Window> {
    let (side, id) = cursor.split_once('-')?;
    let id = id.parse().ok()?;
    match side {
        "after" => Some(Window::After(id)),
        "before" => Some(Window::Before(id)),
        _ => None,
    }
}
