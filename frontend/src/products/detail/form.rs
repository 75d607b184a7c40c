//! Saving the form of a product: checked with the rules of `shared`, and against the version that it started from.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::{
    problem::{ErrorCode, Problem},
    product::{Product, ProductInput},
};
use wasm_bindgen_futures::spawn_local;

use super::conflict::Conflict;
use super::form_state::FormState;
use super::unsaved_changes::UnsavedChanges;
use crate::products::list::catalogue::Catalogue;
use crate::products::requests;
use crate::ui::focus_first_error;

/// A form, and the state of saving it.
#[derive(Clone, Copy)]
pub struct Form {
    pub state: FormState,
    /// The product that is edited, as it was loaded; `None` for a new one.
    pub known: RwSignal<Option<Product>>,
    /// What the form started with.
    pub start: RwSignal<ProductInput>,
    pub saving: RwSignal<bool>,
    pub problem: RwSignal<Option<Problem>>,
    pub conflict: RwSignal<Option<Conflict>>,
    pub catalogue: Catalogue,
    pub unsaved: UnsavedChanges,
}

/// How a product was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saved {
    Added,
    Changed,
    /// Together with changes that someone else made after the form was opened.
    Merged,
}

impl Form {
    pub fn new(start: ProductInput, product: Option<Product>) -> Self {
        Self {
            state: FormState::new(start.clone()),
            known: RwSignal::new(product),
            start: RwSignal::new(start.normalised()),
            saving: RwSignal::new(false),
            problem: RwSignal::new(None),
            conflict: RwSignal::new(None),
            catalogue: Catalogue::expect(),
            unsaved: UnsavedChanges::expect(),
        }
    }

    /// Saves the form if it is valid.
    pub fn submit(self) {
        self.state.submitted.set(true);
        if !self.state.is_valid() {
            focus_first_error();
            return;
        }
        self.save(untrack(|| self.state.input()));
    }

    /// Saves the form as a new product.
    pub fn submit_as_new(self) {
        self.known.set(None);
        self.submit();
    }

    /// Saves the merged product against the version that it was merged with.
    pub fn save_merged(self, input: ProductInput) {
        if let Some(conflict) = self.conflict.get_untracked() {
            self.state.put(input.clone());
            self.start.set(ProductInput::from(conflict.theirs.clone()).normalised());
            self.known.set(Some(conflict.theirs));
            self.save(input);
        }
    }

    fn save(self, input: ProductInput) {
        if self.saving.get_untracked() {
            return;
        }
        self.saving.set(true);
        self.problem.set(None);
        spawn_local(async move {
            self.store(input).await;
            self.saving.try_set(false);
        });
    }

    /// Sends the product. Where another change came first and does not conflict, sends both.
    async fn store(self, mut input: ProductInput) {
        let mut merged_with_others = false;
        loop {
            let known = self.known.try_get_untracked().flatten();
            let response = match &known {
                Some(known) => requests::replace(known.id, known.version, &input).await,
                None => requests::create(&input).await,
            };
            match (response, known) {
                (Ok(product), known) => {
                    let outcome = match (known, merged_with_others) {
                        (None, _) => Saved::Added,
                        (Some(_), false) => Saved::Changed,
                        (Some(_), true) => Saved::Merged,
                    };
                    return self.finish(product, outcome);
                }
                (Err(problem), Some(known)) if problem.code == ErrorCode::PreconditionFailed => {
                    match self.merge(known.id, input).await {
                        Some(merged) => {
                            input = merged;
                            merged_with_others = true;
                        }
                        None => return,
                    }
                }
                (Err(problem), _) => return self.fail(problem),
            }
        }
    }

    /// Merges with the stored product. Returns what to save, or `None` if the user has to choose or has left.
    async fn merge(self, id: i64, mine: ProductInput) -> Option<ProductInput> {
        let theirs = match requests::product(id).await {
            Ok(theirs) => theirs,
            Err(problem) => {
                self.fail(problem);
                return None;
            }
        };
        self.catalogue.put(theirs.clone());
        let base = self.start.try_get_untracked()?;
        let conflict = Conflict::new(&base, &mine.normalised(), theirs);
        if !conflict.differences.is_empty() {
            self.conflict.set(Some(conflict));
            return None;
        }
        let merged = conflict.resolve(&BTreeMap::new());
        self.state.put(merged.clone());
        self.start.set(ProductInput::from(conflict.theirs.clone()).normalised());
        self.known.set(Some(conflict.theirs));
        Some(merged)
    }

    fn fail(self, problem: Problem) {
        if self.problem.is_disposed() {
            return;
        }
        self.conflict.set(None);
        self.state.rejected.set(problem.errors.clone());
        self.problem.set(Some(problem));
        focus_first_error();
    }

    fn finish(self, product: Product, outcome: Saved) {
        let sku = &product.sku;
        self.catalogue.toasts.say(match outcome {
            Saved::Added => format!("{sku} added"),
            Saved::Changed => format!("{sku} saved"),
            Saved::Merged => format!("{sku} saved, and someone else's changes to it were kept"),
        });
        if outcome == Saved::Added {
            self.catalogue.reload();
        } else {
            self.catalogue.put(product);
        }
        if !self.problem.is_disposed() {
            self.unsaved.done();
        }
    }
}
