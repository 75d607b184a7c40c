//! A filter as a condition of SQL. It decides alone what matches; indexes only say where to look.

use diesel::{
    BoxableExpression, dsl,
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text},
};
use shared::search::ProductFilter;

use crate::schema::products;

/// A condition on products. No column in it can be null but one, where null means that the filter does not hold.
pub type Condition = Box<dyn BoxableExpression<products::table, Pg, SqlType = Nullable<Bool>>>;

/// Holds for the products that are meant by `filter`.
pub fn condition(filter: &ProductFilter) -> Condition {
    let mut all: Condition = Box::new(dsl::sql::<Bool>("true").nullable());
    for word in filter.words() {
        all = Box::new(all.and(found(word).nullable()));
    }
    if let Some(active) = filter.active {
        all = if active { Box::new(all.and(products::active)) } else { Box::new(all.and(dsl::not(products::active))) };
    }
    if let Some(has) = filter.has_description {
        all = if has {
            Box::new(all.and(products::description.ne("")))
        } else {
            Box::new(all.and(products::description.eq("")))
        };
    }
    if let Some(from) = filter.created_from {
        all = Box::new(all.and(products::created_at.ge(from)));
    }
    if let Some(to) = filter.created_to {
        all = Box::new(all.and(products::created_at.lt(to)));
    }
    if let Some(from) = filter.updated_from {
        all = Box::new(all.and(products::updated_at.ge(from)));
    }
    if let Some(to) = filter.updated_to {
        all = Box::new(all.and(products::updated_at.lt(to)));
    }
    if let Some(import) = filter.import {
        all = Box::new(all.and(products::import_id.eq(import)));
    }
    all
}

/// Whether a text of the product has `word`. Where that is ASCII, letters beyond need not be lower-cased, which takes three
/// quarters of the time.
fn found(word: &str) -> Box<dyn BoxableExpression<products::table, Pg, SqlType = Bool>> {
    let pattern = pattern(word);
    if word.is_ascii() {
        let text = |sql: &str| dsl::sql::<Text>(sql);
        let found = text("products.sku COLLATE \"C\"").ilike(pattern.clone());
        let found = found.or(text("products.name COLLATE \"C\"").ilike(pattern.clone()));
        return Box::new(found.or(text("products.description COLLATE \"C\"").ilike(pattern)));
    }
    let found = products::sku.ilike(pattern.clone()).or(products::name.ilike(pattern.clone()));
    Box::new(found.or(products::description.ilike(pattern)))
}

/// A pattern of LIKE that finds `word` anywhere.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_to_like_stands_for_itself() {
        assert_eq!(pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
