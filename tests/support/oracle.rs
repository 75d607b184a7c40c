//! The catalogue that an import must produce, computed independently of the importer: the `csv` crate reads the whole
//! file at once, and a map holds the last row of each SKU.

use std::collections::{BTreeMap, HashMap};

use shared::{import::Counts, product::sku_key};

use crate::{csv::Csv, database::TestDatabase};

/// SKU, name, description and the active flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub sku: String,
    pub name: String,
    pub description: String,
    pub active: bool,
}

/// A catalogue by SKU key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub lines: BTreeMap<String, Line>,
}

impl Table {
    /// Reads the catalogue of the database.
    pub async fn read(db: &TestDatabase) -> Self {
        let rows = db.client.query("SELECT sku_key, sku, name, description, active FROM products", &[]).await.unwrap();
        let lines = rows.iter().map(|row| {
            let line = Line { sku: row.get(1), name: row.get(2), description: row.get(3), active: row.get(4) };
            (row.get(0), line)
        });
        Self { lines: lines.collect() }
    }

    /// Applies an import of `file`, which has the columns `name,sku,description`. Returns the counts that it must have.
    pub fn apply(&mut self, file: &Csv) -> Counts {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file.as_slice());
        let rows: Vec<csv::StringRecord> =
            reader.records().map(|record| record.unwrap().iter().map(unescaped).collect()).collect();
        let is_good =
            |row: &csv::StringRecord| row.len() <= 3 && !row[0].trim().is_empty() && !row[1].trim().is_empty();
        let mut last: HashMap<String, usize> = HashMap::new();
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| is_good(row)) {
            last.insert(sku_key(&row[1]), index);
        }
        let mut counts = Counts { read: i64::try_from(rows.len()).unwrap(), ..Counts::default() };
        for (index, row) in rows.iter().enumerate() {
            if !is_good(row) {
                counts.rejected += 1;
                continue;
            }
            let key = sku_key(&row[1]);
            if last[&key] != index {
                counts.duplicates += 1;
                continue;
            }
            let active = self.lines.get(&key).is_none_or(|line| line.active);
            let line = Line {
                sku: row[1].trim().into(),
                name: row[0].trim().into(),
                description: row.get(2).unwrap_or_default().into(),
                active,
            };
            match self.lines.insert(key, line.clone()) {
                None => counts.created += 1,
                Some(before) if before == line => counts.unchanged += 1,
                Some(_) => counts.updated += 1,
            }
        }
        counts
    }

    /// Fails with the first difference, not with two catalogues.
    pub fn assert_equals(&self, expected: &Self) {
        for (key, line) in &expected.lines {
            assert_eq!(self.lines.get(key), Some(line), "product {key}");
        }
        assert_eq!(self.lines.len(), expected.lines.len(), "products that should not be there");
    }
}

/// Removes the apostrophe that prevents a spreadsheet from running a cell, independently of the importer.
fn unescaped(cell: &str) -> &str {
    let bare = cell.trim_start_matches('\'');
    if bare.len() < cell.len() && bare.starts_with(['=', '+', '-', '@', '\t', '\r']) { &cell[1..] } else { cell }
}
