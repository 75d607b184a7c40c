//! One page of a list.

use std::time::{Duration, Instant};

use diesel::{BoxableExpression, dsl::max, pg::Pg, prelude::*, sql_types::Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::seq::IndexedRandom;
use shared::{
    product::sku_key,
    search::{ProductFilter, ProductSort, Total},
};

use super::{
    candidates::{Candidates, candidates},
    filter,
    order::{Ranked, Reading},
};
use crate::{
    app::App,
    db,
    http::{ApiError, ApiResult},
    products::{cursor::Window, row::ProductRow},
    schema::products,
};

/// Matches are counted up to here; beyond, a page says that there are more.
const COUNTED: i64 = 10_000;

/// So long after a page was asked for, counting ends, and the page says that there are more than were met. As many as ten
/// thousand lie anywhere on the disk, and a machine that is importing has other things to do.
const COUNTING: Duration = Duration::from_millis(10);
/// Products that are looked at by the first statement that counts. Each further one looks at twice as many.
const COUNTED_FIRST: usize = 200;

/// Candidates by which the rest is judged.
const SAMPLE: usize = 200;

/// More candidates than a page holds are looked at before all else while they are so few: what is left is what matches.
const NARROWED: usize = 1_000;

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
    let asked = Instant::now();
    // Several statements ask for one page: what is committed between them must not be seen by half of them.
    let mut transaction = conn.build_transaction().read_only().repeatable_read();
    let page = transaction.run(async |conn| {
        super::lock_in_order(conn).await?;
        let mut candidates = candidates(conn, filter).await?;
        let counted = narrow(conn, filter, &mut candidates, limit).await?;
        let exact = exact(conn, filter).await?;
        let (from, backward) = match window {
            Window::First | Window::Exact | Window::Rest => (None, false),
            Window::After(place) => (Some(place), false),
            Window::Before(place) => (Some(place), true),
        };
        let apart = exact.as_ref().map(|row| row.id);
        let reading = Reading { filter, candidates: candidates.all(), apart, sort, backward, from, limit };
        let mut page = window_of(conn, reading, window, exact).await?;
        let shown = i64::try_from(page.rows.len()).unwrap_or(i64::MAX);
        page.total = if page.next.is_none() && *window == Window::First {
            Total { count: shown, exact: true }
        } else if let Some(count) = counted {
            Total { count, exact: true }
        } else {
            total(conn, filter, &candidates, shown, asked).await?
        };
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

/// Leaves of few candidates what matches, and counts it.
async fn narrow(
    conn: &mut AsyncPgConnection,
    filter: &ProductFilter,
    candidates: &mut Candidates,
    limit: usize,
) -> QueryResult<Option<i64>> {
    let Candidates::All(ids) = candidates else { return Ok(None) };
    if !(limit..=NARROWED).contains(&ids.len()) {
        return Ok(None);
    }
    let matches = products::table.filter(filter::condition(filter)).filter(products::id.eq_any(&*ids));
    *ids = matches.select(products::id).order(products::id).load(conn).await?;
    Ok(i64::try_from(ids.len()).ok())
}

/// How many match, of whom `shown` are known and are not all.
async fn total(
    conn: &mut AsyncPgConnection,
    filter: &ProductFilter,
    candidates: &Candidates,
    shown: i64,
    asked: Instant,
) -> QueryResult<Total> {
    let more = Total { count: COUNTED, exact: false };
    let (Candidates::All(ids) | Candidates::Some(ids)) = candidates;
    if ids.len() > at_most(COUNTED) && is_sure(conn, filter, ids).await? {
        return Ok(more);
    }
    // Their index names no others.
    if let Candidates::All(ids) = candidates
        && *filter == (ProductFilter { active: Some(false), ..ProductFilter::default() })
    {
        return Ok(Total { count: i64::try_from(ids.len()).unwrap_or(i64::MAX), exact: true });
    }
    let begun = Instant::now();
    let mut places = match candidates {
        Candidates::All(ids) => Places::Among(ids),
        Candidates::Some(_) => Places::UpTo {
            last: products::table.select(max(products::id)).first(conn).await?,
            // Neighbours are quickly read, and more quickly where no text is looked through: the first statement then meets
            // ten thousand.
            neighbours: if filter.words().next().is_some() { 8 } else { 60 },
        },
    };
    let (mut count, mut size) = (0, COUNTED_FIRST);
    while let Some(portion) = places.take(size) {
        // The next statement looks at twice as many as all before it, at most.
        if size > COUNTED_FIRST && asked.elapsed() + 2 * begun.elapsed() > COUNTING {
            return Ok(Total { count: count.max(shown).max(1) - 1, exact: false });
        }
        let matches = products::table.filter(filter::condition(filter)).filter(portion).select(products::id);
        let found = matches.limit(COUNTED + 1 - count).load::<i64>(conn).await?.len();
        count += i64::try_from(found).unwrap_or(i64::MAX);
        if count > COUNTED {
            return Ok(more);
        }
        size *= 2;
    }
    Ok(Total { count, exact: true })
}

/// Where matches are still to be counted.
enum Places<'a> {
    Among(&'a [i64]),
    /// Among all up to this id, and so many neighbours instead of one that lies anywhere.
    UpTo {
        last: Option<i64>,
        neighbours: usize,
    },
}

type Portion<'a> = Box<dyn BoxableExpression<products::table, Pg, SqlType = Bool> + 'a>;

impl<'a> Places<'a> {
    /// The next `size` of them.
    fn take(&mut self, size: usize) -> Option<Portion<'a>> {
        match self {
            Self::Among([]) => None,
            Self::Among(ids) => {
                let (some, others) = ids.split_at(size.min(ids.len()));
                *ids = others;
                Some(Box::new(products::id.eq_any(some)))
            }
            Self::UpTo { last, neighbours } => {
                let end = last.take()?;
                let start = end - i64::try_from(*neighbours * size).unwrap_or(end);
                *last = Some(start).filter(|start| *start > 0);
                Some(Box::new(products::id.gt(start).and(products::id.le(end))))
            }
        }
    }
}

fn at_most(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

async fn matches_among(conn: &mut AsyncPgConnection, filter: &ProductFilter, ids: &[i64]) -> QueryResult<i64> {
    let matches = products::table.filter(filter::condition(filter)).filter(products::id.eq_any(ids));
    matches.count().get_result(conn).await
}

/// Whether more than [`COUNTED`] of these candidates match, judged by some of them: to read ten thousand products that lie
/// anywhere on the disk would take longer than all the rest. Where the sample leaves a doubt of more than four standard
/// deviations, the answer is no, and they are counted.
async fn is_sure(conn: &mut AsyncPgConnection, filter: &ProductFilter, ids: &[i64]) -> QueryResult<bool> {
    let some: Vec<i64> = ids.choose_multiple(&mut rand::rng(), SAMPLE).copied().collect();
    let matches = matches_among(conn, filter, &some).await?;
    Ok(lower_bound(matches, some.len()) * count_of(ids.len()) > count_of(at_most(COUNTED)))
}

/// The share of matches that `matches` of `sample` prove, by Wilson's score interval with z = 4 (Wilson 1927).
fn lower_bound(matches: i64, sample: usize) -> f64 {
    const Z2: f64 = 16.0;
    let n = count_of(sample);
    let share = count_of(at_most(matches)) / n;
    let spread = (Z2 * share.mul_add(1.0 - share, Z2 / (4.0 * n)) / n).sqrt();
    (share + Z2 / (2.0 * n) - spread) / (1.0 + Z2 / n)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn count_of(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_proves_less_than_it_shows() {
        assert!((lower_bound(500, 500) - 0.969).abs() < 0.001);
        assert!((lower_bound(250, 500) - 0.412).abs() < 0.001);
        assert!(lower_bound(0, 500).abs() < 0.001);
    }
}
