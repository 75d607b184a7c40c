//! One page of a list.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{
    product::sku_key,
    search::{ProductFilter, ProductSort},
};

use super::{
    candidates::candidates,
    condition,
    sort::{PageQuery, Ranked},
};
use crate::{
    app::App,
    db,
    http::{ApiError, ApiResult},
    products::{cursor::Cursor, row::ProductRow},
    schema::products,
};

/// Some products of a list, and the cursors of the neighbouring pages.
#[derive(Default)]
pub struct Page {
    pub rows: Vec<ProductRow>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
}

/// Returns the page at `cursor`, with at most `limit` products.
pub async fn page(
    app: &App,
    filter: &ProductFilter,
    sort: ProductSort,
    cursor: &Cursor,
    limit: usize,
) -> ApiResult<Page> {
    let mut conn = app.db_for_read().await?;
    // One snapshot for several statements: a commit between them must not be seen by half of them.
    let mut transaction = conn.build_transaction().read_only().repeatable_read();
    let page = transaction.run(async |conn| {
        super::begin(conn, app).await?;
        let candidates = candidates(conn, filter).await?;
        let exact = exact_match(conn, filter).await?;
        let (from, backward) = match cursor {
            Cursor::First | Cursor::Exact | Cursor::Rest => (None, false),
            Cursor::After(position) => (Some(position), false),
            Cursor::Before(position) => (Some(position), true),
        };
        let excluded_id = exact.as_ref().map(|row| row.id);
        let candidates = candidates.as_deref();
        let query = PageQuery { filter, candidates, excluded_id, sort, backward, from, limit };
        page_of(conn, query, cursor, exact).await
    });
    page.await.map_err(ApiError::from)
}

/// The list consists of the exact match, if there is one, and the other products in the order of the list.
async fn page_of(
    conn: &mut AsyncPgConnection,
    query: PageQuery<'_>,
    cursor: &Cursor,
    exact: Option<ProductRow>,
) -> QueryResult<Page> {
    let limit = query.limit;
    if *cursor == Cursor::Exact {
        return Ok(Page { rows: exact.into_iter().collect(), next: Some(Cursor::Rest), previous: None });
    }
    let begins_with_exact = *cursor == Cursor::First && exact.is_some();
    let wanted = limit - usize::from(begins_with_exact);
    let mut found = PageQuery { limit: wanted + 1, ..query }.fetch(conn).await?;
    let has_more = found.len() > wanted;
    found.truncate(wanted);
    if query.backward {
        found.reverse();
    }
    let after_last = found.last().map_or(Cursor::Rest, |ranked| Cursor::After(ranked.position()));
    let before_first = <[Ranked]>::first(&found).map(|ranked| Cursor::Before(ranked.position()));
    let mut page = Page { rows: found.into_iter().map(|ranked| ranked.row).collect(), ..Page::default() };
    if query.backward {
        page.next = Some(after_last);
        let has_room = page.rows.len() < limit;
        page.previous =
            if has_more { before_first } else { exact.as_ref().filter(|_| !has_room).map(|_| Cursor::Exact) };
        if !has_more && has_room {
            page.rows.splice(0..0, exact);
        }
    } else {
        page.next = has_more.then_some(after_last);
        page.previous = match cursor {
            Cursor::Rest => exact.is_some().then_some(Cursor::Exact),
            Cursor::After(_) => before_first,
            _ => None,
        };
        if begins_with_exact {
            page.rows.splice(0..0, exact);
        }
    }
    Ok(page)
}

/// Returns the product whose SKU equals the search text, if it matches.
async fn exact_match(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Option<ProductRow>> {
    if filter.words().next().is_none() {
        return Ok(None);
    }
    let found = ProductRow::query()
        .filter(products::sku_key.eq(sku_key(&filter.q)))
        .filter(condition(filter))
        .first(conn)
        .await;
    db::optional(found)
}
