//! The state of a form that is being sent.

use leptos::prelude::*;
use shared::problem::{FieldError, Problem};
use wasm_bindgen::JsCast;

/// Whether a form was submitted, and the response.
#[derive(Clone, Copy, Default)]
pub struct Submission {
    /// It was submitted once, so fields show their errors.
    pub submitted: RwSignal<bool>,
    /// It is being sent.
    pub busy: RwSignal<bool>,
    /// The error from the server, until the form changes.
    pub server_error: RwSignal<Option<Problem>>,
}

impl Submission {
    /// Clears the error from the server when `typed` changes.
    pub fn clear_error_on(self, typed: impl Fn() + 'static) -> Self {
        Effect::new(move |_| {
            typed();
            self.server_error.set(None);
        });
        self
    }

    /// Starts sending; returns false if the form has errors or is being sent.
    pub fn begin(self, wrong: &[FieldError]) -> bool {
        self.submitted.set(true);
        if !wrong.is_empty() {
            focus_first_error();
            return false;
        }
        if self.busy.get_untracked() {
            return false;
        }
        self.busy.set(true);
        self.server_error.set(None);
        true
    }

    /// Ends sending with an error.
    pub fn fail(self, problem: Problem) {
        self.busy.try_set(false);
        self.server_error.try_set(Some(problem));
        focus_first_error();
    }

    /// Returns the error of a field from the server.
    pub fn of(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || self.server_error.with(|problem| of_field(&problem.as_ref()?.errors, field)))
    }
}

/// Returns the error of a field.
pub fn of_field(errors: &[FieldError], field: &str) -> Option<String> {
    errors.iter().find(|error| error.field == field).map(|error| error.message.clone())
}

/// Moves the focus to the first field with an error.
pub fn focus_first_error() {
    // After the errors are rendered.
    request_animation_frame(|| {
        let field = document().query_selector("form [aria-invalid=true]").ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = field.focus();
        }
    });
}
