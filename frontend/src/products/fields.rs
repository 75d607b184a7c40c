//! The fields of the form of a product, and what is beside them.

use leptos::{ev, html, prelude::*};
use shared::{problem::ErrorCode, product::Product};

use super::attributes::Attributes;
use super::catalogue::Catalogue;
use super::draft::Draft;
use super::form::Form;
use super::guard::Guard;
use super::query::Panel;
use super::remove::remove;
use super::selection::Selection;
use crate::ui::{Glyph, Icon, Notice, Relative, Tone};

/// The fields of `form`.
pub fn fields(form: &Form, dirty: Memo<bool>) -> impl IntoView + use<> {
    view! { <Fields form=*form dirty /> }
}

#[component]
fn Fields(form: Form, dirty: Memo<bool>) -> impl IntoView {
    let Form { draft, known, saving, .. } = form;
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
    let save = move || match (saving.get(), is_new) {
        (true, _) => "Saving …",
        (false, true) => "Add product",
        (false, false) => "Save",
    };
    view! {
        <form class="panel-form" novalidate on:submit=on_submit on:keydown=on_key>
            <div class="panel-body">
                <Refusal form />
                <TextField draft field="sku" label="SKU" value=draft.sku focus=is_new />
                <TextField draft field="name" label="Name" value=draft.name focus=false />
                <Description draft />
                <label class="field field-check">
                    <input
                        type="checkbox"
                        class="tick"
                        data-testid="field-active"
                        prop:checked=draft.active
                        on:change=move |event| draft.active.set(event_target_checked(&event))
                    />
                    <span>"Active"</span>
                </label>
                <Attributes draft />
                {move || known.get().map(|product| record(&product))}
            </div>
            <footer class="panel-foot">
                {move || known.get().map(|product| view! { <OwnActions product /> })}
                <button type="button" class="button" on:click=move |_| form.guard.close()>
                    "Cancel"
                </button>
                <button
                    type="submit"
                    class="button button-primary"
                    data-testid="save"
                    aria-disabled=move || (saving.get() || (!is_new && !dirty.get())).then_some("true")
                >
                    {save}
                </button>
            </footer>
        </form>
    }
}

/// Why it was not saved, where that is not the matter of a single field.
#[component]
fn Refusal(form: Form) -> impl IntoView {
    let known = form.known;
    let again = move |_| {
        // It is gone: what stands here may become a new one.
        known.set(None);
        form.submit();
    };
    move || {
        let problem = form.problem.get()?;
        let more = match problem.code {
            ErrorCode::SkuTaken => problem.product.map(|id| {
                let href = form.catalogue.href(Panel::Edit(id));
                view! { <a href=href data-noscroll data-testid="other-product">"Open the product that has it"</a> }
                    .into_any()
            }),
            ErrorCode::NotFound => Some(
                view! {
                    <button type="button" class="button" data-testid="create-again" on:click=again>
                        "Add it as a new product"
                    </button>
                }
                .into_any(),
            ),
            _ => None,
        };
        Some(view! {
            <Notice tone=Tone::Bad title="This was not saved" testid="form-problem" plain=true>
                <p>{problem.detail}</p>
                {more}
            </Notice>
        })
    }
}

#[component]
fn TextField(
    draft: Draft,
    field: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// The focus begins here.
    focus: bool,
) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get().filter(|_| focus) {
            let _ = input.focus();
        }
    });
    let problem = Memo::new(move |_| draft.problem_of(field));
    let error_id = format!("{field}-error");
    view! {
        <div class="field">
            <label class="field-label" for=format!("field-{field}")>
                {label}
            </label>
            <input
                class="input"
                id=format!("field-{field}")
                data-testid=format!("field-{field}")
                node_ref=input
                required
                autocomplete="off"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby=error_id.clone()
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
                on:blur=move |_| {
                    // A field also loses the focus when it is taken away with the form.
                    if value.try_with_untracked(|value| !value.is_empty()) == Some(true) {
                        draft.touch(field);
                    }
                }
            />
            <p class="field-error" id=error_id role="alert" data-testid=format!("error-{field}")>
                {move || problem.get().map(|problem| format!("{label} {problem}"))}
            </p>
        </div>
    }
}

#[component]
fn Description(draft: Draft) -> impl IntoView {
    let value = draft.description;
    let problem = Memo::new(move |_| draft.problem_of("description"));
    view! {
        <div class="field">
            <label class="field-label" for="field-description">"Description"</label>
            <textarea
                class="input"
                id="field-description"
                data-testid="field-description"
                rows="6"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby="description-error"
                prop:value=value
                on:input=move |event| {
                    value.set(event_target_value(&event));
                    draft.touch("description");
                }
            ></textarea>
            <p class="field-error" id="description-error" role="alert">
                {move || problem.get().map(|problem| format!("Description {problem}"))}
            </p>
        </div>
    }
}

/// What the product has been through.
pub fn record(product: &Product) -> impl IntoView + use<> {
    let Product { id: number, created_at, updated_at, import, .. } = *product;
    let import = import.map(|id| {
        view! {
            <div>
                <dt>"Last import"</dt>
                <dd><a href=format!("/imports/{id}")>{format!("No. {id}")}</a></dd>
            </div>
        }
    });
    view! {
        <dl class="record">
            <div><dt>"Created"</dt><dd><Relative at=created_at /></dd></div>
            <div><dt>"Updated"</dt><dd><Relative at=updated_at /></dd></div>
            {import}
            <div><dt>"Number"</dt><dd>{number}</dd></div>
        </dl>
    }
}

/// What else can be done with a product that is there.
#[component]
fn OwnActions(product: Product) -> impl IntoView {
    let (catalogue, selection, guard) = (Catalogue::expect(), Selection::expect(), Guard::expect());
    let id = product.id;
    let delete = move |_| {
        guard.done();
        remove(catalogue, selection, product.clone());
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
