//! The form of one product: checked by the rules of `shared` while one types, saved against the version it began with.

use leptos::prelude::*;
use shared::{
    problem::{ErrorCode, Problem},
    product::{Product, ProductInput},
};
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use super::conflict::{Conflict, ConflictView};
use super::draft::Draft;
use super::fields::fields;
use super::guard::Guard;
use super::requests;
use crate::ui::focus_first_error;

/// What the form is for, and what became of it.
#[derive(Clone, Copy)]
pub struct Form {
    pub(super) draft: Draft,
    /// What both began with; nothing where the product is new.
    pub(super) known: RwSignal<Option<Product>>,
    start: RwSignal<ProductInput>,
    pub(super) saving: RwSignal<bool>,
    pub(super) problem: RwSignal<Option<Problem>>,
    conflict: RwSignal<Option<Conflict>>,
    pub(super) catalogue: Catalogue,
    pub(super) guard: Guard,
}

/// Creates a product, or changes the one that is given.
#[component]
pub fn ProductForm(
    /// What stands in the form at first.
    start: ProductInput,
    product: Option<Product>,
) -> impl IntoView {
    let form = Form {
        draft: Draft::new(start.clone()),
        known: RwSignal::new(product),
        start: RwSignal::new(start.normalised()),
        saving: RwSignal::new(false),
        problem: RwSignal::new(None),
        conflict: RwSignal::new(None),
        catalogue: Catalogue::expect(),
        guard: Guard::expect(),
    };
    let dirty = Memo::new(move |_| form.start.with(|start| form.draft.input().normalised() != *start));
    Effect::new(move |_| form.guard.dirty.set(dirty.get()));
    // What the server said of a text is no more true of another one.
    Effect::new(move |_| {
        form.draft.input();
        form.draft.refused.set(Vec::new());
        form.problem.set(None);
    });
    on_cleanup(move || form.guard.dirty.set(false));
    move || match form.conflict.get() {
        Some(conflict) => view! {
            <ConflictView
                conflict
                saving=form.saving
                save=move |input| form.save_merged(input)
                cancel=move || form.conflict.set(None)
            />
        }
        .into_any(),
        None => fields(&form, dirty).into_any(),
    }
}

impl Form {
    pub(super) fn submit(self) {
        self.draft.submitted.set(true);
        if !self.draft.is_valid() {
            focus_first_error();
            return;
        }
        self.save(untrack(|| self.draft.input()));
    }

    fn save(self, input: ProductInput) {
        if self.saving.get_untracked() {
            return;
        }
        self.saving.set(true);
        self.problem.set(None);
        let known = self.known.get_untracked();
        spawn_local(async move {
            let answer = match &known {
                Some(known) => requests::replace(known.id, known.version, &input).await,
                None => requests::create(&input).await,
            };
            match answer {
                Err(problem) if problem.code == ErrorCode::PreconditionFailed => self.collide(input).await,
                Err(problem) => self.refuse(problem),
                Ok(product) => self.saved(product, known.is_none()),
            }
            self.saving.try_set(false);
        });
    }

    /// Saves what was chosen against the version that it was chosen from.
    fn save_merged(self, input: ProductInput) {
        if let Some(conflict) = self.conflict.get_untracked() {
            self.draft.put(input.clone());
            self.start.set(ProductInput::from(conflict.theirs.clone()).normalised());
            self.known.set(Some(conflict.theirs));
            self.save(input);
        }
    }

    /// Shows both versions.
    async fn collide(self, mine: ProductInput) {
        let Some(known) = self.known.try_get_untracked().flatten() else { return };
        match requests::product(known.id).await {
            Ok(theirs) => {
                self.catalogue.put(theirs.clone());
                let base = self.start.try_get_untracked().unwrap_or_else(|| mine.clone());
                self.conflict.try_set(Some(Conflict::new(&base, mine.normalised(), theirs)));
            }
            Err(problem) => self.refuse(problem),
        }
    }

    fn refuse(self, problem: Problem) {
        if self.problem.is_disposed() {
            return;
        }
        self.conflict.set(None);
        self.draft.refused.set(problem.errors.clone());
        self.problem.set(Some(problem));
        focus_first_error();
    }

    fn saved(self, product: Product, new: bool) {
        let toasts = self.catalogue.toasts;
        if new {
            toasts.say(format!("{} was added", product.sku));
            self.catalogue.reload();
        } else {
            toasts.say(format!("{} was saved", product.sku));
            self.catalogue.put(product);
        }
        if !self.problem.is_disposed() {
            self.guard.done();
        }
    }
}
