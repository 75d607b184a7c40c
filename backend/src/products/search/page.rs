//! One page of a list.

use chrono::{DateTime, Utc};
use diesel::{
    BoxableExpression, dsl,
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{ProductFilter, ProductSort, Total, sku_key};

use super::filter::{self, Condition};
use crate::{
    app::App,
    error::ApiResult,
    products::{
        cursor::{Place, Window},
        row::ProductRow,
    },
    schema::products,
};

/// Matches are counted up to here; beyond, a page says that there are more.
const COUNTED: i64 = 10_000;

/// Some products of a list, and the windows beside them.
pub struct Page {
    pub rows: Vec<ProductRow>,
    pub total: Total,
    pub next: Option<Window>,
    pub previous: Option<Window>,
}

/// The products of `window`, at most `limit`.
pub async fn page(
    app: &App,
    filter: &ProductFilter,
    sort: ProductSort,
    window: Window,
    limit: usize,
) -> ApiResult<Page> {
    let conn = &mut *app.db().await?;
    let exact = exact(conn, filter).await?;
    let apart = exact.as_ref().map(|row| row.id);
    let condition = || -> Condition {
        let all = filter::condition(filter);
        match apart {
            Some(id) => Box::new(all.and(products::id.ne(id).nullable())),
            None => all,
        }
    };
    let first = matches!(window, Window::First);
    let wanted = if first && exact.is_some() { limit - 1 } else { limit };
    let mut found = walk(conn, condition(), sort, &window, wanted + 1).await?;
    let more = found.len() > wanted;
    found.truncate(wanted);
    let backward = matches!(window, Window::Before(_));
    if backward {
        found.reverse();
    }
    let place = |item: Option<&(ProductRow, String)>| item.map(|(row, key)| Place { key: key.clone(), id: row.id });
    let (mut next, mut previous) =
        (place(found.last()).map(Window::After), place(<[_]>::first(&found)).map(Window::Before));
    let mut rows: Vec<_> = found.into_iter().map(|(row, _)| row).collect();
    if backward {
        if !more {
            previous = previous.filter(|_| exact.is_some() && rows.len() == limit);
            if previous.is_none() {
                rows.splice(0..0, exact);
                next = next.or(Some(Window::Rest));
            }
        }
    } else {
        next = next.filter(|_| more);
        if first {
            previous = None;
            if limit == 1 && exact.is_some() && more {
                next = Some(Window::Rest);
            }
            rows.splice(0..0, exact);
        }
    }
    let total = total(conn, filter).await?;
    Ok(Page { rows, total, next, previous })
}

/// The product whose SKU is what is searched for, if it matches.
async fn exact(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Option<ProductRow>> {
    if filter.words().next().is_none() {
        return Ok(None);
    }
    let found = ProductRow::query()
        .filter(products::sku_key.eq(sku_key(&filter.q)))
        .filter(filter::condition(filter))
        .first(conn)
        .await;
    crate::db::optional(found)
}

async fn total(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Total> {
    let some = products::table.filter(filter::condition(filter)).select(products::id).limit(COUNTED + 1);
    let count = some.load::<i64>(conn).await?.len();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(Total { count: count.min(COUNTED), exact: count <= COUNTED })
}

async fn walk(
    conn: &mut AsyncPgConnection,
    condition: Condition,
    sort: ProductSort,
    window: &Window,
    limit: usize,
) -> QueryResult<Vec<(ProductRow, String)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let name_key = || dsl::sql::<Text>("lower(products.name) COLLATE \"C\"");
    let at = match window {
        Window::First | Window::Rest => None,
        Window::After(place) | Window::Before(place) => Some(place),
    };
    let descending = sort.is_descending() != matches!(window, Window::Before(_));
    let mut query = products::table.filter(condition).limit(limit).into_boxed();
    type Beyond = Box<dyn BoxableExpression<products::table, Pg, SqlType = Nullable<Bool>>>;
    macro_rules! ordered {
        ($key:expr, $at:expr, $text:expr) => {{
            if let Some((key, id)) = $at {
                let beyond: Beyond = if descending {
                    Box::new($key.lt(key.clone()).or($key.eq(key).and(products::id.lt(id))).nullable())
                } else {
                    Box::new($key.gt(key.clone()).or($key.eq(key).and(products::id.gt(id))).nullable())
                };
                query = query.filter(beyond);
            }
            query = if descending {
                query.order(($key.desc(), products::id.desc()))
            } else {
                query.order(($key.asc(), products::id.asc()))
            };
            query.select((ProductRow::as_select(), $text)).load(conn).await
        }};
    }
    let text = at.map(|at| (at.key.clone(), at.id));
    match sort {
        ProductSort::Created | ProductSort::CreatedDesc => {
            ordered!(products::id, at.map(|at| (at.id, at.id)), dsl::sql::<Text>("''"))
        }
        ProductSort::Sku | ProductSort::SkuDesc => ordered!(products::sku_key, text, products::sku_key),
        ProductSort::Name | ProductSort::NameDesc => ordered!(name_key(), text, name_key()),
        ProductSort::Updated | ProductSort::UpdatedDesc => {
            let at = text.and_then(|(key, id)| Some((key.parse::<DateTime<Utc>>().ok()?, id)));
            let _ = dsl::sql::<Timestamptz>("now()");
            ordered!(products::updated_at, at, dsl::sql::<Text>("to_json(products.updated_at)#>>'{}'"))
        }
    }
}
