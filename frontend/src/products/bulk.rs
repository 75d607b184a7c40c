//! What can be done with the products that are ticked.

use leptos::prelude::*;
use shared::{auth::Permission, bulk::BulkAction};
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use super::job::{JobBar, Jobs};
use super::remove::remove_named;
use super::requests;
use super::selection::{PageState, Selection};
use crate::auth::Auth;
use crate::ui::format::{counted, thousands};
use crate::ui::{ConfirmDialog, Glyph, Icon};

/// Stands at the lower edge as long as something is ticked, or else a job is under way: somebody else's must not be in the
/// way of who ticks.
#[component]
pub fn BulkBar() -> impl IntoView {
    let selection = Selection::expect();
    let jobs = Jobs::provide();
    let shown = Memo::new(move |_| selection.count() != Some(0));
    view! {
        <Show when=move || shown.get() fallback=move || view! { <Show when=move || jobs.is_busy()><JobBar /></Show> }>
            <Actions />
        </Show>
    }
}

#[component]
fn Actions() -> impl IntoView {
    let (catalogue, selection, jobs) = (Catalogue::expect(), Selection::expect(), Jobs::expect());
    let asking = RwSignal::new(false);
    let working = RwSignal::new(false);
    let auth = Auth::expect();
    let may_write = move || auth.can(Permission::WriteProducts);
    let number = Memo::new(move |_| selection.count());
    let products =
        move || number.get().map_or_else(|| "all matching products".to_owned(), |count| counted(count, "product"));
    let run = move |action: BulkAction| {
        if selection.whole.get_untracked() {
            if let Some(count) = untrack(|| selection.count()) {
                jobs.start(action, untrack(|| catalogue.filter()), count, selection);
            }
        } else if !working.get_untracked() {
            working.set(true);
            change(catalogue, selection, action, working);
        }
    };
    let delete = move |_| {
        // What a job deletes cannot be taken back.
        if selection.whole.get_untracked() { asking.set(true) } else { run(BulkAction::Delete) }
    };
    let export = move || {
        if selection.whole.get() {
            requests::export_url(&catalogue.filter())
        } else {
            requests::export_named_url(&selection.ids())
        }
    };
    let question = Signal::derive(move || format!("Delete {}?", products()));
    let confirm = Signal::derive(move || format!("Delete {}", products()));
    view! {
        <section class="bulk" aria-label="Selected products" data-testid="bulk-bar">
            <p class="bulk-count" role="status" data-testid="bulk-count">{move || number.get().map_or_else(|| "All selected".to_owned(), |count| format!("{} selected", thousands(count)))}</p>
            <SelectAll />
            <div class="bulk-actions">
                <Show when=may_write>
                    <button type="button" class="button" data-testid="bulk-activate" on:click=move |_| run(BulkAction::Activate)>
                        "Activate"
                    </button>
                    <button
                        type="button"
                        class="button"
                        data-testid="bulk-deactivate"
                        on:click=move |_| run(BulkAction::Deactivate)
                    >
                        "Deactivate"
                    </button>
                </Show>
                <a class="button" href=export download data-testid="bulk-export">
                    "Export"
                </a>
                <Show when=may_write>
                    <button type="button" class="button button-quiet-danger" data-testid="bulk-delete" on:click=delete>
                        "Delete"
                    </button>
                </Show>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Clear the selection"
                    title="Clear the selection"
                    data-testid="clear-selection"
                    on:click=move |_| selection.clear()
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </div>
            <ConfirmDialog
                open=asking
                title=question
                confirm
                dismiss="Keep them"
                testid="confirm-bulk-delete"
                on_confirm=move || run(BulkAction::Delete)
            >
                <p>"All products that match are deleted, also those of other pages. This cannot be taken back."</p>
            </ConfirmDialog>
        </section>
    }
}

/// Once the page is ticked, the rest of the list may follow.
#[component]
fn SelectAll() -> impl IntoView {
    let (catalogue, selection) = (Catalogue::expect(), Selection::expect());
    let offered = Memo::new(move |_| {
        let total = catalogue.total.get().filter(|total| Some(*total) > selection.count())?;
        let whole_page = !selection.whole.get() && selection.page_state() == PageState::All;
        whole_page.then_some(total)
    });
    let text = move || offered.get().map(|total| format!("Select all {}", thousands(total)));
    view! {
        <Show when=move || offered.get().is_some()>
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

/// Changes the ticked products at once, in one request.
fn change(catalogue: Catalogue, selection: Selection, action: BulkAction, working: RwSignal<bool>) {
    let ids = untrack(|| selection.ids());
    let toasts = catalogue.toasts;
    spawn_local(async move {
        let done = match action {
            BulkAction::Delete => remove_named(catalogue, selection, ids).await,
            _ => requests::change_named(action, &ids).await.map(|changed| {
                let what = if action == BulkAction::Activate { "activated" } else { "deactivated" };
                toasts.say(format!("{} {what}", counted(changed, "product")));
                if !catalogue.listing.is_disposed() {
                    catalogue.reload();
                }
            }),
        };
        if let Err(problem) = done {
            toasts.refuse("The products could not be changed", &problem);
        }
        working.try_set(false);
    });
}
