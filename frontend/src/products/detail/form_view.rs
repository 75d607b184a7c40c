//! The form of a product in the panel.

use leptos::{ev, prelude::*};
use shared::{
    problem::ErrorCode,
    product::{Product, ProductInput},
};

use super::attributes::Attributes;
use super::conflict_view::ConflictView;
use super::details::history;
use super::fields::{ActiveField, DescriptionField, TextField};
use super::form::Form;
use super::unsaved_changes::UnsavedChanges;
use crate::products::bulk::delete::delete_product;
use crate::products::bulk::selection::Selection;
use crate::products::list::catalogue::Catalogue;
use crate::products::list::query::Panel;
use crate::ui::{Glyph, Icon, Notice, Tone};

/// Creates a product, or changes the given one.
#[component]
pub fn ProductForm(
    /// The initial content of the form.
    start: ProductInput,
    product: Option<Product>,
) -> impl IntoView {
    let form = Form::new(start, product);
    let dirty = Memo::new(move |_| form.start.with(|start| form.state.input().normalised() != *start));
    Effect::new(move |_| form.unsaved.dirty.set(dirty.get()));
    // An error of the server is about the content that was sent.
    Effect::new(move |_| {
        form.state.input();
        form.state.rejected.set(Vec::new());
        form.problem.set(None);
    });
    on_cleanup(move || form.unsaved.dirty.set(false));
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
        None => view! { <FormView form dirty /> }.into_any(),
    }
}

#[component]
fn FormView(form: Form, dirty: Memo<bool>) -> impl IntoView {
    let Form { state, known, .. } = form;
    let on_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            form.submit();
        }
    };
    let on_submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        form.submit();
    };
    let is_new = known.with_untracked(Option::is_none);
    view! {
        <form class="panel-form" novalidate on:submit=on_submit on:keydown=on_key>
            <div class="panel-body">
                <SaveError form />
                <TextField state field="sku" label="SKU" value=state.sku focus=is_new />
                <TextField state field="name" label="Name" value=state.name focus=false />
                <DescriptionField state />
                <ActiveField state />
                <Attributes state />
                {move || known.get().map(|product| history(&product))}
            </div>
            <footer class="panel-foot">
                {move || known.get().map(|product| view! { <ProductActions product /> })}
                <button type="button" class="button" on:click=move |_| form.unsaved.close()>
                    "Cancel"
                </button>
                <SaveButton form dirty is_new />
            </footer>
        </form>
    }
}

#[component]
fn SaveButton(form: Form, dirty: Memo<bool>, is_new: bool) -> impl IntoView {
    let saving = form.saving;
    let label = move || match (saving.get(), is_new) {
        (true, _) => "Saving …",
        (false, true) => "Add product",
        (false, false) => "Save",
    };
    view! {
        <button
            type="submit"
            class="button button-primary"
            data-testid="save"
            aria-disabled=move || (saving.get() || (!is_new && !dirty.get())).then_some("true")
        >
            {label}
        </button>
    }
}

/// Why the product was not saved, unless the reason is shown at a field.
#[component]
fn SaveError(form: Form) -> impl IntoView {
    move || {
        let problem = form.problem.get()?;
        let remedy = match problem.code {
            ErrorCode::SkuTaken => problem.product.map(|id| {
                let href = form.catalogue.href(Panel::Edit(id));
                view! { <a href=href data-noscroll data-testid="other-product">"Open the product with this SKU"</a> }
                    .into_any()
            }),
            // It was deleted.
            ErrorCode::NotFound => Some(
                view! {
                    <button type="button" class="button" data-testid="create-again" on:click=move |_| form.submit_as_new()>
                        "Add as a new product"
                    </button>
                }
                .into_any(),
            ),
            _ => None,
        };
        Some(view! {
            <Notice tone=Tone::Bad title="Couldn't save" testid="form-problem" plain=true>
                <p>{problem.detail}</p>
                {remedy}
            </Notice>
        })
    }
}

/// Actions on an existing product.
#[component]
fn ProductActions(product: Product) -> impl IntoView {
    let (catalogue, selection, unsaved) = (Catalogue::expect(), Selection::expect(), UnsavedChanges::expect());
    let id = product.id;
    let delete = move |_| {
        unsaved.done();
        delete_product(catalogue, selection, product.clone());
    };
    view! {
        <div class="panel-more">
            <button type="button" class="icon-button" data-testid="delete-product" aria-label="Delete" title="Delete" on:click=delete>
                <Icon glyph=Glyph::Trash />
            </button>
            <a
                class="icon-button"
                href=move || catalogue.href(Panel::New { copy: Some(id) })
                data-noscroll
                data-testid="duplicate"
                aria-label="Duplicate"
                title="Duplicate"
            >
                <Icon glyph=Glyph::Copy />
            </a>
        </div>
    }
}
