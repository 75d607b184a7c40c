//! Deleting the whole catalogue: the count must be typed.

use leptos::{ev, prelude::*};
use shared::{
    problem::{ErrorCode, Problem},
    search::ProductFilter,
};
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use super::requests;
use super::selection::Selection;
use crate::ui::Modal;
use crate::ui::format::{counted, thousands};

#[component]
pub fn DeleteAllDialog(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Modal open title="Delete all products?" id="delete-all-dialog">
            // Made anew each time: the count of before may be wrong.
            <Show when=move || open.get()>
                <Question open />
            </Show>
        </Modal>
    }
}

#[component]
fn Question(open: RwSignal<bool>) -> impl IntoView {
    let (catalogue, selection) = (Catalogue::expect(), Selection::expect());
    let count = RwSignal::new(None::<i64>);
    let typed = RwSignal::new(String::new());
    let deleting = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let ask = move || {
        spawn_local(async move {
            match requests::count(&ProductFilter::default()).await {
                Ok(total) => drop(count.try_set(Some(total))),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    };
    ask();
    let allowed = Memo::new(move |_| {
        count.get().is_some_and(|count| count > 0 && typed.with(|typed| is_that_number(typed, count)))
            && !deleting.get()
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(number) = count.get_untracked().filter(|_| allowed.get_untracked()) else { return };
        deleting.set(true);
        spawn_local(async move {
            match requests::delete_all(number).await {
                Ok(done) => {
                    catalogue.toasts.say(format!("{} deleted", counted(done.deleted, "product")));
                    open.try_set(false);
                    if !catalogue.listing.is_disposed() {
                        selection.clear();
                        catalogue.reload();
                    }
                }
                Err(refused) => {
                    if refused.code == ErrorCode::Conflict {
                        // There are more or fewer now.
                        ask();
                    }
                    problem.try_set(Some(refused));
                }
            }
            deleting.try_set(false);
        });
    };
    let number = move || count.get().map_or_else(|| "…".to_owned(), thousands);
    view! {
        <form on:submit=submit>
            <p>
                "This deletes "
                <strong data-testid="delete-all-count" data-value=move || count.get()>
                    {move || count.get().map_or_else(|| "…".to_owned(), |count| counted(count, "product"))}
                </strong> ". It cannot be taken back. Imports and webhooks stay."
            </p>
            <label class="field dialog-field">
                <span class="field-label">"Type " {number} " to confirm"</span>
                <input
                    class="input"
                    inputmode="numeric"
                    autocomplete="off"
                    data-testid="delete-all-confirm"
                    prop:value=typed
                    on:input=move |event| typed.set(event_target_value(&event))
                />
            </label>
            <p class="field-error" role="alert">{move || problem.get().map(|problem| problem.detail)}</p>
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>
                    "Keep them"
                </button>
                <button
                    type="submit"
                    class="button button-danger"
                    data-testid="delete-all-now"
                    disabled=move || !allowed.get()
                >
                    {move || if deleting.get() { "Deleting …" } else { "Delete all products" }}
                </button>
            </div>
        </form>
    }
}

/// Whether that number was typed, with separators or without.
fn is_that_number(typed: &str, number: i64) -> bool {
    let digits: String = typed.trim().chars().filter(|c| !matches!(c, ',' | '.' | ' ' | '\u{a0}' | '\'')).collect();
    digits == number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_may_be_typed_with_separators() {
        for typed in ["20000", "20,000", " 20 000 ", "20.000", "20'000"] {
            assert!(is_that_number(typed, 20_000), "{typed}");
        }
        for typed in ["", "2000", "200000", "x20000", "-20000"] {
            assert!(!is_that_number(typed, 20_000), "{typed}");
        }
    }
}
