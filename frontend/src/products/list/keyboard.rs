//! Keyboard shortcuts of the page, and the help that lists them.

use leptos::{ev, prelude::*};
use shared::auth::Permission;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::catalogue::Catalogue;
use super::query::Panel;
use crate::auth::Auth;
use crate::products::bulk::selection::Selection;
use crate::products::detail::unsaved_changes::UnsavedChanges;
use crate::ui::{Modal, Toasts};

/// Whether the help is open. Provided as context.
#[derive(Clone, Copy)]
pub struct Help(pub RwSignal<bool>);

impl Help {
    pub fn expect() -> Self {
        expect_context()
    }
}

/// Keys, what they do, and the permission for it.
const SHORTCUTS: [(&[&str], &str, Permission); 10] = [
    (&["/"], "Search", Permission::ReadProducts),
    (&["↓", "j"], "Next product", Permission::ReadProducts),
    (&["↑", "k"], "Previous product", Permission::ReadProducts),
    (&["Enter"], "Open product", Permission::ReadProducts),
    (&["x"], "Select (Shift: range)", Permission::ReadProducts),
    (&["n"], "New product", Permission::WriteProducts),
    (&["Ctrl", "Enter"], "Save", Permission::WriteProducts),
    (&["z"], "Undo last change", Permission::WriteProducts),
    (&["Esc"], "Close, or clear selection", Permission::ReadProducts),
    (&["?"], "Show this help", Permission::ReadProducts),
];

/// Handles the shortcuts for as long as the page is shown. A dialog or a menu has keys of its own, and behind an open panel
/// the list does nothing.
pub fn listen(catalogue: Catalogue, selection: Selection, unsaved: UnsavedChanges, help: Help, auth: Auth) {
    let toasts = Toasts::expect();
    let listener = window_event_listener(ev::keydown, move |event| {
        let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
        if event.default_prevented() || has_modifier || exists("dialog[open], .popover-panel") {
            return;
        }
        let has_panel = unsaved.shown.get_untracked() != Panel::Closed;
        let handled = match event.key().as_str() {
            "Escape" => escape(selection, unsaved),
            _ if is_typing(&event) => false,
            "?" => {
                help.0.set(true);
                true
            }
            _ if has_panel => false,
            "/" => focus("[data-testid=search]"),
            "n" | "z" if !untrack(|| auth.can(Permission::WriteProducts)) => false,
            "n" => {
                unsaved.go(untrack(|| catalogue.href(Panel::New { copy: None })));
                true
            }
            "z" => {
                toasts.act();
                true
            }
            key => on_row(key, &event, catalogue, selection, unsaved),
        };
        if handled {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Handles the keys of a row that has the focus. The arrows also find the first row.
fn on_row(
    key: &str,
    event: &ev::KeyboardEvent,
    catalogue: Catalogue,
    selection: Selection,
    unsaved: UnsavedChanges,
) -> bool {
    let ids = untrack(|| catalogue.ids());
    let current = focused_row().and_then(|id| ids.iter().position(|known| *known == id));
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let on_control =
        target.is_some_and(|target| target.closest("button, a, input, summary").is_ok_and(|c| c.is_some()));
    match (key, current) {
        ("ArrowDown" | "j", None) | ("Home", Some(_)) => focus_row(0),
        ("ArrowDown" | "j", Some(at)) => focus_row((at + 1).min(ids.len() - 1)),
        ("ArrowUp" | "k", Some(0)) => focus("[data-testid=search]"),
        ("ArrowUp" | "k", Some(at)) => focus_row(at - 1),
        ("End", Some(_)) => focus_row(ids.len() - 1),
        ("x" | "X", Some(at)) => {
            selection.toggle(ids[at], event.shift_key());
            true
        }
        ("Enter", Some(at)) if !on_control => {
            unsaved.go(untrack(|| catalogue.href(Panel::Edit(ids[at]))));
            true
        }
        _ => false,
    }
}

/// Closes the panel; if none is open, clears the selection.
fn escape(selection: Selection, unsaved: UnsavedChanges) -> bool {
    if unsaved.shown.get_untracked() != Panel::Closed {
        unsaved.close();
        return true;
    }
    if !untrack(|| selection.is_empty()) {
        selection.clear();
        return true;
    }
    false
}

/// Moves the focus to the row at this index; returns false if there is none.
pub fn focus_row(index: usize) -> bool {
    let rows = document().query_selector_all("[data-testid=product-row]").ok();
    let row = rows.and_then(|rows| rows.get(u32::try_from(index).ok()?));
    give_focus(row.and_then(|row| row.dyn_into().ok()))
}

/// Moves the focus to the row of this product; returns false if it is not on the page.
pub fn focus_product(id: i64) -> bool {
    focus(&format!("[data-testid=product-row][data-id='{id}']"))
}

fn focus(selector: &str) -> bool {
    let element = document().query_selector(selector).ok().flatten();
    give_focus(element.and_then(|element| element.dyn_into().ok()))
}

fn give_focus(element: Option<HtmlElement>) -> bool {
    element.is_some_and(|element| element.focus().is_ok())
}

fn exists(selector: &str) -> bool {
    document().query_selector(selector).is_ok_and(|element| element.is_some())
}

/// The product whose row has the focus, or contains it.
fn focused_row() -> Option<i64> {
    let row = document().active_element()?.closest("[data-testid=product-row]").ok()??;
    row.get_attribute("data-id")?.parse().ok()
}

fn is_typing(event: &ev::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|target| {
        target.matches("input:not([type=checkbox], [type=radio]), textarea, select").unwrap_or(false)
    })
}

#[component]
pub fn HelpDialog() -> impl IntoView {
    let open = Help::expect().0;
    let auth = Auth::expect();
    let line = move |(keys, action, permission): (&'static [&'static str], &'static str, Permission)| {
        view! {
            <Show when=move || auth.can(permission)>
                <div class="help-line">
                    <dt>{action}</dt>
                    <dd>{keys.iter().map(|key| view! { <kbd>{*key}</kbd> }).collect_view()}</dd>
                </div>
            </Show>
        }
    };
    view! {
        <Modal open title="Keyboard shortcuts" id="help">
            <dl class="help">{SHORTCUTS.map(line).collect_view()}</dl>
            <div class="dialog-actions">
                <button type="button" class="button" data-testid="close-help" on:click=move |_| open.set(false)>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}
