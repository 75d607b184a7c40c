//! Two people have changed one product: what differs, side by side, and who of them is right.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use shared::product::{Product, ProductInput};

/// A part of a product that two versions can differ in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Sku,
    Name,
    Description,
    Active,
    Attribute(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Mine,
    Theirs,
}

/// What differs in one part. An attribute that one does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub part: Part,
    pub mine: Option<String>,
    pub theirs: Option<String>,
    /// What is taken unless the person says otherwise: theirs where only they have changed it.
    pub side: Side,
}

impl Part {
    fn label(&self) -> &str {
        match self {
            Self::Sku => "SKU",
            Self::Name => "Name",
            Self::Description => "Description",
            Self::Active => "Status",
            Self::Attribute(name) => name,
        }
    }

    fn of(&self, product: &ProductInput) -> Option<String> {
        match self {
            Self::Sku => Some(product.sku.clone()),
            Self::Name => Some(product.name.clone()),
            Self::Description => Some(product.description.clone()),
            Self::Active => Some(if product.active { "Active" } else { "Inactive" }.to_owned()),
            Self::Attribute(name) => product.attributes.get(name).cloned(),
        }
    }

    fn copy(&self, from: &ProductInput, to: &mut ProductInput) {
        match self {
            Self::Sku => to.sku.clone_from(&from.sku),
            Self::Name => to.name.clone_from(&from.name),
            Self::Description => to.description.clone_from(&from.description),
            Self::Active => to.active = from.active,
            Self::Attribute(name) => match from.attributes.get(name) {
                Some(value) => drop(to.attributes.insert(name.clone(), value.clone())),
                None => drop(to.attributes.remove(name)),
            },
        }
    }
}

/// Where the two differ. `base` is what both began with.
pub fn differences(base: &ProductInput, mine: &ProductInput, theirs: &ProductInput) -> Vec<Difference> {
    let names: BTreeSet<&String> = mine.attributes.keys().chain(theirs.attributes.keys()).collect();
    let own = [Part::Sku, Part::Name, Part::Description, Part::Active];
    let parts = own.into_iter().chain(names.into_iter().cloned().map(Part::Attribute));
    parts
        .filter_map(|part| {
            let (was, mine, theirs) = (part.of(base), part.of(mine), part.of(theirs));
            let side = if mine == was { Side::Theirs } else { Side::Mine };
            (mine != theirs).then_some(Difference { part, mine, theirs, side })
        })
        .collect()
}

/// `mine`, with the parts of `theirs` that were chosen.
pub fn merge(mine: &ProductInput, theirs: &ProductInput, choices: &BTreeMap<Part, Side>) -> ProductInput {
    let mut merged = mine.clone();
    for (part, side) in choices {
        if *side == Side::Theirs {
            part.copy(theirs, &mut merged);
        }
    }
    merged
}

/// A change that was refused because another came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub mine: ProductInput,
    /// The product as it is now.
    pub theirs: Product,
    pub differences: Vec<Difference>,
}

impl Conflict {
    pub fn new(base: &ProductInput, mine: ProductInput, theirs: Product) -> Self {
        let differences = differences(base, &mine, &theirs.clone().into());
        Self { mine, theirs, differences }
    }
}

/// Both versions side by side. `save` gets what was chosen.
#[component]
pub fn ConflictView(
    conflict: Conflict,
    #[prop(into)] saving: Signal<bool>,
    save: impl Fn(ProductInput) + 'static,
    cancel: impl Fn() + 'static,
) -> impl IntoView {
    let Conflict { mine, theirs, differences } = conflict;
    let theirs = ProductInput::from(theirs);
    let start: BTreeMap<Part, Side> = differences.iter().map(|d| (d.part.clone(), d.side)).collect();
    let choices = RwSignal::new(start);
    let all = move |side: Side| choices.update(|choices| choices.values_mut().for_each(|chosen| *chosen = side));
    let submit = move |_| save(choices.with_untracked(|choices| merge(&mine, &theirs, choices)));
    let number = differences.len();
    let explain = match number {
        0 => "Both of you made the same changes. Save to go on.".to_owned(),
        _ => "Somebody has saved this product while you were editing it. Choose what is to stay.".to_owned(),
    };
    view! {
        <div class="panel-body" data-testid="conflict">
            <div class="notice" data-tone="warning" role="alert">
                <div class="notice-body">
                    <p class="notice-title">"This product was changed meanwhile"</p>
                    <p>{explain}</p>
                </div>
            </div>
            <div class="conflict-all">
                <button type="button" class="button" data-testid="all-mine" on:click=move |_| all(Side::Mine)>
                    "Take all of yours"
                </button>
                <button type="button" class="button" data-testid="all-theirs" on:click=move |_| all(Side::Theirs)>
                    "Take all of theirs"
                </button>
            </div>
            {differences
                .into_iter()
                .enumerate()
                .map(|(index, difference)| view! { <DifferenceView index difference choices /> })
                .collect_view()}
        </div>
        <footer class="panel-foot">
            <button type="button" class="button" data-testid="back-to-form" on:click=move |_| cancel()>
                "Back"
            </button>
            <button
                type="button"
                class="button button-primary"
                data-testid="save-merged"
                disabled=move || saving.get()
                on:click=submit
            >
                "Save this"
            </button>
        </footer>
    }
}

