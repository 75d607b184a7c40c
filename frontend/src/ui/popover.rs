//! A button that opens a small panel or a menu.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, Node};

/// What the arrow keys move between.
const ITEMS: &str = "a[href], button:not(:disabled), input:not(:disabled), select";

/// A button with a small panel below it. Escape, a click elsewhere and leaving it with the keyboard close it. The up and
/// down arrows move inside it.
#[component]
pub fn Popover(
    /// Whether the panel is open.
    open: RwSignal<bool>,
    /// The name of the panel, for screen readers.
    label: &'static str,
    /// Test id of the button; that of the panel ends with `-panel`.
    testid: &'static str,
    /// The content of the button.
    #[prop(into)]
    button: ViewFn,
    /// The button has no text of its own.
    #[prop(optional)]
    bare: bool,
    /// The content of the panel, created each time it opens.
    children: ChildrenFn,
) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    let opener = NodeRef::<html::Button>::new();
    let panel = NodeRef::<html::Div>::new();
    close_on_click_outside(open, root);
    let on_key = move |event: ev::KeyboardEvent| {
        if !open.get_untracked() {
            return;
        }
        let handled = match event.key().as_str() {
            "Escape" => {
                open.set(false);
                if let Some(opener) = opener.get_untracked() {
                    let _ = opener.focus();
                }
                true
            }
            key => panel.get_untracked().is_some_and(|panel| move_focus(&panel, key)),
        };
        if handled {
            event.prevent_default();
        }
    };
    let on_leave = move |event: ev::FocusEvent| {
        // Without a target the window has lost the focus, or the user clicked something that takes none.
        if event.related_target().is_some() && is_outside(root, event.related_target()) {
            open.set(false);
        }
    };
    let panel_testid = format!("{testid}-panel");
    view! {
        <div class="popover" node_ref=root on:keydown=on_key on:focusout=on_leave>
            <button
                type="button"
                class="button"
                class:button-bare=bare
                node_ref=opener
                data-testid=testid
                aria-expanded=move || open.get().to_string()
                aria-label=bare.then_some(label)
                title=bare.then_some(label)
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {move || button.run()}
            </button>
            <Show when=move || open.get()>
                <div class="popover-panel" role="group" aria-label=label data-testid=panel_testid.clone() node_ref=panel>
                    {children()}
                </div>
            </Show>
        </div>
    }
}

fn is_outside(root: NodeRef<html::Div>, target: Option<web_sys::EventTarget>) -> bool {
    let node = target.and_then(|target| target.dyn_into::<Node>().ok());
    root.get_untracked().is_some_and(|root| !root.contains(node.as_ref()))
}

fn close_on_click_outside(open: RwSignal<bool>, root: NodeRef<html::Div>) {
    let listener = window_event_listener(ev::pointerdown, move |event| {
        if open.get_untracked() && is_outside(root, event.target()) {
            open.set(false);
        }
    });
    on_cleanup(move || listener.remove());
}

/// Moves the focus between the items of the panel, from the button to the first or last. Returns false for other keys, and
/// in fields that use the arrows themselves.
fn move_focus(panel: &HtmlElement, key: &str) -> bool {
    let (Some(focused), Ok(items)) = (document().active_element(), panel.query_selector_all(ITEMS)) else {
        return false;
    };
    if focused.matches("select, input:not([type=checkbox], [type=radio])").unwrap_or(false) {
        return false;
    }
    let current =
        (0..items.length()).find(|index| items.get(*index).is_some_and(|item| item.is_same_node(Some(&focused))));
    let last = items.length().saturating_sub(1);
    let next = match (key, current) {
        ("ArrowDown", None) | ("Home", _) => 0,
        ("ArrowDown", Some(index)) => {
            if index == last {
                0
            } else {
                index + 1
            }
        }
        ("ArrowUp", None | Some(0)) | ("End", _) => last,
        ("ArrowUp", Some(index)) => index - 1,
        _ => return false,
    };
    let item = items.get(next).and_then(|item| item.dyn_into::<HtmlElement>().ok());
    item.is_some_and(|item| item.focus().is_ok())
}
