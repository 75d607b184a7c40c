//! A product was changed by two users at the same time: a three-way merge. Pure.

use std::collections::{BTreeMap, BTreeSet};

use shared::product::{Field, Product, ProductInput};

/// A field or an attribute of a product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Field(Field),
    Attribute(String),
}

impl Part {
    pub fn label(&self) -> &str {
        match self {
            Self::Field(field) => field.label(),
            Self::Attribute(name) => name,
        }
    }

    /// Its value as text; `None` for an attribute that the product does not have.
    fn value(&self, product: &ProductInput) -> Option<String> {
        match self {
            Self::Field(field) => Some(field.display(product).to_owned()),
            Self::Attribute(name) => product.attributes.get(name).cloned(),
        }
    }

    fn copy(&self, from: &ProductInput, to: &mut ProductInput) {
        match self {
            Self::Field(field) => field.copy(from, to),
            Self::Attribute(name) => match from.attributes.get(name) {
                Some(value) => drop(to.attributes.insert(name.clone(), value.clone())),
                None => drop(to.attributes.remove(name)),
            },
        }
    }
}

/// Whose value a conflict is resolved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Mine,
    Theirs,
}

/// A part that both changed, to different values. An attribute that one side does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub part: Part,
    pub mine: Option<String>,
    pub theirs: Option<String>,
}

/// A change that was rejected because another one came first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// All changes of both sides that do not conflict, and mine where they do.
    merged: ProductInput,
    /// The product as it is stored.
    pub theirs: Product,
    /// The parts that only the other side changed.
    pub taken_over: Vec<Part>,
    pub differences: Vec<Difference>,
}

impl Conflict {
    /// Merges three ways. `base` is the product that both sides started from.
    pub fn new(base: &ProductInput, mine: &ProductInput, theirs: Product) -> Self {
        let stored = ProductInput::from(theirs.clone());
        let (mut taken_over, mut differences) = (Vec::new(), Vec::new());
        let mut merged = mine.clone();
        for part in parts(&[base, mine, &stored]) {
            let (before, mine, theirs) = (part.value(base), part.value(mine), part.value(&stored));
            if mine == theirs || theirs == before {
                continue;
            }
            if mine == before {
                part.copy(&stored, &mut merged);
                taken_over.push(part);
            } else {
                differences.push(Difference { part, mine, theirs });
            }
        }
        Self { merged, theirs, taken_over, differences }
    }

    /// Returns the merged product with these choices for the differences.
    pub fn resolve(&self, choices: &BTreeMap<Part, Side>) -> ProductInput {
        let theirs = ProductInput::from(self.theirs.clone());
        let mut merged = self.merged.clone();
        for (part, side) in choices {
            if *side == Side::Theirs {
                part.copy(&theirs, &mut merged);
            }
        }
        merged
    }
}

fn parts(products: &[&ProductInput]) -> Vec<Part> {
    let names: BTreeSet<&String> = products.iter().flat_map(|product| product.attributes.keys()).collect();
    Field::ALL.into_iter().map(Part::Field).chain(names.into_iter().cloned().map(Part::Attribute)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn product(name: &str, description: &str, attributes: &[(&str, &str)]) -> ProductInput {
        ProductInput {
            sku: "TEA-1".into(),
            name: name.into(),
            description: description.into(),
            attributes: attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..ProductInput::default()
        }
    }

    /// The product as it is stored. By way of JSON, so that no field of `input` is named here.
    fn stored(input: &ProductInput) -> Product {
        let mut product = serde_json::to_value(input).expect("serialises");
        let at = "2026-11-24T10:00:00Z";
        for (name, value) in
            [("id", json!(1)), ("version", json!(2)), ("created_at", json!(at)), ("updated_at", json!(at))]
        {
            product[name] = value;
        }
        serde_json::from_value(product).expect("a product")
    }

    #[test]
    fn only_parts_that_both_changed_differently_are_conflicts() {
        let base = product("Tea", "Green", &[("size", "S")]);
        let mine = product("Fine tea", "Green", &[("size", "S"), ("price", "2")]);
        let theirs = product("Good tea", "Green and fresh", &[]);
        let conflict = Conflict::new(&base, &mine, stored(&theirs));
        let parts: Vec<_> = conflict.differences.iter().map(|d| d.part.label()).collect();
        assert_eq!(parts, ["Name"]);
        assert_eq!(conflict.taken_over, [Part::Field(Field::Description), Part::Attribute("size".into())]);
        let merged = |side| conflict.resolve(&[(Part::Field(Field::Name), side)].into());
        assert_eq!(merged(Side::Mine), product("Fine tea", "Green and fresh", &[("price", "2")]));
        // Their name does not discard the price that only I added.
        assert_eq!(merged(Side::Theirs), product("Good tea", "Green and fresh", &[("price", "2")]));
    }

    #[test]
    fn several_differences_are_resolved_all_with_mine_or_all_with_theirs() {
        let base = product("Tea", "Green", &[("size", "S"), ("price", "1")]);
        let mine = ProductInput { active: false, ..product("Fine tea", "Fresh", &[("size", "M"), ("price", "1")]) };
        let theirs = product("Good tea", "Old", &[("price", "3")]);
        let conflict = Conflict::new(&base, &mine, stored(&theirs));
        let parts: Vec<_> = conflict.differences.iter().map(|difference| difference.part.label()).collect();
        assert_eq!(parts, ["Name", "Description", "size"]);
        assert_eq!(conflict.taken_over, [Part::Attribute("price".into())]);
        let resolved = |side| {
            let choices: BTreeMap<Part, Side> =
                conflict.differences.iter().map(|difference| (difference.part.clone(), side)).collect();
            conflict.resolve(&choices)
        };
        // What only one side changed stays: my status, their price.
        let inactive = |product: ProductInput| ProductInput { active: false, ..product };
        let mine = inactive(product("Fine tea", "Fresh", &[("price", "3"), ("size", "M")]));
        assert_eq!(resolved(Side::Mine), mine);
        assert_eq!(resolved(Side::Theirs), inactive(product("Good tea", "Old", &[("price", "3")])));
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        let (base, same) = (product("Tea", "", &[]), product("Fine tea", "", &[]));
        let conflict = Conflict::new(&base, &same, stored(&same));
        assert_eq!((&conflict.differences, &conflict.taken_over), (&Vec::new(), &Vec::new()));
        assert_eq!(conflict.resolve(&BTreeMap::new()), same);
    }

    #[test]
    fn an_attribute_that_one_side_removed_and_the_other_changed_is_a_conflict() {
        let base = product("Tea", "", &[("size", "S")]);
        let mine = product("Tea", "", &[("size", "M")]);
        let conflict = Conflict::new(&base, &mine, stored(&product("Tea", "", &[])));
        let part = Part::Attribute("size".into());
        assert_eq!(conflict.differences, [Difference { part: part.clone(), mine: Some("M".into()), theirs: None }]);
        assert_eq!(conflict.resolve(&[(part, Side::Theirs)].into()), product("Tea", "", &[]));
    }
}