#[component]
fn DifferenceView(index: usize, difference: Difference, choices: RwSignal<BTreeMap<Part, Side>>) -> impl IntoView {
    let Difference { part, mine, theirs, .. } = difference;
    let label = part.label().to_owned();
    let side = move |side: Side, title: &'static str, text: Option<String>| {
        let (chosen, choose) = (part.clone(), part.clone());
        let testid = format!("{}-{}", if side == Side::Mine { "mine" } else { "theirs" }, part.label());
        let (empty, text) = match text {
            None => (true, "(none)".to_owned()),
            Some(text) if text.is_empty() => (true, "(empty)".to_owned()),
            Some(text) => (false, text),
        };
        view! {
            <label class="side">
                <span class="side-head">
                    <input
                        type="radio"
                        name=format!("difference-{index}")
                        data-testid=testid
                        prop:checked=move || choices.with(|choices| choices.get(&chosen) == Some(&side))
                        on:change=move |_| choices.update(|choices| { choices.insert(choose.clone(), side); })
                    />
                    {title}
                </span>
                <span class="side-text" class:side-empty=empty>{text}</span>
            </label>
        }
    };
    view! {
        <fieldset class="field sides" data-testid="difference">
            <legend class="field-label">{label}</legend>
            {side(Side::Mine, "Yours", mine)}
            {side(Side::Theirs, "Theirs", theirs)}
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str, description: &str, attributes: &[(&str, &str)]) -> ProductInput {
        ProductInput {
            sku: "TEA-1".into(),
            name: name.into(),
            description: description.into(),
            active: true,
            attributes: attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        }
    }

    #[test]
    fn only_what_differs_is_asked_for_and_untouched_parts_follow_the_other() {
        let base = product("Tea", "Green", &[("size", "S")]);
        let mine = product("Fine tea", "Green", &[("size", "S"), ("price", "2")]);
        let theirs = product("Good tea", "Green and fresh", &[]);
        let found = differences(&base, &mine, &theirs);
        let sides: Vec<_> = found.iter().map(|d| (d.part.label(), d.side)).collect();
        assert_eq!(
            sides,
            [("Name", Side::Mine), ("Description", Side::Theirs), ("price", Side::Mine), ("size", Side::Theirs)]
        );
        let choices = found.into_iter().map(|d| (d.part, d.side)).collect();
        assert_eq!(merge(&mine, &theirs, &choices), product("Fine tea", "Green and fresh", &[("price", "2")]));
    }

    #[test]
    fn the_same_change_of_both_is_no_conflict() {
        let base = product("Tea", "", &[]);
        let same = product("Fine tea", "", &[]);
        assert_eq!(differences(&base, &same, &same), []);
    }

    #[test]
    fn one_may_take_all_of_either() {
        let (base, mine) = (product("Tea", "", &[]), product("Mine", "m", &[("a", "1")]));
        let theirs = product("Theirs", "t", &[("b", "2")]);
        let all = |side| differences(&base, &mine, &theirs).into_iter().map(|d| (d.part, side)).collect();
        assert_eq!(merge(&mine, &theirs, &all(Side::Mine)), mine);
        assert_eq!(merge(&mine, &theirs, &all(Side::Theirs)), theirs);
    }
}
