use leptos::{ev, html, prelude::*};

use super::sign_in::SignInForm;
use super::state::Access;

/// Opens above a page whose session has ended. The page stays as it is, with what is typed in it, and goes on afterwards.
#[component]
pub fn SignInDialog() -> impl IntoView {
    let access = Access::expect();
    let dialog = NodeRef::<html::Dialog>::new();
    let show = move || {
        let Some(dialog) = dialog.get_untracked() else { return };
        match (access.ended.get_untracked(), dialog.open()) {
            // It fails only for a dialog that is open or not in the page.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    };
    Effect::new(move |_| {
        dialog.track();
        access.ended.track();
        show();
    });
    // There is nothing to go back to without a session; a browser closes a dialog at the second Escape all the same.
    let keep = move |event: ev::Event| event.prevent_default();
    let leave = move |_| Access::leave();
    let name = move || access.person().map(|person| person.name).unwrap_or_default();
    let why = move || {
        if access.person().is_some() {
            "Sign in again: the page stays as it is, with what you have typed."
        } else {
            "An account has been made for this Loadify. Sign in to go on: the page stays as it is."
        }
    };
    view! {
        <dialog
            class="dialog"
            node_ref=dialog
            data-testid="sign-in-dialog"
            aria-labelledby="sign-in-again"
            on:cancel=keep
            on:close=move |_| show()
        >
            <h2 id="sign-in-again">{move || if access.person().is_some() { "Your session has ended" } else { "Sign in" }}</h2>
            <p>{why}</p>
            <Show when=move || access.ended.get()>
                <SignInForm name=untrack(name) />
            </Show>
            <p class="entrance-foot">
                <button type="button" class="link-button" data-testid="leave-page" on:click=leave>
                    "Leave this page"
                </button>
            </p>
        </dialog>
    }
}
