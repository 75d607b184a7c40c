//! Reading matches in an order, from a place on.

use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::{
    BoxableExpression, dsl,
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::search::{ProductFilter, ProductSort};

use super::{
    candidates::{has_range, keys, pending},
    filter::{self, Condition},
    zones,
};
use crate::{
    products::{cursor::Place, row::ProductRow},
    schema::{products, search_keys},
};

/// Up to so many candidates, all are read and sorted; of more, the list is read in its order until enough match.
const SORTED: usize = 5_000;
/// Up to so many products that are not in `search_keys` yet are merged in; while they are more, the products themselves
/// are sorted.
const MERGED: i64 = 20_000;
/// Rows that are read at once at most, while few of them match.
const LARGEST_STEP: usize = 5_000;

/// A product and what it is sorted by before its id.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub row: ProductRow,
    pub key: String,
}

impl Ranked {
    pub fn place(&self) -> Place {
        Place { key: self.key.clone(), id: self.row.id }
    }

    fn rank(&self) -> (&str, i64) {
        (&self.key, self.row.id)
    }
}

/// What is read, and in which direction.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub filter: &'a ProductFilter,
    /// All matches are among these, where it is known.
    pub candidates: Option<&'a [i64]>,
    /// A product that is left out: it was shown first.
    pub apart: Option<i64>,
    pub sort: ProductSort,
    /// Against the order of `sort`: from the place to the beginning of the list.
    pub backward: bool,
    pub from: Option<&'a Place>,
    pub limit: usize,
}

