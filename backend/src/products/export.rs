//! The catalogue as a CSV file that can be imported again.

use actix_web::{HttpResponse, web::Data};
use chrono::Utc;
use diesel::{
    dsl,
    prelude::*,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use shared::{
    product::{Field, Product, ProductInput},
    search::ProductFilter,
};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{
        ApiError, ApiResult,
        csv::{self, CsvDelimiter, CsvOptions},
    },
    products::{edit::check_ids, list::Filtered, queries, row::ProductRow, search},
    schema::products,
};

/// Maximum number of products that are read at once.
const BATCH_SIZE: i64 = 1_000;
/// Maximum size of the lines that are in memory at once, in bytes, unless one product is larger.
const BATCH_BYTES: i64 = 4 << 20;
/// Maximum number of attribute columns. Each line of the file has a cell for each of them.
const MAX_ATTRIBUTE_COLUMNS: usize = 2_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    /// Ids of products, separated by commas, at most 1,000; instead of a filter
    ids: Option<String>,
    /// Begin with a byte order mark, by which Excel recognizes UTF-8
    #[serde(default)]
    #[param(default = false)]
    bom: bool,
    /// Separator of the cells
    #[serde(default)]
    #[param(inline)]
    delimiter: CsvDelimiter,
}

/// Export products as CSV.
///
/// The columns are `sku`, `name` and `description`, then each attribute of any of the products, of which there may be at most
/// 2,000. Importing the file restores the same data. Cells that a spreadsheet would run as a formula begin with an apostrophe,
/// which an import removes.
#[utoipa::path(get, path = "/products/export.csv", tag = "products", params(ProductFilter, ExportParams), responses(
    (status = 200, body = String, content_type = "text/csv", headers(
        ("Content-Disposition" = String, description = "A file name with the date"),
    )),
))]
pub async fn export_products(app: Data<App>, query: Filtered<ExportParams>) -> ApiResult<HttpResponse> {
    let ExportParams { ids, bom, delimiter } = query.params;
    let options = CsvOptions { bom, delimiter };
    let selection = Selection::of(query.filter, ids)?;
    let names = selection.attribute_names(&app).await?;
    let header = Field::TEXTS.map(Field::as_str).into_iter().map(String::from).chain(names.iter().cloned()).collect();
    let file_name = format!("products-{}.csv", Utc::now().format("%Y-%m-%d"));
    csv::download(app, options, &file_name, header, 0, async move |conn, after| {
        let (rows, next) = selection.batch(conn, after, names.len()).await?;
        Ok((rows.into_iter().map(|row| cells(&Product::from(row).into(), &names)).collect(), next))
    })
    .await
}

/// The products to export.
#[derive(Clone)]
enum Selection {
    Matching(ProductFilter),
    Ids(Vec<i64>),
}

impl Selection {
    fn of(filter: ProductFilter, ids: Option<String>) -> ApiResult<Self> {
        let Some(ids) = ids else { return Ok(Self::Matching(filter)) };
        if !filter.is_empty() {
            return Err(ApiError::invalid("ids", "cannot be combined with a filter"));
        }
        let ids: Result<Vec<i64>, _> = ids.split(',').map(str::parse).collect();
        let ids = ids.map_err(|_| ApiError::invalid("ids", "must be numbers, separated by commas"))?;
        check_ids(&ids)?;
        Ok(Self::Ids(ids))
    }

    /// Returns the next products with an id greater than `after`, and the id after which the rest follows. The sizes are read
    /// first, so that products with long texts do not come in one batch.
    async fn batch(
        &self,
        conn: &mut AsyncPgConnection,
        after: i64,
        columns: usize,
    ) -> QueryResult<(Vec<ProductRow>, Option<i64>)> {
        let bytes = dsl::sql::<BigInt>(
            "(octet_length(name) + octet_length(description) + octet_length(attributes::text))::bigint",
        );
        let sizes = products::table
            .filter(products::id.gt(after))
            .select((products::id, bytes))
            .order(products::id)
            .limit(BATCH_SIZE);
        let sizes: Vec<(i64, i64)> = match self {
            Self::Ids(ids) => sizes.filter(products::id.eq_any(ids)).load(conn).await?,
            Self::Matching(filter) => sizes.filter(search::condition(filter)).load(conn).await?,
        };
        let (mut ids, mut total) = (Vec::new(), 0);
        for (id, bytes) in &sizes {
            total += bytes + i64::try_from(columns).unwrap_or(i64::MAX);
            if !ids.is_empty() && total > BATCH_BYTES {
                break;
            }
            ids.push(*id);
        }
        let is_last = ids.len() == sizes.len() && i64::try_from(sizes.len()).unwrap_or(i64::MAX) < BATCH_SIZE;
        let next = ids.last().copied().filter(|_| !is_last);
        Ok((queries::get_many(conn, &ids).await?, next))
    }

    /// Returns the distinct names of the products' attributes. A name that is first used while the file is written is left out,
    /// because the header has been sent.
    async fn attribute_names(&self, app: &App) -> ApiResult<Vec<String>> {
        let names = products::table
            .select(dsl::sql::<Text>("jsonb_object_keys(attributes)"))
            .distinct()
            .limit(i64::try_from(MAX_ATTRIBUTE_COLUMNS + 1).unwrap_or(i64::MAX));
        let mut conn = app.db_for_read().await?;
        let mut names: Vec<String> = match self {
            Self::Ids(ids) => names.filter(products::id.eq_any(ids)).load(&mut conn).await?,
            Self::Matching(filter) => names.filter(search::condition(filter)).load(&mut conn).await?,
        };
        if names.len() > MAX_ATTRIBUTE_COLUMNS {
            return Err(ApiError::BadRequest(format!(
                "the products have more than {MAX_ATTRIBUTE_COLUMNS} different attributes, too many for the columns of one \
                 file; export fewer products, by a filter or by ids"
            )));
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn cells(product: &ProductInput, names: &[String]) -> Vec<String> {
    let attribute = |name: &String| product.attributes.get(name).cloned().unwrap_or_default();
    Field::TEXTS.into_iter().map(|field| field.text(product).to_owned()).chain(names.iter().map(attribute)).collect()
}
