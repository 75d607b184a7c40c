//! Keeps unsaved changes from being lost by navigation.

use leptos::{ev, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event};

use crate::auth::is_leaving;
use crate::products::list::catalogue::Catalogue;
use crate::products::list::query::Panel;
use crate::ui::ConfirmDialog;

/// Provided as context.
#[derive(Clone, Copy)]
pub struct UnsavedChanges {
    /// The form has changes that are not saved.
    pub dirty: RwSignal<bool>,
    asking: RwSignal<bool>,
    /// Where to go once the changes are discarded.
    target: StoredValue<Option<String>>,
    /// The panel that is shown: that of the address, unless the user is being asked.
    pub shown: RwSignal<Panel>,
    /// Stored to keep this small.
    catalogue: StoredValue<Catalogue>,
}

impl UnsavedChanges {
    pub fn provide(catalogue: Catalogue) -> Self {
        let unsaved = Self {
            dirty: RwSignal::new(false),
            asking: RwSignal::new(false),
            target: StoredValue::new(None),
            shown: RwSignal::new(catalogue.panel.get_untracked()),
            catalogue: StoredValue::new(catalogue),
        };
        provide_context(unsaved);
        unsaved.follow_address();
        unsaved.watch_links();
        let closing = window_event_listener(ev::beforeunload, move |event| {
            if unsaved.dirty.get_untracked() && !is_leaving() {
                event.prevent_default();
            }
        });
        on_cleanup(move || closing.remove());
        unsaved
    }

    pub fn expect() -> Self {
        expect_context()
    }

    fn catalogue(self) -> Catalogue {
        self.catalogue.get_value()
    }

    /// Navigates to an address, after a question if changes would be lost.
    pub fn go(self, href: String) {
        if self.dirty.get_untracked() {
            self.ask(href);
        } else {
            self.catalogue().go(&href);
        }
    }

    /// Closes the panel, after a question if changes would be lost.
    pub fn close(self) {
        self.go(untrack(|| self.catalogue().href(Panel::Closed)));
    }

    /// Closes the panel without a question.
    pub fn done(self) {
        self.dirty.set(false);
        self.catalogue().go(&untrack(|| self.catalogue().href(Panel::Closed)));
    }

    fn ask(self, href: String) {
        self.target.set_value(Some(href));
        self.asking.set(true);
    }

    /// The browser's buttons change the address without a question: it is restored until the question is answered.
    fn follow_address(self) {
        Effect::new(move |_| {
            let requested = self.catalogue().panel.get();
            let shown = self.shown.get_untracked();
            if requested == shown {
                return;
            }
            if self.dirty.get_untracked() {
                let back = untrack(|| self.catalogue().href(requested));
                // As a new entry of the history: those before it stay as they were.
                self.catalogue().go(&untrack(|| self.catalogue().href(shown)));
                self.ask(back);
            } else {
                self.shown.set(requested);
            }
        });
    }

    /// Asks before a link is followed. Runs before the router sees the click.
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
                return; // opens in another tab
            }
            event.prevent_default();
            event.stop_propagation();
            self.ask(href);
        });
        // It fails only if the listener is not a function.
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

/// The question whether to discard the changes.
#[component]
pub fn DiscardDialog() -> impl IntoView {
    let unsaved = UnsavedChanges::expect();
    let navigate = use_navigate();
    let discard = move || {
        unsaved.dirty.set(false);
        if let Some(href) = unsaved.target.get_value() {
            navigate(&href, NavigateOptions { scroll: !href.starts_with("/products"), ..NavigateOptions::default() });
        }
    };
    view! {
        <ConfirmDialog
            open=unsaved.asking
            title="Discard your changes?"
            confirm="Discard changes"
            dismiss="Keep editing"
            testid="discard-changes"
            on_confirm=discard
        >
            <p>"Your changes to this product are not saved."</p>
        </ConfirmDialog>
    }
}
