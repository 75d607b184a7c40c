//! The bar with the actions for the selected products.

use leptos::prelude::*;
use shared::{auth::Permission, bulk::BulkAction};
use wasm_bindgen_futures::spawn_local;

use super::delete::delete_named;
use super::job::{JobBar, Jobs, past_tense};
use super::selection::{PageState, Selection};
use crate::auth::Auth;
use crate::products::list::catalogue::Catalogue;
use crate::products::requests;
use crate::ui::format::{counted, thousands};
use crate::ui::{ConfirmDialog, Glyph, Icon, question_about};

/// At the lower edge while products are selected, otherwise while a job runs: a job of another user must not replace
/// the bar of a selection.
#[component]
pub fn BulkBar() -> impl IntoView {
    let selection = Selection::expect();
    let jobs = Jobs::provide();
    let shown = Memo::new(move |_| !selection.is_empty());
    view! {
        <Show when=move || shown.get() fallback=move || view! { <Show when=move || jobs.is_busy()><JobBar /></Show> }>
            <SelectionBar />
        </Show>
    }
}

/// What the bar can do, shared by its buttons and its dialog.
#[derive(Clone, Copy)]
struct Actions {
    catalogue: Catalogue,
    selection: Selection,
    jobs: Jobs,
    /// An action that is to be confirmed.
    asked: RwSignal<Option<BulkAction>>,
    working: RwSignal<bool>,
}

impl Actions {
    /// Runs an action, after a question if it affects more than can be seen or cannot be undone.
    fn request(self, action: BulkAction) {
        let page_size = self.catalogue.view.with_untracked(|view| i64::from(view.limit));
        let count = untrack(|| self.selection.count());
        if needs_confirmation(action, self.selection.whole.get_untracked(), count, page_size) {
            self.asked.set(Some(action));
        } else {
            self.run(action);
        }
    }

    fn run(self, action: BulkAction) {
        if self.selection.whole.get_untracked() {
            // Without their number, they cannot be confirmed.
            let Some(count) = untrack(|| self.selection.count()) else { return };
            self.jobs.start(action, untrack(|| self.catalogue.filter()), count, self.selection);
        } else if !self.working.get_untracked() {
            self.change_named(action);
        }
    }

    /// Changes the selected products in one request.
    fn change_named(self, action: BulkAction) {
        let Self { catalogue, selection, working, .. } = self;
        let ids = untrack(|| selection.ids());
        working.set(true);
        spawn_local(async move {
            let outcome = match action {
                BulkAction::Delete => delete_named(catalogue, selection, ids).await,
                _ => requests::change_named(action, &ids).await.map(|changed| {
                    catalogue.toasts.say(format!("{} {}", counted(changed, "product"), past_tense(action)));
                    if !catalogue.listing.is_disposed() {
                        catalogue.reload();
                    }
                }),
            };
            if let Err(problem) = outcome {
                catalogue.toasts.fail("Couldn't change the products", &problem);
            }
            working.try_set(false);
        });
    }

    fn export_url(self) -> String {
        if self.selection.whole.get() {
            requests::export_url(&self.catalogue.filter())
        } else {
            requests::export_named_url(&self.selection.ids())
        }
    }
}

/// A deletion by filter cannot be undone, and a change of more than a page affects products that are not on screen. Products
/// that were deleted one by one can be restored.
fn needs_confirmation(action: BulkAction, whole: bool, count: Option<i64>, page_size: i64) -> bool {
    whole || (action != BulkAction::Delete && count.is_none_or(|count| count > page_size))
}

