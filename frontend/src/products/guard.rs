//! Keeps what was typed from being lost by a step elsewhere.

use leptos::{ev, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event};

use super::catalogue::Catalogue;
use super::query::Panel;
use crate::auth::is_leaving;
use crate::ui::ConfirmDialog;

/// Found in the context.
#[derive(Clone, Copy)]
pub struct Guard {
    /// Something is typed that is not saved.
    pub dirty: RwSignal<bool>,
    asking: RwSignal<bool>,
    /// Where to go once the changes are given up.
    target: StoredValue<Option<String>>,
    /// The panel that is shown: that of the address, unless the question is still open.
    pub shown: RwSignal<Panel>,
    /// Stored, so that this stays small to hand on.
    catalogue: StoredValue<Catalogue>,
}

impl Guard {
    pub fn provide(catalogue: Catalogue) -> Self {
        let guard = Self {
            dirty: RwSignal::new(false),
            asking: RwSignal::new(false),
            target: StoredValue::new(None),
            shown: RwSignal::new(catalogue.panel.get_untracked()),
            catalogue: StoredValue::new(catalogue),
        };
        provide_context(guard);
        guard.follow_the_address();
        guard.watch_links();
        let closing = window_event_listener(ev::beforeunload, move |event| {
            if guard.dirty.get_untracked() && !is_leaving() {
                event.prevent_default();
            }
        });
        on_cleanup(move || closing.remove());
        guard
    }

    pub fn expect() -> Self {
        expect_context()
    }

    fn catalogue(self) -> Catalogue {
        self.catalogue.get_value()
    }

    /// Goes to an address, after a question where something would be lost.
    pub fn go(self, href: String) {
        if self.dirty.get_untracked() {
            self.ask(href);
        } else {
            self.catalogue().go(&href);
        }
    }

    /// Closes the panel, after a question where something would be lost.
    pub fn close(self) {
        self.go(untrack(|| self.catalogue().href(Panel::Closed)));
    }

    /// Closes the panel: everything is saved, or nothing is wanted of it.
    pub fn done(self) {
        self.dirty.set(false);
        self.catalogue().go(&untrack(|| self.catalogue().href(Panel::Closed)));
    }

    fn ask(self, href: String) {
        self.target.set_value(Some(href));
        self.asking.set(true);
    }

    /// The browser's own buttons change the address without asking: it is put back until the question is answered.
    fn follow_the_address(self) {
        Effect::new(move |_| {
            let wanted = self.catalogue().panel.get();
            let shown = self.shown.get_untracked();
            if wanted == shown {
                return;
            }
            if self.dirty.get_untracked() {
                let back = untrack(|| self.catalogue().href(wanted));
                // As a step forward again: the steps behind this one stay what they were.
                self.catalogue().go(&untrack(|| self.catalogue().href(shown)));
                self.ask(back);
            } else {
                self.shown.set(wanted);
            }
        });
    }

    /// Links lead away, too; this hears of them before the router does.
    fn watch_links(self) {
        let listener = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if !self.dirty.get_untracked() {
                return;
            }
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let link = target.and_then(|target| target.closest("a[href]:not([download], [target])").ok().flatten());
            let Some(href) = link.and_then(|link| link.get_attribute("href")).filter(|href| href.starts_with('/'))
            else {
                return;
            };
            let event: &ev::MouseEvent = event.unchecked_ref();
            if event.ctrl_key() || event.meta_key() || event.shift_key() {
                return; // another tab
            }
            event.prevent_default();
            event.stop_propagation();
            self.ask(href);
        });
        // It fails only where the listener is no function.
        let _ = document().add_event_listener_with_callback_and_bool("click", listener.as_ref().unchecked_ref(), true);
        let listener = StoredValue::new_local(listener);
        on_cleanup(move || {
            listener.with_value(|listener| {
                let listener = listener.as_ref().unchecked_ref();
                let _ = document().remove_event_listener_with_callback_and_bool("click", listener, true);
            });
        });
    }
}

/// The question.
#[component]
pub fn GuardDialog() -> impl IntoView {
    let guard = Guard::expect();
    let navigate = use_navigate();
    let discard = move || {
        guard.dirty.set(false);
        if let Some(href) = guard.target.get_value() {
            navigate(&href, NavigateOptions { scroll: !href.starts_with("/products"), ..NavigateOptions::default() });
        }
    };
    view! {
        <ConfirmDialog
            open=guard.asking
            title="Discard your changes?"
            confirm="Discard changes"
            dismiss="Keep editing"
            testid="discard-changes"
            on_confirm=discard
        >
            <p>"What you have changed in this product is not saved yet."</p>
        </ConfirmDialog>
    }
}
