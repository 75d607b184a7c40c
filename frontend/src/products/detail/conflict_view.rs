//! Both versions of a product next to each other, to choose from.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::product::ProductInput;

use super::conflict::{Conflict, Difference, Part, Side};

/// Asks which values to keep. `save` gets the merged product.
#[component]
pub fn ConflictView(
    conflict: Conflict,
    #[prop(into)] saving: Signal<bool>,
    save: impl Fn(ProductInput) + 'static,
    cancel: impl Fn() + 'static,
) -> impl IntoView {
    let differences = conflict.differences.clone();
    let start: BTreeMap<Part, Side> = differences.iter().map(|d| (d.part.clone(), Side::Mine)).collect();
    let choices = RwSignal::new(start);
    let choose_all = move |side: Side| choices.update(|choices| choices.values_mut().for_each(|chosen| *chosen = side));
    let merged = taken_over(&conflict.taken_over);
    let submit = move |_| save(choices.with_untracked(|choices| conflict.resolve(choices)));
    view! {
        <div class="panel-body" data-testid="conflict">
            <div class="notice" data-tone="warning" role="alert">
                <div class="notice-body">
                    <p class="notice-title">"Someone else changed this product"</p>
                    <p>"You both changed the values below. Choose which values to keep."</p>
                    {merged.map(|text| view! { <p data-testid="taken-over">{text}</p> })}
                </div>
            </div>
            <div class="conflict-all">
                <button type="button" class="button" data-testid="all-mine" on:click=move |_| choose_all(Side::Mine)>
                    "Use mine"
                </button>
                <button type="button" class="button" data-testid="all-theirs" on:click=move |_| choose_all(Side::Theirs)>
                    "Use theirs"
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
                "Save"
            </button>
        </footer>
    }
}

/// Says which values only the other side changed.
fn taken_over(parts: &[Part]) -> Option<String> {
    let labels: Vec<_> = parts.iter().map(Part::label).collect();
    (!labels.is_empty()).then(|| format!("Their changes to other values are kept: {}.", labels.join(", ")))
}

#[component]
fn DifferenceView(index: usize, difference: Difference, choices: RwSignal<BTreeMap<Part, Side>>) -> impl IntoView {
    let Difference { part, mine, theirs } = difference;
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
                <span class="side-text" class:side-empty=empty dir="auto">{text}</span>
            </label>
        }
    };
    view! {
        <fieldset class="field sides" data-testid="difference">
            <legend class="field-label"><bdi>{label}</bdi></legend>
            {side(Side::Mine, "Mine", mine)}
            {side(Side::Theirs, "Theirs", theirs)}
        </fieldset>
    }
}
