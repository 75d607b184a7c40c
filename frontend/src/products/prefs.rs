//! How a person likes the table: kept in this browser.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

const KEY: &str = "loadify.products";

/// A column that may be left out. SKU and name are always there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Description,
    Active,
    Created,
    Updated,
    Import,
    /// A column of the file that was kept.
    Attribute(String),
}

impl Column {
    /// Those of every product, in the order of the table.
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

    /// The word that the style sheet knows it by.
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
    /// What is shown, in any order.
    pub columns: Vec<Column>,
    pub density: Density,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { columns: vec![Column::Description, Column::Active, Column::Updated], density: Density::default() }
    }
}

impl Prefs {
    /// The columns in the order of the table: those of every product, then attributes by name.
    pub fn shown(&self) -> Vec<Column> {
        let own = Column::OWN.into_iter().filter(|column| self.columns.contains(column));
        let mut attributes: Vec<_> =
            self.columns.iter().filter(|column| matches!(column, Column::Attribute(_))).cloned().collect();
        attributes.sort_by(|a, b| a.label().cmp(b.label()));
        own.chain(attributes).collect()
    }

    pub fn toggle(&mut self, column: &Column) {
        match self.columns.iter().position(|shown| shown == column) {
            Some(index) => drop(self.columns.remove(index)),
            None => self.columns.push(column.clone()),
        }
    }
}

/// The preferences of this browser; what is set is kept for the next time.
pub fn use_prefs() -> RwSignal<Prefs> {
    // A browser may refuse to keep anything, and an older version may have kept something else.
    let storage = || window().local_storage().ok().flatten();
    let kept = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    let prefs: Prefs = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
    let prefs = RwSignal::new(prefs);
    Effect::new(move |before: Option<()>| {
        let text = prefs.with(serde_json::to_string);
        if before.is_some()
            && let (Some(storage), Ok(text)) = (storage(), text)
        {
            let _ = storage.set_item(KEY, &text);
        }
    });
    prefs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_however_they_are_chosen() {
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
    fn what_was_kept_is_read_again_and_what_is_missing_is_as_at_first() {
        let mut prefs = Prefs { density: Density::Compact, ..Prefs::default() };
        prefs.toggle(&Column::Attribute("price".into()));
        let kept = serde_json::to_string(&prefs).expect("serialises");
        assert_eq!(serde_json::from_str::<Prefs>(&kept).expect("reads"), prefs);
        assert_eq!(serde_json::from_str::<Prefs>("{}").expect("reads"), Prefs::default());
    }
}
