//! The page without a mouse: what each key does, and the help that says so.

use leptos::{ev, prelude::*};
use shared::auth::Permission;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::catalogue::Catalogue;
use super::guard::Guard;
use super::query::Panel;
use super::selection::Selection;
use crate::auth::Auth;
use crate::ui::{Modal, Toasts};

/// Whether the help is shown. Found in the context.
#[derive(Clone, Copy)]
pub struct Help(pub RwSignal<bool>);

impl Help {
    pub fn expect() -> Self {
        expect_context()
    }
}

/// Keys, what they do, and who may do that.
const KEYS: [(&[&str], &str, Permission); 10] = [
    (&["/"], "Search", Permission::ReadProducts),
    (&["↓", "j"], "Next product", Permission::ReadProducts),
    (&["↑", "k"], "Previous product", Permission::ReadProducts),
    (&["Enter"], "Open the product", Permission::ReadProducts),
    (&["x"], "Select the product; with Shift, all up to it", Permission::ReadProducts),
    (&["n"], "New product", Permission::WriteProducts),
    (&["Ctrl", "Enter"], "Save what is open", Permission::WriteProducts),
    (&["z"], "Undo the last deletion", Permission::WriteProducts),
    (&["Esc"], "Close, or clear the selection", Permission::ReadProducts),
    (&["?"], "This help", Permission::ReadProducts),
];

/// Listens to the keys of the page, as long as it is shown.
pub fn listen(catalogue: Catalogue, selection: Selection, guard: Guard, help: Help, auth: Auth) {
    let toasts = Toasts::expect();
    let listener = window_event_listener(ev::keydown, move |event| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() || is_in_dialog() {
            return;
        }
        let done = match event.key().as_str() {
            "Escape" => escape(selection, guard),
            _ if is_typing(&event) => false,
            "/" => focus("[data-testid=search]"),
            "?" => {
                help.0.set(true);
                true
            }
            "n" | "z" if !untrack(|| auth.can(Permission::WriteProducts)) => false,
            "n" => {
                guard.go(untrack(|| catalogue.href(Panel::New { copy: None })));
                true
            }
            "z" => {
                toasts.act();
                true
            }
            key => on_row(key, &event, catalogue, selection, guard),
        };
        if done {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// What keys do with the row that has the focus; the arrows find one where none has.
fn on_row(key: &str, event: &ev::KeyboardEvent, catalogue: Catalogue, selection: Selection, guard: Guard) -> bool {
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
            guard.go(untrack(|| catalogue.href(Panel::Edit(ids[at]))));
            true
        }
        _ => false,
    }
}

/// Closes the panel; without one, takes the ticks away.
fn escape(selection: Selection, guard: Guard) -> bool {
    if guard.shown.get_untracked() != Panel::Closed {
        guard.close();
        return true;
    }
    if untrack(|| selection.count()) != Some(0) {
        selection.clear();
        return true;
    }
    false
}

/// Gives the focus to the row at this place of the page; false where there is none.
pub fn focus_row(at: usize) -> bool {
    let row = document().query_selector_all("[data-testid=product-row]").ok();
    let row = row.and_then(|rows| rows.get(u32::try_from(at).ok()?));
    give_focus(row.and_then(|row| row.dyn_into().ok()))
}

/// Gives the focus to the row of this product; false where it is not on the page.
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

/// The product whose row has the focus, or something in it.
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

/// A dialog has its own keys.
fn is_in_dialog() -> bool {
    document().query_selector("dialog[open]").is_ok_and(|dialog| dialog.is_some())
}

#[component]
pub fn HelpDialog() -> impl IntoView {
    let open = Help::expect().0;
    let auth = Auth::expect();
    let line = move |(keys, what, permission): (&'static [&'static str], &'static str, Permission)| {
        view! {
            <Show when=move || auth.can(permission)>
                <div class="help-line">
                    <dt>{what}</dt>
                    <dd>{keys.iter().map(|key| view! { <kbd>{*key}</kbd> }).collect_view()}</dd>
                </div>
            </Show>
        }
    };
    view! {
        <Modal open title="Keyboard" id="help">
            <dl class="help">{KEYS.map(line).collect_view()}</dl>
            <div class="dialog-actions">
                <button type="button" class="button" data-testid="close-help" on:click=move |_| open.set(false)>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}
