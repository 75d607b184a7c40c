//! Files for tests: built row by row, or generated at random.

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// A product file.
#[derive(Debug, Clone)]
pub struct Csv {
    text: Vec<u8>,
}

impl Csv {
    pub fn from(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into() }
    }

    /// Generates `rows` rows of the columns `name,sku,description` from `seed`: about one in ten repeats a SKU in another
    /// case, descriptions have line breaks, quotes and letters beyond ASCII, some rows lack their last cell, and some cannot
    /// be imported.
    pub fn random(rows: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(Vec::new());
        writer.write_record(["name", "sku", "description"]).unwrap();
        for row in 0..rows {
            let number = if random.random_bool(0.1) { random.random_range(0..=row) } else { row };
            let mut sku = format!("sku-{number:06}-é");
            if random.random_bool(0.3) {
                sku = sku.to_uppercase();
            }
            let name = format!("Name {}", random.random_range(0..1_000));
            let description = match random.random_range(0..4) {
                0 => String::new(),
                1 => format!("Two\nlines, \"quoted\" {row}"),
                2 => format!("Größe {row}"),
                _ => format!("plain text number {row}"),
            };
            match random.random_range(0..200) {
                0 => writer.write_record([name.as_str(), "  ", &description]),
                1 => writer.write_record(["", &sku, &description]),
                2 => writer.write_record([name.as_str(), &sku]),
                3 => writer.write_record([name.as_str(), &sku, &description, "surplus"]),
                _ => writer.write_record([name.as_str(), &sku, &description]),
            }
            .unwrap();
        }
        Self { text: writer.into_inner().unwrap() }
    }

    pub fn bytes(&self) -> Bytes {
        self.text.clone().into()
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.text
    }
}