impl Reading<'_> {
    fn descending(&self) -> bool {
        self.sort.is_descending() != self.backward
    }

    fn condition(&self) -> Condition {
        let all = filter::condition(self.filter);
        match self.apart {
            Some(id) => Box::new(all.and(products::id.ne(id).nullable())),
            None => all,
        }
    }

    /// The next matches, at most `limit`, in the direction of reading.
    pub async fn read(&self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Ranked>> {
        let by_id = matches!(self.sort, ProductSort::Created | ProductSort::CreatedDesc);
        let by_sku = matches!(self.sort, ProductSort::Sku | ProductSort::SkuDesc);
        match self.candidates {
            Some(ids) if by_id => return self.by_id(conn, ids).await,
            Some(ids) if ids.len() <= SORTED => return self.sorted(conn, Some(ids)).await,
            _ => {}
        }
        // What the products themselves have an index for, and nothing that would keep it from meeting matches soon.
        if by_sku || by_id && !has_range(self.filter) {
            return self.sorted(conn, None).await;
        }
        // A product that was created in time may have got another rank since.
        let filter = ProductFilter { created_to: self.filter.created_to.filter(|_| by_id), ..self.filter.clone() };
        match pending(conn, &filter, MERGED).await? {
            Some(pending) => self.by_key(conn, &pending).await,
            None => self.sorted(conn, self.candidates).await,
        }
    }

    /// Through candidates in the order of their ids, step by step, until there are enough.
    async fn by_id(&self, conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Ranked>> {
        let (mut before, mut after) = (ids, ids);
        if let Some(place) = self.from {
            before = &ids[..ids.partition_point(|id| *id < place.id)];
            after = &ids[ids.partition_point(|id| *id <= place.id)..];
        }
        let mut rest: Box<dyn Iterator<Item = i64> + Send> =
            if self.descending() { Box::new(before.iter().rev().copied()) } else { Box::new(after.iter().copied()) };
        let mut found: Vec<Ranked> = Vec::new();
        let mut step = 2 * self.limit;
        while found.len() < self.limit {
            let some: Vec<i64> = rest.by_ref().take(step).collect();
            if some.is_empty() {
                break;
            }
            found.extend(self.sorted(conn, Some(&some)).await?);
            step = (step * 4).min(LARGEST_STEP);
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// By `search_keys`, merged with the products that it is behind of.
    async fn by_key(&self, conn: &mut AsyncPgConnection, pending: &[i64]) -> QueryResult<Vec<Ranked>> {
        let mut found = if pending.is_empty() { Vec::new() } else { self.sorted(conn, Some(pending)).await? };
        let mut from = self.from.cloned();
        let (mut step, mut known) = (2 * self.limit, 0);
        while known < self.limit {
            let places = self.keys(conn, from.as_ref(), step).await?;
            let Some(last) = places.last() else { break };
            from = Some(last.clone());
            // Where a pending product stood before is of no interest.
            let is_current = |id: &i64| pending.binary_search(id).is_err();
            let ids: Vec<i64> = places.iter().map(|place| place.id).filter(is_current).collect();
            let rows = self.sorted(conn, Some(&ids)).await?;
            known += rows.len();
            found.extend(rows);
            step = (step * 4).min(LARGEST_STEP);
        }
        found.sort_unstable_by(|left, right| left.rank().cmp(&right.rank()));
        if self.descending() {
            found.reverse();
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// The next places by `search_keys`, which may be behind.
    async fn keys(&self, conn: &mut AsyncPgConnection, from: Option<&Place>, limit: usize) -> QueryResult<Vec<Place>> {
        let mut query = keys(self.filter).limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let id = search_keys::product_id;
        macro_rules! places {
            ($key:expr, $at:expr) => {{
                if let Some((key, at)) = $at {
                    // Said so that the index is entered at the key.
                    query = if self.descending() {
                        query.filter($key.le(key.clone()).and($key.lt(key).or(id.lt(at))))
                    } else {
                        query.filter($key.ge(key.clone()).and($key.gt(key).or(id.gt(at))))
                    };
                }
                query = if self.descending() {
                    query.order(($key.desc(), id.desc()))
                } else {
                    query.order(($key.asc(), id.asc()))
                };
                query.select(($key, id)).load(conn).await?
            }};
        }
        let text = from.map(|place| (place.key.clone(), place.id));
        match self.sort {
            ProductSort::Name | ProductSort::NameDesc => {
                let rows: Vec<(String, i64)> = places!(search_keys::name_key, text);
                Ok(rows.into_iter().map(|(key, id)| Place { key, id }).collect())
            }
            ProductSort::Updated | ProductSort::UpdatedDesc => {
                let at = text.and_then(|(key, id)| Some((moment(&key)?, id)));
                let rows: Vec<(DateTime<Utc>, i64)> = places!(search_keys::updated_at, at);
                Ok(rows.into_iter().map(|(at, id)| Place { key: key_of(at), id }).collect())
            }
            _ => self.ids(conn, from, limit).await,
        }
    }

    /// The same by id, in the zones where there may be any.
    async fn ids(&self, conn: &mut AsyncPgConnection, from: Option<&Place>, limit: usize) -> QueryResult<Vec<Place>> {
        let id = search_keys::product_id;
        let beyond = |run: &Range<i64>| match from {
            Some(place) if self.descending() => run.start..run.end.min(place.id),
            Some(place) => run.start.max(place.id + 1)..run.end,
            None => run.clone(),
        };
        let runs = zones::runs(conn, self.filter).await?;
        let mut rest: Vec<_> = runs.iter().map(beyond).filter(|run| !run.is_empty()).collect();
        if self.descending() {
            rest.reverse();
        }
        let mut places = Vec::new();
        for run in rest {
            let missing = i64::try_from(limit - places.len()).unwrap_or(i64::MAX);
            let query = keys(self.filter).filter(id.ge(run.start).and(id.lt(run.end))).select(id).limit(missing);
            let query = if self.descending() { query.order(id.desc()) } else { query.order(id.asc()) };
            let found: Vec<i64> = query.load(conn).await?;
            places.extend(found.into_iter().map(|id| Place { key: String::new(), id }));
            if places.len() == limit {
                break;
            }
        }
        Ok(places)
    }

    /// The next matches among `ids`, or among all products, sorted by the database.
    async fn sorted(&self, conn: &mut AsyncPgConnection, ids: Option<&[i64]>) -> QueryResult<Vec<Ranked>> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut query = products::table.filter(self.condition()).limit(limit).into_boxed();
        if let Some(ids) = ids {
            query = query.filter(products::id.eq_any(ids));
        }
        let name_key = || dsl::sql::<Text>("lower(products.name) COLLATE \"C\"");
        macro_rules! ordered {
            ($key:expr, $at:expr) => {{
                if let Some((key, id)) = $at {
                    let beyond: Beyond = if self.descending() {
                        Box::new($key.le(key.clone()).and($key.lt(key).or(products::id.lt(id))).nullable())
                    } else {
                        Box::new($key.ge(key.clone()).and($key.gt(key).or(products::id.gt(id))).nullable())
                    };
                    query = query.filter(beyond);
                }
                query = if self.descending() {
                    query.order(($key.desc(), products::id.desc()))
                } else {
                    query.order(($key.asc(), products::id.asc()))
                };
                query.select((ProductRow::as_select(), name_key())).load(conn).await?
            }};
        }
        let at = self.from.map(|place| (place.key.clone(), place.id));
        let rows: Vec<(ProductRow, String)> = match self.sort {
            ProductSort::Created | ProductSort::CreatedDesc => ordered!(products::id, at.map(|(_, id)| (id, id))),
            ProductSort::Sku | ProductSort::SkuDesc => ordered!(products::sku_key, at),
            ProductSort::Name | ProductSort::NameDesc => ordered!(name_key(), at),
            ProductSort::Updated | ProductSort::UpdatedDesc => {
                ordered!(products::updated_at, at.and_then(|(key, id)| Some((moment(&key)?, id))))
            }
        };
        Ok(rows.into_iter().map(|(row, name_key)| self.ranked(row, name_key)).collect())
    }

    fn ranked(&self, row: ProductRow, name_key: String) -> Ranked {
        let key = match self.sort {
            ProductSort::Created | ProductSort::CreatedDesc => String::new(),
            ProductSort::Sku | ProductSort::SkuDesc => row.sku_key.clone(),
            ProductSort::Name | ProductSort::NameDesc => name_key,
            ProductSort::Updated | ProductSort::UpdatedDesc => key_of(row.updated_at),
        };
        Ranked { row, key }
    }
}

type Beyond = Box<dyn BoxableExpression<products::table, Pg, SqlType = Nullable<Bool>>>;

/// A moment as a key: microseconds, as exact as the database is, in digits that sort as the moments do.
fn key_of(at: DateTime<Utc>) -> String {
    format!("{:020}", at.timestamp_micros())
}

fn moment(key: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(key.parse().ok()?)
}
