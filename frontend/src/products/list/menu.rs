//! The two menus at the end of the toolbar: the columns of the table, and actions on the whole list.

use leptos::prelude::*;
use shared::auth::Permission;

use super::catalogue::Catalogue;
use super::keyboard::Help;
use super::prefs::{Column, Density, Prefs};
use crate::auth::Auth;
use crate::products::requests;
use crate::ui::{Glyph, Icon, Popover};

/// Columns and density.
#[component]
pub fn ViewButton(prefs: RwSignal<Prefs>) -> impl IntoView {
    let open = RwSignal::new(false);
    let button = || view! { <Icon glyph=Glyph::Columns /> };
    view! {
        <Popover open label="Columns and density" testid="view" button=button bare=true>
            <p class="menu-title">"Rows"</p>
            <div class="segments segments-wide" role="group" aria-label="Density">
                <DensityChoice prefs density=Density::Comfortable label="Comfortable" testid="comfortable" />
                <DensityChoice prefs density=Density::Compact label="Compact" testid="compact" />
            </div>
            <p class="menu-title">"Columns"</p>
            <ColumnChoices prefs />
        </Popover>
    }
}

#[component]
fn DensityChoice(prefs: RwSignal<Prefs>, density: Density, label: &'static str, testid: &'static str) -> impl IntoView {
    view! {
        <button
            type="button"
            class="segment"
            data-testid=testid
            aria-pressed=move || prefs.with(|prefs| prefs.density == density).to_string()
            on:click=move |_| prefs.update(|prefs| prefs.density = density)
        >
            {label}
        </button>
    }
}

/// The columns of every product, then the attributes on the page, and those that were chosen before.
#[component]
fn ColumnChoices(prefs: RwSignal<Prefs>) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let choices = Memo::new(move |_| {
        let chosen = prefs.with_untracked(Prefs::shown);
        let mut choices = Column::OWN.to_vec();
        choices.extend(catalogue.attribute_names().into_iter().map(Column::Attribute));
        choices.extend(chosen.into_iter().filter(|column| !choices.contains(column)).collect::<Vec<_>>());
        choices
    });
    let choice = move |column: Column| {
        let label = column.label().to_owned();
        let testid = format!("column-{label}");
        let shown = column.clone();
        view! {
            <li>
                <label class="menu-item">
                    <input
                        type="checkbox"
                        class="tick"
                        data-testid=testid
                        prop:checked=move || prefs.with(|prefs| prefs.columns.contains(&shown))
                        on:change=move |_| prefs.update(|prefs| prefs.toggle(&column))
                    />
                    <span class="menu-text">{label}</span>
                </label>
            </li>
        }
    };
    view! {
        <ul class="menu-list">
            <For each=move || choices.get() key=Clone::clone children=choice />
        </ul>
    }
}

#[component]
pub fn MoreMenu(deleting_all: RwSignal<bool>) -> impl IntoView {
    let open = RwSignal::new(false);
    let button = || view! { <Icon glyph=Glyph::More /> };
    view! {
        <Popover open label="More actions" testid="more" button=button bare=true>
            <MoreItems open deleting_all />
        </Popover>
    }
}

#[component]
fn MoreItems(open: RwSignal<bool>, deleting_all: RwSignal<bool>) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let help = Help::expect();
    let auth = Auth::expect();
    let export = move || if catalogue.filter().is_empty() { "Export all products" } else { "Export matching products" };
    view! {
        <ul class="menu-list">
            <li>
                <a
                    class="menu-item"
                    href=move || requests::export_url(&catalogue.filter())
                    download
                    data-testid="export"
                    on:click=move |_| open.set(false)
                >
                    <Icon glyph=Glyph::Download />
                    {export}
                </a>
            </li>
            <li>
                <button
                    type="button"
                    class="menu-item"
                    data-testid="show-help"
                    on:click=move |_| {
                        open.set(false);
                        help.0.set(true);
                    }
                >
                    <Icon glyph=Glyph::Keyboard />
                    "Keyboard shortcuts"
                    <kbd>"?"</kbd>
                </button>
            </li>
            <Show when=move || auth.can(Permission::Admin)>
                <li class="menu-rule">
                    <button
                        type="button"
                        class="menu-item menu-danger"
                        data-testid="delete-all"
                        on:click=move |_| {
                            open.set(false);
                            deleting_all.set(true);
                        }
                    >
                        <Icon glyph=Glyph::Trash />
                        "Delete all products …"
                    </button>
                </li>
            </Show>
        </ul>
    }
}
