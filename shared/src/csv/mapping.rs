//! Which column of a file is which field of a product.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::text::header_key;

/// The columns of a file, and the fields of a product that they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Name of each column, in file order; a nameless or duplicate column is given a unique name.
    pub columns: Vec<String>,
    /// Index into `columns`.
    pub sku: usize,
    pub name: usize,
    /// Where a file has no description column, descriptions stay as they are.
    pub description: Option<usize>,
}

impl Mapping {
    /// Returns the indexes of the columns that are stored as attributes.
    pub fn attributes(&self) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(|index| !self.fields().any(|field| field == *index))
    }

    /// Returns the names of the columns that are stored as attributes.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes().map(|index| self.columns[index].as_str())
    }

    /// Returns the indexes of the columns that are fields of every product.
    fn fields(&self) -> impl Iterator<Item = usize> {
        [Some(self.sku), Some(self.name), self.description].into_iter().flatten()
    }

    /// Whether a row repeats the header, as reports do at the top of each page: each field of a product holds the name of
    /// its column.
    pub fn is_header<'row>(&self, cell: impl Fn(usize) -> Option<&'row [u8]>) -> bool {
        self.fields().all(|index| {
            let text = cell(index).and_then(|text| std::str::from_utf8(text).ok());
            text.is_some_and(|text| is_same_name(text, &self.columns[index]))
        })
    }
}

/// Called for every row of a file, and nearly always false: most texts are compared without building their keys.
fn is_same_name(text: &str, column: &str) -> bool {
    text.trim().eq_ignore_ascii_case(column) || (!text.is_ascii() && header_key(text) == header_key(column))
}

/// Returns the columns with a unique name for each nameless or duplicate one.
pub(super) fn with_unique_names(columns: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::with_capacity(columns.len());
    // The number of the last copy of a name: counting from the first for each would take quadratic time.
    let mut copies: HashMap<String, usize> = HashMap::new();
    let mut unique = Vec::with_capacity(columns.len());
    for (index, column) in columns.into_iter().enumerate() {
        let name = if column.is_empty() { format!("column {}", index + 1) } else { column };
        let mut title = name.clone();
        while !taken.insert(title.clone()) {
            let copy = copies.entry(name.clone()).or_insert(1);
            *copy += 1;
            title = format!("{name} ({copy})");
        }
        unique.push(title);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameless_and_repeated_columns_get_names_of_their_own() {
        for (columns, expected) in [
            (&["sku", "name", "", "size", "size"][..], &["sku", "name", "column 3", "size", "size (2)"][..]),
            (&["a", "a (2)", "a", "a"], &["a", "a (2)", "a (3)", "a (4)"]),
            (&["column 2", "", "column 2"], &["column 2", "column 2 (2)", "column 2 (3)"]),
        ] {
            let columns = columns.iter().map(|column| (*column).to_owned()).collect();
            assert_eq!(with_unique_names(columns), expected);
        }
    }

    #[test]
    fn a_name_that_is_repeated_many_times_takes_linear_time() {
        let names = with_unique_names(vec!["a".to_owned(); 200_000]);
        assert_eq!(names[199_999], "a (200000)");
    }

    #[test]
    fn a_row_of_column_names_is_a_repeated_header() {
        let columns = ["sku", "Name", "price"].map(str::to_owned).to_vec();
        let mapping = Mapping { columns, sku: 0, name: 1, description: None };
        let is_header = |row: &[&str]| mapping.is_header(|index| row.get(index).map(|cell| cell.as_bytes()));
        assert!(is_header(&["sku", "Name", "price"]));
        assert!(is_header(&[" SKU", "name\u{200b}"]));
        assert!(!is_header(&["sku", "Tea", "price"]));
        assert!(!is_header(&["sku"]));
    }
}
