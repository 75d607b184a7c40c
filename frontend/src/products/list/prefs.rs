//! The columns and the density of the table, stored in this browser.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

const STORAGE_KEY: &str = "loadify.products";
/// Width of the columns that are always shown, in rem: tick, SKU and name.
const FIXED_WIDTH: f64 = 2.5 + 11.0 + 15.0;

/// A column that can be hidden. SKU and name are always shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Description,
    Active,
    Created,
    Updated,
    Import,
    /// An attribute of the product.
    Attribute(String),
}

impl Column {
    /// The columns of every product, in the order of the table.
    pub const OWN: [Self; 5] = [Self::Description, Self::Active, Self::Created, Self::Updated, Self::Import];

    pub fn label(&self) -> &str {
        match self {
            Self::Description => "Description",
            Self::Active => "Status",
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Import => "Import",
            Self::Attribute(name) => name,
        }
    }

    /// The class in the style sheet.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Description => "cell-description",
            Self::Active => "cell-state",
            Self::Created => "cell-time cell-created",
            Self::Updated => "cell-time cell-updated",
            Self::Import => "cell-import",
            Self::Attribute(_) => "cell-attribute",
        }
    }

    /// The least width that keeps it readable, in rem. The style sheet has the same widths.
    const fn min_width(&self) -> f64 {
        match self {
            Self::Description => 20.0,
            Self::Active | Self::Created | Self::Updated => 7.5,
            Self::Import => 6.0,
            Self::Attribute(_) => 10.0,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Density {
    #[default]
    Comfortable,
    Compact,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    /// The shown columns, in any order.
    pub columns: Vec<Column>,
    pub density: Density,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { columns: vec![Column::Description, Column::Active, Column::Updated], density: Density::default() }
    }
}

impl Prefs {
    /// Returns the columns in the order of the table: those of every product, then attributes by name.
    pub fn shown(&self) -> Vec<Column> {
        let own = Column::OWN.into_iter().filter(|column| self.columns.contains(column));
        let mut attributes: Vec<_> =
            self.columns.iter().filter(|column| matches!(column, Column::Attribute(_))).cloned().collect();
        attributes.sort_by(|a, b| a.label().cmp(b.label()));
        own.chain(attributes).collect()
    }

    /// The least width of the table in rem. A narrower page scrolls it sideways.
    pub fn min_width(&self) -> f64 {
        FIXED_WIDTH + self.shown().iter().map(Column::min_width).sum::<f64>()
    }

    pub fn toggle(&mut self, column: &Column) {
        match self.columns.iter().position(|shown| shown == column) {
            Some(index) => drop(self.columns.remove(index)),
            None => self.columns.push(column.clone()),
        }
    }
}

/// Returns the preferences of this browser. Changes are stored.
pub fn use_prefs() -> RwSignal<Prefs> {
    // A browser may refuse to store anything, and an older release may have stored something else.
    let storage = || window().local_storage().ok().flatten();
    let stored = storage().and_then(|storage| storage.get_item(STORAGE_KEY).ok().flatten());
    let prefs: Prefs = stored.and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default();
    let prefs = RwSignal::new(prefs);
    Effect::new(move |before: Option<()>| {
        let text = prefs.with(serde_json::to_string);
        if before.is_some()
            && let (Some(storage), Ok(text)) = (storage(), text)
        {
            let _ = storage.set_item(STORAGE_KEY, &text);
        }
    });
    prefs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_in_whichever_order_they_are_chosen() {
        let mut prefs = Prefs { columns: Vec::new(), ..Prefs::default() };
        let price = Column::Attribute("price".into());
        for column in [&price, &Column::Updated, &Column::Attribute("colour".into()), &Column::Description] {
            prefs.toggle(column);
        }
        let labels = |prefs: &Prefs| prefs.shown().iter().map(|c| c.label().to_owned()).collect::<Vec<_>>();
        assert_eq!(labels(&prefs), ["Description", "Updated", "colour", "price"]);
        prefs.toggle(&price);
        assert_eq!(labels(&prefs), ["Description", "Updated", "colour"]);
    }

    #[test]
    fn stored_preferences_are_read_and_missing_ones_have_defaults() {
        let mut prefs = Prefs { density: Density::Compact, ..Prefs::default() };
        prefs.toggle(&Column::Attribute("price".into()));
        let stored = serde_json::to_string(&prefs).expect("serialises");
        assert_eq!(serde_json::from_str::<Prefs>(&stored).expect("reads"), prefs);
        assert_eq!(serde_json::from_str::<Prefs>("{}").expect("reads"), Prefs::default());
    }
}