#[component]
fn SelectionBar() -> impl IntoView {
    let selection = Selection::expect();
    let auth = Auth::expect();
    let actions = Actions {
        catalogue: Catalogue::expect(),
        selection,
        jobs: Jobs::expect(),
        asked: RwSignal::new(None),
        working: RwSignal::new(false),
    };
    let can_write = move || auth.can(Permission::WriteProducts);
    view! {
        <section class="bulk" aria-label="Selected products" data-testid="bulk-bar">
            <p class="bulk-count" role="status" data-testid="bulk-count">{move || selection.description()}</p>
            <SelectAll />
            <div class="bulk-actions">
                <Show when=can_write>
                    <ActionButton actions action=BulkAction::Activate label="Activate" testid="bulk-activate" />
                    <ActionButton actions action=BulkAction::Deactivate label="Deactivate" testid="bulk-deactivate" />
                </Show>
                <a class="button" href=move || actions.export_url() download data-testid="bulk-export">
                    "Export"
                </a>
                <Show when=can_write>
                    <ActionButton actions action=BulkAction::Delete label="Delete" testid="bulk-delete" />
                </Show>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Clear selection"
                    title="Clear selection"
                    data-testid="clear-selection"
                    on:click=move |_| selection.clear()
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </div>
            <BulkDialog actions />
        </section>
    }
}

#[component]
fn ActionButton(actions: Actions, action: BulkAction, label: &'static str, testid: &'static str) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button"
            class:button-quiet-danger=action == BulkAction::Delete
            data-testid=testid
            on:click=move |_| actions.request(action)
        >
            {label}
        </button>
    }
}

/// Asks before an action on many products.
#[component]
fn BulkDialog(actions: Actions) -> impl IntoView {
    let (open, shown) = question_about(actions.asked);
    let action = move || shown.get().unwrap_or(BulkAction::Deactivate);
    let label = Signal::derive(move || {
        let products = match actions.selection.count() {
            Some(count) => counted(count, "product"),
            None => "all matching products".to_owned(),
        };
        format!("{} {products}", imperative(action()))
    });
    let scope = move || {
        if actions.selection.whole.get() {
            "This affects all products that match your search and filters, including those on other pages."
        } else {
            "This affects all selected products, including those on other pages."
        }
    };
    let warning = move || (action() == BulkAction::Delete).then_some(" This can't be undone.");
    view! {
        <ConfirmDialog
            open
            title=Signal::derive(move || format!("{}?", label.get()))
            confirm=label
            dismiss="Cancel"
            danger=Signal::derive(move || action() == BulkAction::Delete)
            testid="confirm-bulk"
            on_confirm=move || actions.run(action())
        >
            <p>{scope}{warning}</p>
        </ConfirmDialog>
    }
}

fn imperative(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Activate => "Activate",
        BulkAction::Deactivate => "Deactivate",
        BulkAction::Delete => "Delete",
        BulkAction::Unknown => "Change",
    }
}

/// Offers to select the rest of the list once the page is selected.
#[component]
fn SelectAll() -> impl IntoView {
    let (catalogue, selection) = (Catalogue::expect(), Selection::expect());
    let is_offered = Memo::new(move |_| {
        let has_more = catalogue.total.get().is_some_and(|total| Some(total) > selection.count());
        has_more && !selection.whole.get() && selection.page_state() == PageState::All
    });
    let text = move || {
        let matching = if catalogue.filter().is_empty() { "" } else { " matching" };
        catalogue.total.get().map(|total| format!("Select all {}{matching}", thousands(total)))
    };
    view! {
        <Show when=move || is_offered.get()>
            <button
                type="button"
                class="link-button"
                data-testid="select-all"
                on:click=move |_| selection.whole.set(true)
            >
                {text}
            </button>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_page_is_asked_about_and_a_deletion_that_cannot_be_undone() {
        let asks = |action, whole, count| needs_confirmation(action, whole, Some(count), 50);
        assert!(!asks(BulkAction::Deactivate, false, 50));
        assert!(asks(BulkAction::Deactivate, false, 51));
        assert!(asks(BulkAction::Activate, true, 3));
        assert!(asks(BulkAction::Delete, true, 3));
        assert!(!asks(BulkAction::Delete, false, 51), "it can be undone");
    }
}
