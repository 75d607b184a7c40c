//! Deleting all products: the user must type their number.

use leptos::{ev, prelude::*};
use shared::{
    problem::{ErrorCode, Problem},
    search::ProductFilter,
};
use wasm_bindgen_futures::spawn_local;

use super::selection::Selection;
use crate::products::list::catalogue::Catalogue;
use crate::products::requests;
use crate::ui::Modal;
use crate::ui::format::{counted, thousands};

#[component]
pub fn DeleteAllDialog(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Modal open title="Delete all products?" id="delete-all-dialog">
            // Created each time: the number may have changed.
            <Show when=move || open.get()>
                <DeleteAllForm open />
            </Show>
        </Modal>
    }
}

/// The state of the dialog.
#[derive(Clone, Copy)]
struct DeleteAll {
    open: RwSignal<bool>,
    count: RwSignal<Option<i64>>,
    typed: RwSignal<String>,
    deleting: RwSignal<bool>,
    problem: RwSignal<Option<Problem>>,
    catalogue: Catalogue,
    selection: Selection,
}

impl DeleteAll {
    fn new(open: RwSignal<bool>) -> Self {
        let state = Self {
            open,
            count: RwSignal::new(None),
            typed: RwSignal::default(),
            deleting: RwSignal::new(false),
            problem: RwSignal::new(None),
            catalogue: Catalogue::expect(),
            selection: Selection::expect(),
        };
        state.load_count();
        state
    }

    fn load_count(self) {
        spawn_local(async move {
            match requests::count(&ProductFilter::default(), None).await {
                Ok(count) => drop(self.count.try_set(Some(count))),
                Err(problem) => drop(self.problem.try_set(Some(problem))),
            }
        });
    }

    /// The number to delete, if it was typed.
    fn confirmed(self) -> Option<i64> {
        let count = self.count.get().filter(|count| *count > 0)?;
        (self.typed.with(|typed| is_number(typed, count)) && !self.deleting.get()).then_some(count)
    }

    fn submit(self) {
        let Some(count) = untrack(|| self.confirmed()) else { return };
        self.deleting.set(true);
        spawn_local(async move {
            match requests::delete_all(count).await {
                Ok(outcome) => {
                    self.catalogue.toasts.say(format!("{} deleted", counted(outcome.deleted, "product")));
                    self.open.try_set(false);
                    if !self.catalogue.listing.is_disposed() {
                        self.selection.clear();
                        self.catalogue.reload();
                    }
                }
                Err(problem) => {
                    if problem.code == ErrorCode::Conflict {
                        // The number has changed.
                        self.load_count();
                    }
                    self.problem.try_set(Some(problem));
                }
            }
            self.deleting.try_set(false);
        });
    }
}

#[component]
fn DeleteAllForm(open: RwSignal<bool>) -> impl IntoView {
    let state = DeleteAll::new(open);
    let DeleteAll { count, typed, deleting, problem, .. } = state;
    let number = move || count.get().map_or_else(|| "…".to_owned(), thousands);
    let on_submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        state.submit();
    };
    view! {
        <form on:submit=on_submit>
            <p>
                "This deletes "
                <strong data-testid="delete-all-count" data-value=move || count.get()>
                    {move || count.get().map_or_else(|| "…".to_owned(), |count| counted(count, "product"))}
                </strong> ". This can't be undone. Imports and webhooks are kept."
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
                    "Cancel"
                </button>
                <button
                    type="submit"
                    class="button button-danger"
                    data-testid="delete-all-now"
                    disabled=move || state.confirmed().is_none()
                >
                    {move || if deleting.get() { "Deleting …" } else { "Delete all products" }}
                </button>
            </div>
        </form>
    }
}

/// Whether that number was typed, with or without separators.
fn is_number(typed: &str, number: i64) -> bool {
    let digits: String = typed.trim().chars().filter(|c| !matches!(c, ',' | '.' | ' ' | '\u{a0}' | '\'')).collect();
    digits == number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_may_be_typed_with_separators() {
        for typed in ["20000", "20,000", " 20 000 ", "20.000", "20'000"] {
            assert!(is_number(typed, 20_000), "{typed}");
        }
        for typed in ["", "2000", "200000", "x20000", "-20000"] {
            assert!(!is_number(typed, 20_000), "{typed}");
        }
    }
}
