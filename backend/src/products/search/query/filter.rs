//! A filter as a condition in SQL. It alone decides what matches; indexes only propose candidates.

use diesel::{
    BoxableExpression, dsl,
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text},
};
use shared::search::ProductFilter;
use trigram_index::folded;

use crate::schema::products;

/// A condition on products. Null, which only the comparison of the import can be, means that a product does not match.
pub type Condition = Box<dyn BoxableExpression<products::table, Pg, SqlType = Nullable<Bool>>>;

/// Returns the condition for the products that match `filter`.
pub fn condition(filter: &ProductFilter) -> Condition {
    let mut all: Condition = Box::new(dsl::sql::<Bool>("true").nullable());
    for word in filter.words() {
        all = Box::new(all.and(contains(word).nullable()));
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

type Match = Box<dyn BoxableExpression<products::table, Pg, SqlType = Bool>>;

/// Whether a text of the product contains `word`, by the equality of [`folded`] texts.
///
/// Folding a text takes ten times as long as comparing it, so texts are first compared as they are. They are folded only if
/// that fails and they have characters beyond ASCII.
fn contains(word: &str) -> Match {
    let folded = folded(word);
    let mut found: Match = Box::new(is_in_folded_texts(&folded).or(is_in_attributes(&folded)));
    if folded.is_ascii() {
        // Without a locale: letters beyond ASCII need not be lower-cased, which takes three quarters of the time.
        found = Box::new(is_in_texts(&folded, "COLLATE \"C\"").or(found));
    }
    if !word.is_ascii() {
        found = Box::new(is_in_texts(word, "").or(found));
    }
    found
}

/// Whether the word is in a text, ignoring case as the collation does.
fn is_in_texts(word: &str, collation: &str) -> Match {
    let text = |column: &str| dsl::sql::<Text>(&format!("products.{column} {collation}"));
    let found = text("sku").ilike(pattern(word)).or(text("name").ilike(pattern(word)));
    Box::new(found.or(text("description").ilike(pattern(word))))
}

fn is_in_folded_texts(word: &str) -> Match {
    let is = "(octet_length(products.sku) + octet_length(products.name) + octet_length(products.description) \
            <> char_length(products.sku) + char_length(products.name) + char_length(products.description) \
        AND search_fold(products.sku || E'\\n' || products.name || E'\\n' || products.description) LIKE ";
    Box::new(dsl::sql::<Bool>(is).bind::<Text, _>(pattern(word)).sql(")"))
}

fn is_in_attributes(word: &str) -> Match {
    let is = "(products.attributes <> '{}' AND EXISTS (SELECT FROM jsonb_each_text(products.attributes) AS attribute \
        WHERE search_fold(attribute.value) LIKE ";
    Box::new(dsl::sql::<Bool>(is).bind::<Text, _>(pattern(word)).sql("))"))
}

/// Returns a pattern of LIKE that matches texts with `word` anywhere in them.
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
    fn wildcards_of_like_are_escaped() {
        assert_eq!(pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
