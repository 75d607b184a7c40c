//! Reading matches in the order of a list, from a position on.

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
    candidates::{has_range, keys, lagging},
    filter::{self, Condition},
};
use crate::{
    products::{cursor::Position, row::ProductRow},
    schema::{products, search_keys},
};

/// Up to this number of candidates, all are read and sorted. With more, the list is read in its order until enough match.
const MAX_SORTED: usize = 5_000;
/// Up to this number of products without current sort keys are merged into the list. With more, the table is sorted.
const MAX_LAGGING: i64 = 20_000;
/// Maximum number of rows that one statement reads while few of them match.
const MAX_STEP: usize = 5_000;

/// A product and its sort key.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub row: ProductRow,
    pub key: String,
}

impl Ranked {
    pub fn position(&self) -> Position {
        Position { key: self.key.clone(), id: self.row.id }
    }

    fn rank(&self) -> (&str, i64) {
        (&self.key, self.row.id)
    }
}

/// A part of a list.
#[derive(Clone, Copy)]
pub struct PageQuery<'a> {
    pub filter: &'a ProductFilter,
    /// Ids among which all matches are, if they are known.
    pub candidates: Option<&'a [i64]>,
    /// A product that is left out, because it is pinned to the beginning of the list.
    pub excluded_id: Option<i64>,
    pub sort: ProductSort,
    /// Read against the order of `sort`, from the position towards the beginning of the list.
    pub backward: bool,
    pub from: Option<&'a Position>,
    pub limit: usize,
}

impl PageQuery<'_> {
    fn descending(&self) -> bool {
        self.sort.is_descending() != self.backward
    }

    fn condition(&self) -> Condition {
        let all = filter::condition(self.filter);
        match self.excluded_id {
            Some(id) => Box::new(all.and(products::id.ne(id).nullable())),
            None => all,
        }
    }

    /// Returns the next matches in the direction of reading, at most `limit`.
    pub async fn fetch(&self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Ranked>> {
        let by_id = matches!(self.sort, ProductSort::Created | ProductSort::CreatedDesc);
        let by_sku = matches!(self.sort, ProductSort::Sku | ProductSort::SkuDesc);
        match self.candidates {
            Some(ids) if by_id => return self.load_by_id(conn, ids).await,
            Some(ids) if ids.len() <= MAX_SORTED => return self.load_sorted(conn, Some(ids)).await,
            _ => {}
        }
        // The table has an index for this order, and no condition on times or import lets it read many rows in vain.
        if by_sku || by_id && !has_range(self.filter) {
            return self.load_sorted(conn, None).await;
        }
        // A product that was created in time may have changed its rank since.
        let filter = ProductFilter { created_to: self.filter.created_to.filter(|_| by_id), ..self.filter.clone() };
        match lagging(conn, &filter, MAX_LAGGING).await? {
            Some(lagging) => self.load_by_key(conn, &lagging).await,
            None => self.load_sorted(conn, self.candidates).await,
        }
    }

    /// Reads candidates in the order of their ids, in growing steps, until enough match.
    async fn load_by_id(&self, conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Ranked>> {
        let (mut before, mut after) = (ids, ids);
        if let Some(position) = self.from {
            before = &ids[..ids.partition_point(|id| *id < position.id)];
            after = &ids[ids.partition_point(|id| *id <= position.id)..];
        }
        let mut rest: Box<dyn Iterator<Item = i64> + Send> =
            if self.descending() { Box::new(before.iter().rev().copied()) } else { Box::new(after.iter().copied()) };
        let mut found: Vec<Ranked> = Vec::new();
        let mut step = 2 * self.limit;
        while found.len() < self.limit {
            let ids: Vec<i64> = rest.by_ref().take(step).collect();
            if ids.is_empty() {
                break;
            }
            found.extend(self.load_sorted(conn, Some(&ids)).await?);
            step = (step * 4).min(MAX_STEP);
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// Reads in the order of the sort keys, and merges the products whose sort keys are not up to date.
    async fn load_by_key(&self, conn: &mut AsyncPgConnection, lagging: &[i64]) -> QueryResult<Vec<Ranked>> {
        let mut found = if lagging.is_empty() { Vec::new() } else { self.load_sorted(conn, Some(lagging)).await? };
        let mut from = self.from.cloned();
        let (mut step, mut current) = (2 * self.limit, 0);
        while current < self.limit {
            let positions = self.load_positions(conn, from.as_ref(), step).await?;
            let Some(last) = positions.last() else { break };
            from = Some(last.clone());
            // The previous position of a lagging product is irrelevant.
            let is_current = |id: &i64| lagging.binary_search(id).is_err();
            let ids: Vec<i64> = positions.iter().map(|position| position.id).filter(is_current).collect();
            let rows = self.load_sorted(conn, Some(&ids)).await?;
            current += rows.len();
            found.extend(rows);
            step = (step * 4).min(MAX_STEP);
        }
        found.sort_unstable_by(|left, right| left.rank().cmp(&right.rank()));
        if self.descending() {
            found.reverse();
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// Reads the next positions from the sort keys, some of which may be out of date.
    async fn load_positions(
        &self,
        conn: &mut AsyncPgConnection,
        from: Option<&Position>,
        limit: usize,
    ) -> QueryResult<Vec<Position>> {
        let mut query = keys(self.filter).limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let id = search_keys::product_id;
        macro_rules! positions {
            ($key:expr, $at:expr) => {{
                if let Some((key, at)) = $at {
                    // The first comparison lets the index begin at the key.
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
        let text = from.map(|position| (position.key.clone(), position.id));
        match self.sort {
            ProductSort::Name | ProductSort::NameDesc => {
                let rows: Vec<(String, i64)> = positions!(search_keys::name_key, text);
                Ok(rows.into_iter().map(|(key, id)| Position { key, id }).collect())
            }
            ProductSort::Updated | ProductSort::UpdatedDesc => {
                let at = text.and_then(|(key, id)| Some((time_of(&key)?, id)));
                let rows: Vec<(DateTime<Utc>, i64)> = positions!(search_keys::updated_at, at);
                Ok(rows.into_iter().map(|(at, id)| Position { key: key_of(at), id }).collect())
            }
            _ => {
                let at = from.map(|position| (position.id, position.id));
                let rows: Vec<(i64, i64)> = positions!(id, at);
                Ok(rows.into_iter().map(|(_, id)| Position { key: String::new(), id }).collect())
            }
        }
    }

    /// Reads the next matches among `ids`, or among all products, and lets the database sort them.
    async fn load_sorted(&self, conn: &mut AsyncPgConnection, ids: Option<&[i64]>) -> QueryResult<Vec<Ranked>> {
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
        let at = self.from.map(|position| (position.key.clone(), position.id));
        let rows: Vec<(ProductRow, String)> = match self.sort {
            ProductSort::Created | ProductSort::CreatedDesc => ordered!(products::id, at.map(|(_, id)| (id, id))),
            ProductSort::Sku | ProductSort::SkuDesc => ordered!(products::sku_key, at),
            ProductSort::Name | ProductSort::NameDesc => ordered!(name_key(), at),
            ProductSort::Updated | ProductSort::UpdatedDesc => {
                ordered!(products::updated_at, at.and_then(|(key, id)| Some((time_of(&key)?, id))))
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

/// Encodes a time as a key: microseconds, the precision of the database, in digits that sort like the times.
fn key_of(at: DateTime<Utc>) -> String {
    format!("{:020}", at.timestamp_micros())
}

fn time_of(key: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(key.parse().ok()?)
}
