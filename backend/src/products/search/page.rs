//! One page of a list.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{ProductFilter, ProductSort, Total, sku_key};

use super::{
    candidates::candidates,
    filter,
    order::{Ranked, Reading},
};
use crate::{
    app::App,
    db,
    error::{ApiError, ApiResult},
    products::{cursor::Window, row::ProductRow},
    schema::products,
};

/// Matches are counted up to here; beyond, a page says that there are more.
const COUNTED: i64 = 10_000;

/// Candidates that are looked at together: nearly all match, so a few more than are counted are mostly enough.
const COUNTED_AT_ONCE: usize = 10_500;

/// Some products of a list, and the windows beside them.
#[derive(Default)]
pub struct Page {
    pub rows: Vec<ProductRow>,
    pub total: Total,
    pub next: Option<Window>,
    pub previous: Option<Window>,
}

/// The products of `window`, at most `limit`, and how many there are, all as of one moment.
pub async fn page(
    app: &App,
    filter: &ProductFilter,
    sort: ProductSort,
    window: &Window,
    limit: usize,
) -> ApiResult<Page> {
    let mut conn = app.db().await?;
    // Several statements ask for one page: what is committed between them must not be seen by half of them.
    let mut transaction = conn.build_transaction().read_only().repeatable_read();
    let page = transaction.run(async |conn| {
        let found = candidates(conn, filter).await?;
        let candidates = found.as_deref();
        let exact = exact(conn, filter).await?;
        let (from, backward) = match window {
            Window::First | Window::Exact | Window::Rest => (None, false),
            Window::After(place) => (Some(place), false),
            Window::Before(place) => (Some(place), true),
        };
        let apart = exact.as_ref().map(|row| row.id);
        let reading = Reading { filter, candidates, apart, sort, backward, from, limit };
        let mut page = window_of(conn, reading, window, exact).await?;
        page.total = total(conn, filter, candidates).await?;
        Ok::<_, diesel::result::Error>(page)
    });
    page.await.map_err(ApiError::from)
}

/// The list is the product whose SKU is searched for, if there is one, and then the rest in its order.
async fn window_of(
    conn: &mut AsyncPgConnection,
    reading: Reading<'_>,
    window: &Window,
    exact: Option<ProductRow>,
) -> QueryResult<Page> {
    let limit = reading.limit;
    if *window == Window::Exact {
        return Ok(Page { rows: exact.into_iter().collect(), next: Some(Window::Rest), ..Page::default() });
    }
    let first = *window == Window::First && exact.is_some();
    let wanted = limit - usize::from(first);
    let mut found = Reading { limit: wanted + 1, ..reading }.read(conn).await?;
    let more = found.len() > wanted;
    found.truncate(wanted);
    if reading.backward {
        found.reverse();
    }
    let after_last = found.last().map_or(Window::Rest, |ranked| Window::After(ranked.place()));
    let before_first = <[Ranked]>::first(&found).map(|ranked| Window::Before(ranked.place()));
    let mut page = Page { rows: found.into_iter().map(|ranked| ranked.row).collect(), ..Page::default() };
    if reading.backward {
        page.next = Some(after_last);
        let has_room = page.rows.len() < limit;
        page.previous = if more { before_first } else { exact.as_ref().filter(|_| !has_room).map(|_| Window::Exact) };
        if !more && has_room {
            page.rows.splice(0..0, exact);
        }
    } else {
        page.next = more.then_some(after_last);
        page.previous = match window {
            Window::Rest => exact.is_some().then_some(Window::Exact),
            Window::After(_) => before_first,
            _ => None,
        };
        if first {
            page.rows.splice(0..0, exact);
        }
    }
    Ok(page)
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
    db::optional(found)
}

async fn total(conn: &mut AsyncPgConnection, filter: &ProductFilter, candidates: Option<&[i64]>) -> QueryResult<Total> {
    let some = || products::table.filter(filter::condition(filter)).select(products::id);
    let mut count = 0;
    match candidates {
        Some(ids) => {
            for part in ids.chunks(COUNTED_AT_ONCE) {
                count += some().filter(products::id.eq_any(part)).count().get_result::<i64>(conn).await?;
                if count > COUNTED {
                    break;
                }
            }
        }
        None => {
            let ids: Vec<i64> = some().limit(COUNTED + 1).load(conn).await?;
            count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        }
    }
    Ok(Total { count: count.min(COUNTED), exact: count <= COUNTED })
}
