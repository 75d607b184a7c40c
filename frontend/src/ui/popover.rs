use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::Node;

/// A button with a small panel below it. Escape, a click elsewhere and leaving it with the keyboard close it.
#[component]
pub fn Popover(
    /// Whether the panel is shown.
    open: RwSignal<bool>,
    /// What the panel is, for screen readers.
    label: &'static str,
    /// Name of the button for tests; with `-panel` behind it, that of the panel.
    testid: &'static str,
    /// What stands on the button.
    #[prop(into)]
    button: ViewFn,
    /// The button has no text of its own.
    #[prop(optional)]
    bare: bool,
    /// Contents of the panel, made anew each time that it opens.
    children: ChildrenFn,
) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    let opener = NodeRef::<html::Button>::new();
    let outside = move |target: Option<web_sys::EventTarget>| {
        let node = target.and_then(|target| target.dyn_into::<Node>().ok());
        root.get_untracked().is_some_and(|root| !root.contains(node.as_ref()))
    };
    let pressed = window_event_listener(ev::pointerdown, move |event| {
        if open.get_untracked() && outside(event.target()) {
            open.set(false);
        }
    });
    on_cleanup(move || pressed.remove());
    let on_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" && open.get_untracked() {
            event.prevent_default();
            open.set(false);
            if let Some(opener) = opener.get_untracked() {
                let _ = opener.focus();
            }
        }
    };
    let on_leave = move |event: ev::FocusEvent| {
        // Without a target the window has lost the focus, or something without one was pressed.
        if event.related_target().is_some() && outside(event.related_target()) {
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
                <div class="popover-panel" role="group" aria-label=label data-testid=panel_testid.clone()>
                    {children()}
                </div>
            </Show>
        </div>
    }
}
