//! The catalogue as a CSV that can be imported again.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, Data, Query},
};
use chrono::Utc;
use csv_async::{AsyncWriter, AsyncWriterBuilder, Terminator};
use diesel::{prelude::*, sql_types::Text};
use diesel_async::RunQueryDsl;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use shared::{formula, problem::Problem, product::Product, search::ProductFilter};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    products::{edit::check_ids, list::FilterParams, queries, row::ProductRow, search},
    schema::products,
};

/// Products that are read at once.
const PAGE: i64 = 1_000;

#[derive(Deserialize, IntoParams)]
pub struct ExportParams {
    /// Numbers of the products, separated by commas, at most 1,000; instead of a filter
    ids: Option<String>,
}

/// Export products as CSV.
///
/// The columns are `sku`, `name` and `description`, then each attribute that one of the products has; an import of the file
/// brings the same data back. Cells that a spreadsheet would run as a formula begin with a quote, which the import removes.
#[utoipa::path(get, path = "/products/export.csv", tag = "products", params(FilterParams, ExportParams), responses(
    (status = 200, body = String, content_type = "text/csv", headers(
        ("Content-Disposition" = String, description = "A file name with the date"),
    )),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn export_products(
    app: Data<App>,
    filter: Query<FilterParams>,
    params: Query<ExportParams>,
) -> ApiResult<HttpResponse> {
    let which = Which::of(filter.into_inner().filter()?, params.into_inner().ids)?;
    let names = which.attribute_names(&app).await?;
    let header =
        csv(std::iter::once(["sku", "name", "description"].into_iter().chain(names.iter().map(String::as_str))))
            .await
            .map_err(ApiError::Internal)?;
    let pages = stream::try_unfold(Some(0), move |after| {
        let (app, which, names) = (app.clone(), which.clone(), names.clone());
        async move {
            let Some(after) = after else { return anyhow::Ok(None) };
            let (rows, next) = which.page(&app, after).await?;
            let products: Vec<Product> = rows.into_iter().map(Into::into).collect();
            let lines = csv(products.iter().map(|product| cells(product, &names))).await?;
            anyhow::Ok(Some((lines, next)))
        }
    });
    let body = stream::once(async { anyhow::Ok(header) }).chain(pages);
    let file_name = format!("attachment; filename=\"products-{}.csv\"", Utc::now().format("%Y-%m-%d"));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, file_name))
        .streaming(body.map(|page| page.map_err(actix_web::error::ErrorInternalServerError))))
}

/// Which products are written.
#[derive(Clone)]
enum Which {
    Matching(ProductFilter),
    Named(Vec<i64>),
}

impl Which {
    fn of(filter: ProductFilter, ids: Option<String>) -> ApiResult<Self> {
        let Some(ids) = ids else { return Ok(Self::Matching(filter)) };
        if !filter.is_empty() {
            return Err(ApiError::invalid("ids", "cannot be together with a filter"));
        }
        let ids: Result<Vec<i64>, _> = ids.split(',').map(str::parse).collect();
        let ids = ids.map_err(|_| ApiError::invalid("ids", "must be numbers, separated by commas"))?;
        check_ids(&ids)?;
        Ok(Self::Named(ids))
    }

    /// The products after number `after`, and what to ask for the next ones. A connection per page: a slow reader holds
    /// none.
    async fn page(&self, app: &App, after: i64) -> anyhow::Result<(Vec<ProductRow>, Option<i64>)> {
        let conn = &mut *app.pool.get().await?;
        match self {
            Self::Named(ids) => Ok((queries::named(conn, ids).await?, None)),
            Self::Matching(filter) => {
                let rows = search::matching(conn, filter, after, PAGE).await?;
                let more = i64::try_from(rows.len())? == PAGE;
                let next = rows.last().filter(|_| more).map(|row| row.id);
                Ok((rows, next))
            }
        }
    }

    /// Each name of an attribute that one of the products has. One that comes into use while the file is written is left
    /// out: the header is already sent.
    async fn attribute_names(&self, app: &App) -> ApiResult<Vec<String>> {
        let keys = diesel::dsl::sql::<Text>("jsonb_object_keys(attributes)");
        let names = products::table.select(keys).distinct();
        let mut conn = app.db().await?;
        let mut names: Vec<String> = match self {
            Self::Named(ids) => names.filter(products::id.eq_any(ids)).load(&mut conn).await?,
            Self::Matching(filter) => names.filter(search::condition(filter)).load(&mut conn).await?,
        };
        names.sort_unstable();
        Ok(names)
    }
}

fn cells<'product>(product: &'product Product, names: &'product [String]) -> impl Iterator<Item = &'product str> {
    [&product.sku, &product.name, &product.description]
        .into_iter()
        .map(String::as_str)
        .chain(names.iter().map(|name| product.attributes.get(name).map_or("", String::as_str)))
}

/// Lines of a file (RFC 4180).
async fn csv<'cell, I>(lines: impl Iterator<Item = I>) -> anyhow::Result<Bytes>
where
    I: Iterator<Item = &'cell str>,
{
    let mut writer: AsyncWriter<Vec<u8>> =
        AsyncWriterBuilder::new().terminator(Terminator::CRLF).create_writer(Vec::new());
    for line in lines {
        writer.write_record(line.map(|cell| formula::defused(cell).into_owned())).await?;
    }
    Ok(writer.into_inner().await.map_err(|error| anyhow::anyhow!("{error}"))?.into())
}
